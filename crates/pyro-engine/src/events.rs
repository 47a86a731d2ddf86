//! What a running operation tells its door while it runs.
//!
//! Owns: the event type and the sink. Refuses: rendering; a door decides
//! whether a phase becomes a stderr marker, a progress notification or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Receives events; called from the operation's own threads.
pub trait EventSink: Send + Sync {
    /// Takes one event. Must not panic; may block (that is backpressure).
    fn event(&self, event: Event);
}

/// Drops every event.
pub struct NoEvents;

impl EventSink for NoEvents {
    fn event(&self, _: Event) {}
}

/// Asks a running operation to end. Clones share the request.
#[derive(Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks for the end; idempotent and safe in a signal-handling thread.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
