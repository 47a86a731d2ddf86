//! Waiting for a lock that another pyro has.
//!
//! Owns: the wait, what is said of it once, its end by a cancel. Refuses:
//! opening the file, and deadlines.

use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// How often one looks whether it is its turn.
const POLL: Duration = Duration::from_millis(20);

/// Takes the lock `file`, which is at `path`; the notice is told when somebody
/// else has it.
///
/// # Errors
/// `cancelled`, and the lock's own, naming `path`.
pub fn take(
    file: &File,
    path: &Path,
    mut waiting: Option<(&dyn EventSink, &str)>,
    cancel: &Cancel,
) -> Result<()> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
        }
        if cancel.is_cancelled() {
            return Err(Error::runtime(
                "cancelled",
                "cancelled while waiting for another pyro that does the same",
            ));
        }
        if let Some((events, notice)) = waiting.take() {
            events.event(Event::Notice(notice.to_owned()));
        }
        std::thread::sleep(POLL);
    }
}
