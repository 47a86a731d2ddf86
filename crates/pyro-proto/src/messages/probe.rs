//! Whether something of a service is there yet, as seen from inside the guest.
//!
//! Owns: the question and its answer. A probe that finds nothing is an answer,
//! never a failure. Refuses: commands; those are an [`super::Exec`].
//!
//! ```text
//!   Probe{target} --> agent: one look, within PROBE_* --> Probed{ready, why}
//! ```

use crate::path::PathText;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long one connection may take to be made.
pub const PROBE_TCP: Duration = Duration::from_secs(1);
/// How long one HTTP request may take until its status is there.
pub const PROBE_HTTP: Duration = Duration::from_secs(2);
/// Longest reason an agent gives, in bytes.
pub const MAX_WHY_BYTES: usize = 300;

/// One look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// At what.
    pub target: Target,
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// Whether something is at a path below the workspace.
    File {
        /// The path.
        path: PathText,
    },
    /// Whether a connection can be made.
    Tcp {
        /// `localhost`, which is 127.0.0.1 and then ::1, or an address of the guest.
        host: String,
        /// The port.
        port: u16,
    },
    /// Whether a GET is answered with 2xx or 3xx; redirects are not followed.
    Http {
        /// As for TCP.
        host: String,
        /// The port.
        port: u16,
        /// Value of the `Host` header.
        authority: String,
        /// Path and query, printable ASCII.
        path: String,
    },
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// Whether it is there.
    pub ready: bool,
    /// Why not, in a few words of at most [`MAX_WHY_BYTES`].
    pub why: Option<String>,
}
