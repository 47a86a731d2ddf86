//! A person's terminal in front of a shell in the lab.
//!
//! Owns: raw mode and its end, the size. Refuses: following a change of the
//! size; `resize` or a new shell does.

use crate::job::{Job, User};
use pyro_engine::{Error, Result};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::IsTerminal;
use std::time::Duration;

/// A shell may stay open for a working day.
const SHELL_TIMEOUT: Duration = Duration::from_secs(12 * 3600);

/// Puts the terminal back when dropped.
pub struct Restore(Option<Termios>);

/// Every key goes to the job from here on, when it wants them.
pub fn enter(job: &Job) -> Result<Restore> {
    if !job.terminal {
        return Ok(Restore(None));
    }
    let failed = |error: rustix::io::Errno| {
        Error::runtime("lab_terminal", format!("cannot set the terminal: {error}"))
    };
    let before = tcgetattr(rustix::stdio::stdin()).map_err(failed)?;
    let mut raw = before.clone();
    raw.make_raw();
    tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw).map_err(failed)?;
    Ok(Restore(Some(before)))
}

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // The shell that is typed at next can do it as well.
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
        }
    }
}

/// A shell with a terminal of its own when a person sits at one, else one that
/// reads commands.
pub fn shell(user: User) -> Job {
    let person = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut job = if person {
        let size = tcgetwinsize(rustix::stdio::stdout()).ok();
        let size = size.map_or(String::new(), |size| {
            format!("stty rows {} cols {}; ", size.ws_row, size.ws_col)
        });
        Job::new(
            [
                "script",
                "-qec",
                &format!("{size}exec bash -l"),
                "/dev/null",
            ],
            SHELL_TIMEOUT,
        )
    } else {
        Job::new(["bash", "-l"], SHELL_TIMEOUT)
    };
    job.user = user;
    job.stdin = true;
    if person {
        let name = std::env::var("TERM").unwrap_or_else(|_| "xterm".into());
        job.variables.push(format!("TERM={name}"));
    }
    job.terminal = person;
    job
}
