//! The agent as a plain child of its launcher, over an inherited socket.
//!
//! Owns: this role's start and end. Refuses: to leave anything running when
//! the socket ends, and to serve without the view it was asked for.
//!
//! ```text
//!   launcher --fork/exec--> keeper --fork--> agent <== socket ==> launcher
//!                             ^ EOF: the agent ends, the keeper kills the rest
//! ```

use crate::keeper::{self, Side};
use crate::{console, server, sys, workspace};
use std::process::ExitCode;

/// Runs both processes of this role; `fd` is the socket's number.
pub fn run(fd: &str, with_workspace: bool) -> ExitCode {
    match start(fd, with_workspace) {
        Ok(code) => code,
        Err(message) => {
            console::stderr(&message);
            ExitCode::FAILURE
        }
    }
}

fn start(fd: &str, with_workspace: bool) -> Result<ExitCode, String> {
    let number = fd
        .parse()
        .ok()
        .filter(|number| *number > 2)
        .ok_or_else(|| format!("`{fd}` is no descriptor above stderr"))?;
    let socket = sys::inherited(number).map_err(|error| format!("descriptor {fd}: {error}"))?;
    sys::close_all_on_exec().map_err(|error| format!("descriptors: {error}"))?;
    if with_workspace {
        workspace::build()?;
    }
    // Ctrl-C at the launcher's terminal is the launcher's to handle. A launcher
    // that made this a session leader already is refused here and right.
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| format!("orphans cannot be adopted: {error}"))?;
    let mut socket = Some(socket);
    // Only the agent holds the socket, so its end is seen by the launcher.
    let side = keeper::split(|| drop(socket.take()));
    match side.map_err(|error| format!("the agent did not start: {error}"))? {
        Side::Agent => {
            if let Some(socket) = socket {
                server::process(socket, with_workspace);
            }
            Ok(ExitCode::SUCCESS)
        }
        Side::Keeper(status) => {
            keeper::clear();
            match status.exit_status() {
                Some(0) => Ok(ExitCode::SUCCESS),
                _ => Err(format!("the agent ended, {}", keeper::describe(status))),
            }
        }
    }
}
