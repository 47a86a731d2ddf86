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
use std::path::PathBuf;
use std::process::ExitCode;

/// What the agent has for files.
pub enum View {
    /// Nothing: commands see the host.
    Host,
    /// A `/workspace` of its own, in the launcher's namespaces.
    Own,
    /// A folder of the host in place of `/workspace`, for requests about files.
    Files(PathBuf),
    /// A folder of the host with `merged`, `lower` and `scratch` in place of a
    /// seeded `/workspace`, its baseline and its scratch file system.
    Seeded(PathBuf),
}

/// Runs both processes of this role; `fd` is the socket's number.
pub fn run(fd: &str, view: &View) -> ExitCode {
    match start(fd, view) {
        Ok(code) => code,
        Err(message) => {
            console::stderr(&message);
            ExitCode::FAILURE
        }
    }
}

fn start(fd: &str, view: &View) -> Result<ExitCode, String> {
    let number = fd
        .parse()
        .ok()
        .filter(|number| *number > 2)
        .ok_or_else(|| format!("`{fd}` is no descriptor above stderr"))?;
    let socket = sys::inherited(number).map_err(|error| format!("descriptor {fd}: {error}"))?;
    sys::close_all_on_exec().map_err(|error| format!("descriptors: {error}"))?;
    if matches!(view, View::Own) {
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
                server::process(socket, view);
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
