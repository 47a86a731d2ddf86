//! Shells: programs on terminals that outlive whoever opened them.
//!
//! ```text
//!   open --> supervisor, started when need be (supervisor/live/shells/)
//!   read, write, signal, resize, close, list --> supervisor that lives
//!   attach (attach.rs) <==> a person's terminal
//! ```
//!
//! Owns: what a client does for these. Refuses: keeping anything of a shell;
//! its supervisor has it, and it ends with its machine.

pub mod asks;
mod attach;
pub mod payloads;
mod raw_terminal;

pub use attach::Attach;
pub use raw_terminal::restore as restore_terminal;

use super::payloads::WorkspaceState;
use super::reach::decode;
use super::store::Folder;
use super::supervisor::client::Session;
use super::supervisor::wire::Request;
use super::{Workspaces, secrets};
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use asks::{INPUT_PIECE_BYTES, Open, Read, ShellAsk, Signal, check_input, check_size};
use payloads::{Shell, ShellClosed, ShellList, ShellRead, ShellSignalled, ShellWritten};
use serde::de::DeserializeOwned;
use std::sync::{Mutex, PoisonError};

/// Columns of a terminal, unless told.
pub const COLS: u16 = 120;
/// Rows of a terminal, unless told.
pub const ROWS: u16 = 30;
/// Characters of one read, unless told.
pub const MAX_CHARS: u64 = 65_536;

impl Workspaces {
    /// Opens one. A workspace that was stopped by nobody's wish is started
    /// first, and says so.
    ///
    /// # Errors
    /// `out_of_range`, `invalid_path`, `missing_cwd`, `too_many_shells`,
    /// `invalid_secret_env`, `unknown_secret`, `secret_no_text`,
    /// `wrong_state`, `cancelled`; everything that can happen to a machine.
    pub fn open_shell(
        &self,
        wanted: &str,
        open: &Open,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Shell> {
        open.check()?;
        let folder = self.store.find(wanted)?;
        if !open.secret_env.is_empty() {
            // Before a machine is started for it.
            secrets::known(&folder.load()?, &open.secret_env)?;
        }
        let request = Request::Shell(ShellAsk::Open(open.clone()));
        let called = self.on_machine(&folder, events, cancel, |session| {
            session.call(&request, None, events, cancel)
        })?;
        decode(called.value)
    }

    /// What a shell showed.
    ///
    /// # Errors
    /// `out_of_range`, `unknown_shell`, `wrong_state`, `cancelled`.
    pub fn read_shell(&self, wanted: &str, read: Read, cancel: &Cancel) -> Result<ShellRead> {
        read.check()?;
        let text = Text::default();
        let folder = self.store.find(wanted)?;
        let answer: ShellRead = self.ask_shell(&folder, ShellAsk::Read(read), &text, cancel)?;
        Ok(ShellRead {
            output: text.take(),
            ..answer
        })
    }

    /// Types something into a shell.
    ///
    /// # Errors
    /// `out_of_range`, `unknown_shell`, `shell_not_running`,
    /// `shell_not_reading`, `wrong_state`, `cancelled`.
    pub fn write_shell(
        &self,
        wanted: &str,
        shell_id: &str,
        input: &str,
        append_newline: bool,
        cancel: &Cancel,
    ) -> Result<ShellWritten> {
        check_input(input)?;
        let folder = self.store.find(wanted)?;
        let mut typed = input.to_owned();
        if append_newline {
            typed.push('\n');
        }
        let mut written = 0;
        let mut rest = typed.as_str();
        let shell = loop {
            let (piece, later) = rest.split_at(rest.floor_char_boundary(INPUT_PIECE_BYTES));
            let ask = ShellAsk::Write {
                shell_id: shell_id.to_owned(),
                input: piece.to_owned(),
            };
            let shell: Shell = self
                .ask_shell(&folder, ask, &crate::NoEvents, cancel)
                .map_err(|error| partly(error, written))?;
            written += piece.chars().count();
            rest = later;
            if rest.is_empty() {
                break shell;
            }
        };
        Ok(ShellWritten {
            shell,
            input_length: input.chars().count(),
            append_newline,
        })
    }

    /// Sends a signal to a shell's foreground job.
    ///
    /// # Errors
    /// `invalid_signal`, `unknown_shell`, `shell_not_running`, `wrong_state`.
    pub fn signal_shell(
        &self,
        wanted: &str,
        shell_id: &str,
        name: &str,
        cancel: &Cancel,
    ) -> Result<ShellSignalled> {
        let signal = Signal::parse(name)?;
        let folder = self.store.find(wanted)?;
        let ask = ShellAsk::Signal {
            shell_id: shell_id.to_owned(),
            signal,
        };
        Ok(ShellSignalled {
            shell: self.ask_shell(&folder, ask, &crate::NoEvents, cancel)?,
            signal: signal.name().to_owned(),
        })
    }

    /// Gives a shell's terminal another size; what is none stays.
    ///
    /// # Errors
    /// `out_of_range`, `unknown_shell`, `shell_not_running`, `wrong_state`.
    pub fn resize_shell(
        &self,
        wanted: &str,
        shell_id: &str,
        cols: Option<u16>,
        rows: Option<u16>,
        cancel: &Cancel,
    ) -> Result<Shell> {
        check_size(cols.unwrap_or(COLS), rows.unwrap_or(ROWS))?;
        let folder = self.store.find(wanted)?;
        let ask = ShellAsk::Resize {
            shell_id: shell_id.to_owned(),
            cols,
            rows,
        };
        self.ask_shell(&folder, ask, &crate::NoEvents, cancel)
    }

    /// Ends a shell with everything it started, and forgets it.
    ///
    /// # Errors
    /// `unknown_shell`, `wrong_state`.
    pub fn close_shell(
        &self,
        wanted: &str,
        shell_id: &str,
        cancel: &Cancel,
    ) -> Result<ShellClosed> {
        let folder = self.store.find(wanted)?;
        let ask = ShellAsk::Close {
            shell_id: shell_id.to_owned(),
        };
        Ok(ShellClosed {
            shell: self.ask_shell(&folder, ask, &crate::NoEvents, cancel)?,
            closed: true,
        })
    }

    /// The shells of a workspace; none of one that is stopped.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub fn list_shells(&self, wanted: &str, cancel: &Cancel) -> Result<ShellList> {
        let folder = self.store.find(wanted)?;
        match self.ask_shell(&folder, ShellAsk::List, &crate::NoEvents, cancel) {
            Err(error) if error.code == "wrong_state" => Ok(ShellList {
                workspace_id: folder.id,
                count: 0,
                running_count: 0,
                shells: Vec::new(),
            }),
            other => other,
        }
    }

    /// A question about the shells there are, which end with their machine:
    /// nothing is started for it.
    fn ask_shell<T: DeserializeOwned>(
        &self,
        folder: &Folder,
        ask: ShellAsk,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<T> {
        let session = self.session_of_shells(folder)?;
        let called = session.call(&Request::Shell(ask), None, events, cancel)?;
        decode(called.value)
    }

    fn session_of_shells(&self, folder: &Folder) -> Result<Session> {
        let is_stopped = self.at_rest(folder)?.state == WorkspaceState::Stopped;
        let session = if is_stopped {
            None
        } else {
            Session::connect(folder)?
        };
        session.ok_or_else(|| {
            let id = &folder.id;
            Error::runtime(
                "wrong_state",
                format!("workspace {id} is stopped, and its shells ended with it"),
            )
            .hint(format!(
                "pyro workspace start {id}, then pyro workspace shell open {id}"
            ))
        })
    }
}

fn partly(error: Error, written: usize) -> Error {
    if written == 0 {
        return error;
    }
    Error {
        message: format!("{} after {written} characters", error.message),
        ..error
    }
}

/// Collects what comes on standard output.
#[derive(Default)]
struct Text(Mutex<Vec<u8>>);

impl Text {
    fn take(&self) -> String {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The supervisor sends text; one that does not is not trusted.
        String::from_utf8(std::mem::take(&mut bytes))
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

impl EventSink for Text {
    fn event(&self, event: Event) {
        if let Event::Stdout(bytes) = event {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(bytes);
        }
    }
}
