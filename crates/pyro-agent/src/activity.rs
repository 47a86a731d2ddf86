//! How many requests are under way.
//!
//! Owns: the bound on them, and waiting until the old ones are gone before a
//! new session starts. Refuses: knowing what a request does.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Most requests at once. Each costs a thread, a few descriptors and two
/// pipes; this many stalled ones still fit in a guest of 256 MiB.
const MAX_REQUESTS: usize = 600;

/// From this many on commands share what memory there is: they get small pipes
/// and are refused when little is left.
const CROWD: usize = 64;

/// The requests under way.
#[derive(Default)]
pub struct Activity {
    count: Mutex<usize>,
    fewer: Condvar,
}

/// One request under way, until it is dropped.
pub struct Ticket(Arc<Activity>);

impl Activity {
    /// Counts one more, unless the bound is reached.
    pub fn enter(self: &Arc<Self>) -> Option<Ticket> {
        let mut count = self.lock();
        if *count >= MAX_REQUESTS {
            return None;
        }
        *count += 1;
        Some(Ticket(self.clone()))
    }

    /// Whether so many are under way that each must be cheap.
    pub fn is_crowded(&self) -> bool {
        *self.lock() > CROWD
    }

    /// Waits until none is left, but not longer than `most`.
    pub fn wait_until_idle(&self, most: Duration) {
        drop(
            self.fewer
                .wait_timeout_while(self.lock(), most, |count| *count > 0),
        );
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.fewer.notify_all();
    }
}
