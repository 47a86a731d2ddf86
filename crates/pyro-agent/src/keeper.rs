//! The process above the agent: it reaps, and outlives the agent.
//!
//! Owns: the only wait for any child in its process; the agent below waits
//! for its own children by pid alone, so no exit code is lost between them.
//! Refuses: everything else.
//!
//! ```text
//!   keeper (init, or the launcher's child)
//!     |-- agent -- commands (waited for by the agent)
//!     \-- orphans           (reaped here)
//! ```

use crate::sys::{self, Fork};
use crate::tree;
use rustix::process::{Pid, WaitOptions, WaitStatus};
use std::io;

/// What the caller of [`split`] is now.
pub enum Side {
    /// The agent's process; it goes on.
    Agent,
    /// The keeper, after the agent ended.
    Keeper(WaitStatus),
}

/// Forks the agent and reaps until it ends. `in_keeper` runs first in the
/// keeper, to let go of what only the agent should hold.
pub fn split(in_keeper: impl FnOnce()) -> io::Result<Side> {
    let agent = match sys::fork()? {
        Fork::Child => {
            // Shows in ps which of the two is which.
            let _ = rustix::thread::set_name(c"pyro-agent");
            return Ok(Side::Agent);
        }
        Fork::Parent(pid) => Pid::from_raw(pid),
    };
    in_keeper();
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if Some(pid) == agent => return Ok(Side::Keeper(status)),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Kills and reaps whatever is left below this process. Each round waits for
/// one death: a process that forked meanwhile dies too and starts another round.
pub fn clear() {
    let this = rustix::process::getpid().as_raw_nonzero().get();
    loop {
        tree::kill_below(this, None);
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return, // no children left
        }
    }
}

/// Says how a process ended.
pub fn describe(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("it exited with code {code}"),
        (_, Some(signal)) => format!("signal {signal} killed it"),
        _ => "for an unknown reason".into(),
    }
}

/// In the agent: kills what commands left behind and the keeper adopted.
pub fn kill_orphans() {
    let agent = rustix::process::getpid().as_raw_nonzero().get();
    if let Some(keeper) = rustix::process::getppid() {
        tree::kill_below(keeper.as_raw_nonzero().get(), Some(agent));
    }
}
