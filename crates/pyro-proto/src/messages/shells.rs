//! A program on a terminal of its own: the request, and what is said while it runs.
//!
//! Owns: the messages and the form of a control. Refuses: I/O.
//!
//! ```text
//!   host --OpenShell--------------> agent
//!        <--STDERR: one byte-------   it runs
//!        --STDIN: bytes----------->   typed
//!        <--STDOUT: bytes----------   what the terminal shows
//!        --SIGNAL: controls------->   [kind, a, b, c, d], five bytes each
//!        <--CLOSE: ShellEnded------
//! ```

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long after [`Control::Close`] what is left is killed.
pub const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// Starts an interactive shell on a new terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenShell {
    /// Columns of the terminal.
    pub cols: u16,
    /// Rows of the terminal.
    pub rows: u16,
    /// Working folder, which has to exist.
    pub cwd: Option<String>,
    /// Variables on top of the agent's environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Host time, nanoseconds since the Unix epoch.
    pub time_unix_ns: u64,
}

/// The shell is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShellEnded {
    /// Its code; 128 + n when signal n ended it.
    pub exit_code: i32,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
}

/// Bytes of one control.
pub const CONTROL_BYTES: usize = 5;

/// Something that is no text, host to agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// A signal for the foreground job.
    Signal(u8),
    /// The terminal's new size.
    Resize {
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// The terminal is closed: HUP, and KILL after [`CLOSE_GRACE`].
    Close,
}

impl Control {
    /// As it is sent.
    #[must_use]
    pub fn encode(self) -> [u8; CONTROL_BYTES] {
        let mut bytes = [0; CONTROL_BYTES];
        match self {
            Self::Signal(number) => {
                bytes[0] = b's';
                bytes[1] = number;
            }
            Self::Resize { cols, rows } => {
                bytes[0] = b'r';
                bytes[1..3].copy_from_slice(&cols.to_le_bytes());
                bytes[3..].copy_from_slice(&rows.to_le_bytes());
            }
            Self::Close => bytes[0] = b'c',
        }
        bytes
    }

    fn decode(bytes: [u8; CONTROL_BYTES]) -> Option<Self> {
        let [kind, a, b, c, d] = bytes;
        match kind {
            b's' => Some(Self::Signal(a)),
            b'r' => Some(Self::Resize {
                cols: u16::from_le_bytes([a, b]),
                rows: u16::from_le_bytes([c, d]),
            }),
            b'c' => Some(Self::Close),
            _ => None,
        }
    }
}

/// Puts controls together that came in pieces.
#[derive(Debug, Default)]
pub struct Controls {
    held: Vec<u8>,
}

impl Controls {
    /// Those that are whole by now. An unknown kind is passed over.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Control> {
        self.held.extend_from_slice(bytes);
        let whole = self.held.len() / CONTROL_BYTES * CONTROL_BYTES;
        let rest = self.held.split_off(whole);
        let whole = std::mem::replace(&mut self.held, rest);
        whole
            .chunks_exact(CONTROL_BYTES)
            .filter_map(|bytes| Control::decode(bytes.try_into().ok()?))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn control() -> impl Strategy<Value = Control> {
        prop_oneof![
            any::<u8>().prop_map(Control::Signal),
            any::<(u16, u16)>().prop_map(|(cols, rows)| Control::Resize { cols, rows }),
            Just(Control::Close),
        ]
    }

    proptest! {
        #[test]
        fn controls_survive_any_cut(
            sent in prop::collection::vec(control(), 0..20),
            piece in 1_usize..12,
        ) {
            let bytes: Vec<u8> = sent.iter().flat_map(|control| control.encode()).collect();
            let mut controls = Controls::default();
            let got: Vec<Control> = bytes
                .chunks(piece)
                .flat_map(|bytes| controls.take(bytes))
                .collect();
            prop_assert_eq!(got, sent);
        }

        #[test]
        fn any_bytes_are_taken_and_never_kept(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut controls = Controls::default();
            controls.take(&bytes);
            prop_assert!(controls.held.len() < CONTROL_BYTES);
        }
    }
}
