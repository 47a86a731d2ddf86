//! What a running operation tells its door while it runs.
//!
//! Owns: the event type and the sink. Refuses: rendering; a door decides
//! whether a phase becomes a stderr marker, a progress notification or nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One thing that happened before the response.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A step began: `[<prefix>] phase=<name> key=value …` in the contract.
    Phase {
        /// Tag of the operation, for example `run`.
        prefix: &'static str,
        /// Name of the step.
        name: &'static str,
        /// Key-value pairs in the order to print.
        fields: Vec<(&'static str, String)>,
    },
    /// Bytes of the guest command's stdout, as they came.
    Stdout(Vec<u8>),
    /// Bytes of the guest command's stderr, as they came.
    Stderr(Vec<u8>),
    /// Progress of a long step.
    Progress {
        /// What is counted, for example `building debian:12`.
        label: String,
        /// Units done.
        done: u64,
        /// Units in total, when known.
        total: Option<u64>,
    },
    /// Something a person should know that does not change the result, said
    /// at most once per operation, for example why KVM is not used.
    Notice(String),
}

/// The pairs of a phase as text, each after a blank.
#[must_use]
pub fn phase_fields(fields: &[(&'static str, String)]) -> String {
    fields
        .iter()
        .map(|(key, value)| format!(" {key}={value}"))
        .collect()
}

/// Receives events; called from the operation's own threads.
pub trait EventSink: Send + Sync {
    /// Takes one event. Must not panic; may block (that is backpressure).
    fn event(&self, event: Event);
}

/// Counts what is done and tells it, not more often than a person can read.
pub struct Meter<'a> {
    label: String,
    done: u64,
    total: Option<u64>,
    told: Instant,
    events: &'a dyn EventSink,
}

impl<'a> Meter<'a> {
    const TOLD_EVERY: Duration = Duration::from_millis(200);

    /// Nothing is done yet.
    pub fn new(label: impl Into<String>, total: Option<u64>, events: &'a dyn EventSink) -> Self {
        Self {
            label: label.into(),
            done: 0,
            total,
            told: Instant::now(),
            events,
        }
    }

    /// How much there is turned out to be this.
    pub fn of(&mut self, total: u64) -> &mut Self {
        self.total = Some(total);
        self
    }

    /// So much is done altogether.
    pub fn at(&mut self, done: u64) {
        self.done = done;
        if self.told.elapsed() >= Self::TOLD_EVERY {
            self.told = Instant::now();
            self.events.event(Event::Progress {
                label: self.label.clone(),
                done,
                total: self.total,
            });
        }
    }

    /// So much more is done.
    pub fn add(&mut self, more: u64) {
        self.at(self.done + more);
    }
}

/// Drops every event.
pub struct NoEvents;

impl EventSink for NoEvents {
    fn event(&self, _: Event) {}
}

/// Asks a running operation to end. Clones share the request.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Mutex<Asked>>);

#[derive(Default)]
struct Asked {
    yes: bool,
    next: u64,
    waiting: Vec<(u64, Box<dyn FnOnce() + Send>)>,
}

impl Cancel {
    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the end; idempotent. Not for use inside a signal handler.
    pub fn cancel(&self) {
        let waiting = {
            let mut asked = self.asked();
            asked.yes = true;
            std::mem::take(&mut asked.waiting)
        };
        for (_, wake) in waiting {
            wake();
        }
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.asked().yes
    }

    /// Calls `wake` once when the end is asked for (at once if it was), until
    /// the guard is dropped. So a waiting operation need not look again and again.
    #[must_use]
    pub fn on_cancel(&self, wake: impl FnOnce() + Send + 'static) -> CancelGuard {
        let mut asked = self.asked();
        if asked.yes {
            drop(asked);
            wake();
            return CancelGuard {
                cancel: self.clone(),
                id: 0,
            };
        }
        asked.next += 1;
        let id = asked.next;
        asked.waiting.push((id, Box::new(wake)));
        CancelGuard {
            cancel: self.clone(),
            id,
        }
    }
}

/// Takes a wake-up back when dropped.
pub struct CancelGuard {
    cancel: Cancel,
    id: u64,
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.cancel.asked().waiting.retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_wake_up_happens_once_and_not_after_its_guard() {
        let (cancel, count) = (Cancel::default(), Arc::new(AtomicU32::new(0)));
        let wake = |count: &Arc<AtomicU32>| {
            let count = count.clone();
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        drop(cancel.on_cancel(wake(&count)));
        let kept = cancel.on_cancel(wake(&count));
        cancel.cancel();
        cancel.cancel();
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let late = cancel.on_cancel(wake(&count));
        assert_eq!(count.load(Ordering::SeqCst), 2);
        drop((kept, late));
    }
}
