//! Commands of a workspace as a client asks for them.
//!
//! ```text
//!   exec, launch --Exec--> supervisor --.
//!   look --- it ended ---> journal ------+--> Account + what it wrote --> WorkspaceExec
//!     `----- it runs -Look-> supervisor -'        (account.rs)             (result.rs)
//!   logs ------------------> journal, and Look for what runs (logs.rs)
//! ```
//!
//! Owns: what a call asks for. Refuses: what is out of range, before anything
//! is looked at.

mod account;
mod logs;
mod once;
mod result;

pub(super) use logs::as_of_now;
pub use logs::{LIMIT_BYTES_RANGE, Logs, PAGE_BYTES};

use super::Workspaces;
use super::command_id::CommandId;
use super::payloads::WorkspaceExec;
use super::reach::decode;
use super::secrets::{self, SecretEnv};
use super::supervisor::wire::Request;
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::vms::checks;
use account::account;
use result::result;
use std::fs::File;
use std::ops::RangeInclusive;

/// Least and most seconds to wait for a command that runs on.
pub const WAIT_SECONDS_RANGE: RangeInclusive<u64> = 0..=3600;
/// A command to run.
#[derive(Clone, Debug, Default)]
pub struct NewCommand<'a> {
    /// For `/bin/sh -lc`.
    pub command: &'a str,
    /// Seconds until it is killed.
    pub timeout_seconds: u64,
    /// Secrets of the workspace that it gets in variables.
    pub secret_env: &'a [SecretEnv],
}

impl NewCommand<'_> {
    fn request(&self, stdin: bool, wait_seconds: Option<u64>) -> Request {
        Request::Exec {
            command: self.command.to_owned(),
            timeout_seconds: self.timeout_seconds,
            stdin,
            wait_seconds,
            secret_env: self.secret_env.to_vec(),
        }
    }
}

/// A look at a command.
#[derive(Clone, Debug)]
pub struct Look {
    /// Which one, as `workspace exec` named it.
    pub command_id: String,
    /// Seconds to wait for its end, [`WAIT_SECONDS_RANGE`].
    pub wait_seconds: u64,
    /// Whether to end it.
    pub cancel: bool,
}

impl Workspaces {
    /// Runs a command to its end. One that was stopped because nobody used it,
    /// or whose supervisor died, is started again first, and says so.
    ///
    /// # Errors
    /// `invalid_secret_env`, `unknown_secret`, `secret_no_text`;
    /// `wrong_state` for one that somebody stopped; `cancelled`; everything
    /// that can happen to a machine.
    pub fn exec(
        &self,
        wanted: &str,
        command: &NewCommand,
        stdin: Option<File>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<WorkspaceExec> {
        self.run(wanted, command, stdin.as_ref(), None, events, cancel)
    }

    /// Starts a command that goes on whatever becomes of this call, and waits
    /// `wait_seconds` for its end. It has no standard input.
    ///
    /// # Errors
    /// As [`Self::exec`]; `out_of_range`, `too_many_commands`.
    pub fn launch(
        &self,
        wanted: &str,
        command: &NewCommand,
        wait_seconds: u64,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<WorkspaceExec> {
        checks::within("wait_seconds", wait_seconds, &WAIT_SECONDS_RANGE)?;
        self.run(wanted, command, None, Some(wait_seconds), events, cancel)
            .map_err(|error| going_on(error, wanted))
    }

    fn run(
        &self,
        wanted: &str,
        command: &NewCommand,
        stdin: Option<&File>,
        wait_seconds: Option<u64>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<WorkspaceExec> {
        checks::timeout(command.timeout_seconds)?;
        checks::command(command.command)?;
        secrets::check_mapping(command.secret_env)?;
        let folder = self.store.find(wanted)?;
        if !command.secret_env.is_empty() {
            // Before a machine is started for nothing.
            secrets::known(&folder.load()?, command.secret_env)?;
        }
        let request = &command.request(stdin.is_some(), wait_seconds);
        let called = self.on_machine(&folder, events, cancel, |session| {
            session.call(request, stdin, events, cancel)
        })?;
        let account = decode(called.value)?;
        Ok(result(&folder, account, called.stdout, called.stderr))
    }

    /// How it is with a command that was begun before; its output from the
    /// beginning. One that ended is told from the log.
    ///
    /// # Errors
    /// `invalid_command_id`, `unknown_command`, `out_of_range`, `cancelled`.
    pub fn look(
        &self,
        wanted: &str,
        look: &Look,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<WorkspaceExec> {
        checks::within("wait_seconds", look.wait_seconds, &WAIT_SECONDS_RANGE)?;
        let id = CommandId::parse(&look.command_id)?;
        let folder = self.store.find(wanted)?;
        let request = Request::Look {
            id,
            wait_seconds: look.wait_seconds,
            cancel: look.cancel,
            output: true,
        };
        let (account, stdout, stderr) = account(&folder, id, &request, events, cancel)
            .map_err(|error| going_on(error, wanted))?;
        Ok(result(&folder, account, stdout, stderr))
    }
}

/// Whoever stops waiting must not begin the command again.
fn going_on(error: Error, wanted: &str) -> Error {
    if error.code != "cancelled" {
        return error;
    }
    error.hint(format!(
        "what was begun goes on: pyro workspace logs {wanted} shows it, with the id to wait for or cancel"
    ))
}
