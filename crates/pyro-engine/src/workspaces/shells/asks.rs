//! What a client asks the supervisor about shells.
//!
//! Owns: the messages, and what each field may be. Refuses: I/O.

use crate::error::{Error, Result};
use crate::vms::checks;
use crate::workspaces::secrets::{self, SecretEnv};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Least and most columns of a terminal.
pub const COLS_RANGE: RangeInclusive<u16> = 1..=500;
/// Least and most rows of a terminal.
pub const ROWS_RANGE: RangeInclusive<u16> = 1..=200;
/// Least and most milliseconds of quiet to wait for.
pub const IDLE_MS_RANGE: RangeInclusive<u64> = 1..=10_000;
/// Least and most characters of one read.
pub const MAX_CHARS_RANGE: RangeInclusive<u64> = 1..=1_048_576;
/// Least and most bytes of a text to wait for.
const WAIT_FOR_BYTES_RANGE: RangeInclusive<usize> = 1..=4096;
/// Most bytes of one write.
const INPUT_BYTES_RANGE: RangeInclusive<usize> = 0..=1_048_576;

/// One request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(in crate::workspaces) enum ShellAsk {
    /// Starts one; the answer is the shell, as of all but `Read` and `List`.
    Open(Open),
    /// What it showed. The text comes on standard output, the answer without.
    Read(Read),
    /// Types something, at most [`INPUT_PIECE_BYTES`].
    Write { shell_id: String, input: String },
    /// A signal for the foreground job.
    Signal { shell_id: String, signal: Signal },
    /// Another size; what is not given stays.
    Resize {
        shell_id: String,
        cols: Option<u16>,
        rows: Option<u16>,
    },
    /// Ends and forgets it.
    Close { shell_id: String },
    /// All of them.
    List,
    /// Output as it comes, input as it is typed, until either side ends.
    Attach {
        shell_id: String,
        cols: u16,
        rows: u16,
    },
}

/// Most bytes of one [`ShellAsk::Write`]: half of what may be under way to a
/// program, so that there is always room for it when the program reads.
pub(in crate::workspaces) const INPUT_PIECE_BYTES: usize = pyro_proto::link::WINDOW_BYTES / 2;

/// A shell to open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Open {
    /// Its working folder, which has to exist.
    pub cwd: String,
    /// Columns of its terminal, [`COLS_RANGE`].
    pub cols: u16,
    /// Rows of its terminal, [`ROWS_RANGE`].
    pub rows: u16,
    /// Secrets it gets in variables.
    pub secret_env: Vec<SecretEnv>,
}

/// What to read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Read {
    /// Of which shell.
    pub shell_id: String,
    /// From where on, in characters.
    pub cursor: u64,
    /// At most so many characters, [`MAX_CHARS_RANGE`].
    pub max_chars: u64,
    /// Whether as it looks on the terminal.
    pub plain: bool,
    /// Wait until nothing was shown for so long, [`IDLE_MS_RANGE`].
    pub wait_for_idle_ms: Option<u64>,
    /// Wait until this was shown behind the cursor.
    pub wait_for: Option<String>,
}

/// A signal that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// The terminal went away.
    #[serde(rename = "HUP")]
    Hup,
    /// Ctrl-C.
    #[serde(rename = "INT")]
    Int,
    /// Please end.
    #[serde(rename = "TERM")]
    Term,
    /// End.
    #[serde(rename = "KILL")]
    Kill,
}

impl Signal {
    const ALL: [Self; 4] = [Self::Hup, Self::Int, Self::Term, Self::Kill];

    /// Reads a name, in small or capital letters.
    ///
    /// # Errors
    /// `invalid_signal`.
    pub fn parse(name: &str) -> Result<Self> {
        let wanted = name.trim();
        let found = Self::ALL
            .into_iter()
            .find(|signal| signal.name().eq_ignore_ascii_case(wanted));
        found.ok_or_else(|| {
            Error::invalid(
                "invalid_signal",
                format!("{name:?} is no signal for a shell"),
            )
            .hint("give HUP, INT, TERM or KILL")
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hup => "HUP",
            Self::Int => "INT",
            Self::Term => "TERM",
            Self::Kill => "KILL",
        }
    }

    /// Its number on Linux.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Hup => 1,
            Self::Int => 2,
            Self::Term => 15,
            Self::Kill => 9,
        }
    }
}

/// A size of a terminal.
///
/// # Errors
/// `out_of_range`.
pub fn check_size(cols: u16, rows: u16) -> Result<()> {
    checks::within("cols", cols, &COLS_RANGE)?;
    checks::within("rows", rows, &ROWS_RANGE)
}

impl Open {
    /// # Errors
    /// `out_of_range`, `invalid_path`, `invalid_secret_env`.
    pub fn check(&self) -> Result<()> {
        check_size(self.cols, self.rows)?;
        secrets::check_mapping(&self.secret_env)?;
        if self.cwd.starts_with('/') && !self.cwd.contains('\0') {
            return Ok(());
        }
        Err(Error::invalid(
            "invalid_path",
            format!("cwd {:?} is no absolute path of the guest", self.cwd),
        )
        .hint("give a folder such as /workspace/src"))
    }
}

impl Read {
    /// # Errors
    /// `out_of_range`.
    pub fn check(&self) -> Result<()> {
        checks::within("max_chars", self.max_chars, &MAX_CHARS_RANGE)?;
        if let Some(idle) = self.wait_for_idle_ms {
            checks::within("wait_for_idle_ms", idle, &IDLE_MS_RANGE)?;
        }
        match &self.wait_for {
            Some(text) => checks::within("bytes of wait_for", text.len(), &WAIT_FOR_BYTES_RANGE),
            None => Ok(()),
        }
    }
}

/// What is typed.
///
/// # Errors
/// `out_of_range`.
pub fn check_input(input: &str) -> Result<()> {
    checks::within("bytes of input", input.len(), &INPUT_BYTES_RANGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_one_name_in_any_case() {
        for signal in Signal::ALL {
            assert_eq!(Signal::parse(signal.name()).unwrap(), signal);
            assert_eq!(
                Signal::parse(&signal.name().to_lowercase()).unwrap(),
                signal
            );
            let sent = serde_json::to_value(signal).unwrap();
            assert_eq!(sent, signal.name());
        }
        assert_eq!(Signal::parse("STOP").unwrap_err().code, "invalid_signal");
        assert_eq!(Signal::parse("9").unwrap_err().code, "invalid_signal");
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let read = Read {
            shell_id: "x".into(),
            cursor: 0,
            max_chars: 1,
            plain: false,
            wait_for_idle_ms: Some(1),
            wait_for: Some("x".into()),
        };
        assert!(read.check().is_ok());
        for (wrong, name) in [
            (
                Read {
                    max_chars: 0,
                    ..read.clone()
                },
                "max_chars",
            ),
            (
                Read {
                    wait_for_idle_ms: Some(10_001),
                    ..read.clone()
                },
                "wait_for_idle_ms",
            ),
            (
                Read {
                    wait_for: Some(String::new()),
                    ..read
                },
                "wait_for",
            ),
        ] {
            let error = wrong.check().unwrap_err();
            assert_eq!(error.code, "out_of_range");
            assert!(error.message.contains(name), "{error}");
        }
        let open = |cwd: &str, cols| Open {
            cwd: cwd.into(),
            cols,
            rows: 30,
            secret_env: Vec::new(),
        };
        assert!(open("/workspace", 120).check().is_ok());
        assert_eq!(open("src", 120).check().unwrap_err().code, "invalid_path");
        assert_eq!(open("/", 0).check().unwrap_err().code, "out_of_range");
    }
}
