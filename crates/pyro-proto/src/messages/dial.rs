//! A connection to a port of the guest, carried by one stream.
//!
//! ```text
//!   host                                   agent
//!    |-- OPEN {"op": "dial", "port"} -------->|  127.0.0.1, ::1, the guest's own addresses
//!    |== STDIN, END ==  into the service  ===>|  END: no more will be written to it
//!    |<==  out of the service  STDOUT, END  ==|  END: it will write no more
//!    |<---------------- CLOSE Disconnected ---|  both directions ended
//!    |<-- CLOSE Failed{refused, timed_out,    |
//!    |          connection_lost, busy} -------|
//!    |-- RESET: the host's side is gone ----->|  the service's side is reset
//! ```
//!
//! Owns: the request, its codes and limits. Refuses: anything but TCP.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most connections at once. A link has 1024 streams; the rest is for
/// commands and files.
pub const MAX_CONNECTIONS: usize = 768;

/// How long a service of the guest may take to accept.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Nothing listens on the port.
pub const REFUSED: &str = "refused";
/// What listens did not accept in time.
pub const TIMED_OUT: &str = "timed_out";
/// The service, or the guest's kernel, ended the connection in the middle.
pub const CONNECTION_LOST: &str = "connection_lost";

/// Connects to a port of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dial {
    /// TCP port, 1 to 65535.
    pub port: u16,
}
