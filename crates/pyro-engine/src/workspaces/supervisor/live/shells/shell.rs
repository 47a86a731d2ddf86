//! One shell.
//!
//! Owns: its stream to the agent, what it showed, how it ended. Refuses:
//! waiting for a client: what comes is taken at once and kept as far as there
//! is room, so a shell that nobody reads goes on.
//!
//! ```text
//!   agent ==stream==> watch: intake --> history --(rings)--> readers
//!         <==STDIN, SIGNAL== type_in, control
//! ```

use super::history::History;
use super::intake::Intake;
use crate::error::{Error, Result};
use crate::guest::{Guest, shell};
use crate::vms::payloads::ExecutionMode;
use crate::workspaces::shells::payloads::{Shell as Payload, ShellState};
use crate::workspaces::unix_now;
use pyro_proto::messages::channel;
use pyro_proto::messages::shells::{CLOSE_GRACE, Control};
use pyro_proto::{Incoming, LinkError, Stream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What may become a secret is shown after so long, if it is short.
const HELD_FOR: Duration = Duration::from_millis(200);
/// How long a program may take to read what was typed before.
const TYPE_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two looks at room for input, which no event tells.
const LOOK: Duration = Duration::from_millis(5);
/// After its grace a shell is killed, which takes the guest a moment.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// What does not change.
pub struct Facts {
    pub workspace_id: String,
    pub shell_id: String,
    pub cwd: String,
    pub started_at: f64,
    pub execution_mode: ExecutionMode,
}

/// A shell.
pub struct Shell {
    pub facts: Facts,
    stream: Stream,
    /// Held while something is typed, so that two writers do not mix.
    typing: Mutex<()>,
    state: Mutex<State>,
    changed: Condvar,
}

/// What changes.
pub struct State {
    pub cols: u16,
    pub rows: u16,
    pub history: History,
    /// When something was shown last.
    pub shown_at: Instant,
    pub ended: Option<Ended>,
    pub attached: usize,
}

/// How it ended.
#[derive(Clone, Copy)]
pub struct Ended {
    at: f64,
    exit_code: Option<i32>,
}

impl Shell {
    /// One that was just started.
    pub fn new(facts: Facts, stream: Stream, (cols, rows): (u16, u16)) -> Self {
        Self {
            facts,
            stream,
            typing: Mutex::new(()),
            state: Mutex::new(State {
                cols,
                rows,
                history: History::new(cols, rows),
                shown_at: Instant::now(),
                ended: None,
                attached: 0,
            }),
            changed: Condvar::new(),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something that others wait for.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify_all();
        changed
    }

    /// Waits for a change, not longer than `most`.
    pub fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        self.changed
            .wait_timeout(state, most)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    /// Wakes whoever waits, to look at something else.
    pub fn wake(&self) {
        drop(self.state());
        self.changed.notify_all();
    }

    pub fn is_running(&self) -> bool {
        self.state().ended.is_none()
    }

    /// As others see it.
    pub fn payload(&self) -> Payload {
        let state = self.state();
        Payload {
            workspace_id: self.facts.workspace_id.clone(),
            shell_id: self.facts.shell_id.clone(),
            cwd: self.facts.cwd.clone(),
            cols: state.cols,
            rows: state.rows,
            state: match state.ended {
                None => ShellState::Running,
                Some(_) => ShellState::Stopped,
            },
            started_at: self.facts.started_at,
            ended_at: state.ended.map(|ended| ended.at),
            exit_code: state.ended.and_then(|ended| ended.exit_code),
            execution_mode: self.facts.execution_mode,
            attached: state.attached,
        }
    }

    /// Takes in what it shows until it ends.
    pub fn watch(&self, guest: &Guest, mut intake: Intake) {
        let exit_code = loop {
            let release = intake.is_holding().then(|| Instant::now() + HELD_FOR);
            match guest.receive(&self.stream, release) {
                Ok(Incoming::Data(channel::STDOUT, bytes)) => self.show(&intake.push(&bytes)),
                Ok(Incoming::Close(reply)) => {
                    break shell::ended(&reply).ok().map(|ended| ended.exit_code);
                }
                Ok(_) => {}
                // Nothing came for a while, or the guest is halted.
                Err(LinkError::TimedOut(_)) => self.show(&intake.release()),
                Err(_) => break None,
            }
        };
        self.show(&intake.finish());
        self.change(|state| {
            state.ended = Some(Ended {
                at: unix_now(),
                exit_code,
            });
        });
    }

    fn show(&self, text: &str) {
        if !text.is_empty() {
            self.change(|state| {
                state.history.push(text);
                state.shown_at = Instant::now();
            });
        }
    }

    /// Refuses what needs a running one.
    pub fn check_running(&self) -> Result<()> {
        if self.is_running() {
            return Ok(());
        }
        let (id, workspace) = (&self.facts.shell_id, &self.facts.workspace_id);
        Err(Error::runtime(
            "shell_not_running",
            format!("shell {id} of workspace {workspace} has ended"),
        )
        .hint(format!(
            "read what it showed: pyro workspace shell read {workspace} {id}; open another: pyro workspace shell open {workspace}"
        )))
    }

    /// Types all of `bytes` or nothing. At most half a window, for which there
    /// is room as soon as the program has read what was typed before.
    pub fn type_in(&self, bytes: &[u8]) -> Result<()> {
        let deadline = Instant::now() + TYPE_TIMEOUT;
        let _typing = self.typing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            self.check_running()?;
            if self.stream.credit(channel::STDIN) >= bytes.len() {
                return self.send(channel::STDIN, bytes);
            }
            if Instant::now() > deadline {
                let (id, workspace) = (&self.facts.shell_id, &self.facts.workspace_id);
                return Err(Error::runtime(
                    "shell_not_reading",
                    format!("the program in shell {id} does not read what is typed"),
                )
                .hint(format!(
                    "look at it: pyro workspace shell read {workspace} {id} --plain; interrupt it: pyro workspace shell signal {workspace} {id}"
                )));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Types what there is room for; how many bytes that was.
    pub fn type_some(&self, bytes: &[u8]) -> Result<usize> {
        let _typing = self.typing.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_running()?;
        let sent = self.stream.send_some(channel::STDIN, bytes);
        sent.or_else(|_| self.check_running().map(|()| 0))
    }

    /// Tells the agent something that is no text.
    pub fn control(&self, control: Control) -> Result<()> {
        self.check_running()?;
        self.send(channel::SIGNAL, &control.encode())
    }

    fn send(&self, channel: u8, bytes: &[u8]) -> Result<()> {
        self.stream.send(channel, bytes).map_err(|error| {
            Error::runtime(
                "shell_not_running",
                format!("shell {} has just ended: {error}", self.facts.shell_id),
            )
            .hint("open another one")
        })
    }

    /// Gives its terminal another size.
    pub fn resize(&self, cols: u16, rows: u16) -> Result<()> {
        self.control(Control::Resize { cols, rows })?;
        self.change(|state| {
            (state.cols, state.rows) = (cols, rows);
            state.history.resize(cols, rows);
        });
        Ok(())
    }

    /// Tells it that its terminal goes away, and waits for nothing.
    pub fn hang_up(&self) {
        let _ = self.control(Control::Close);
    }

    /// Ends it with everything it started.
    pub fn close(&self) {
        self.hang_up();
        let deadline = Instant::now() + CLOSE_GRACE + KILL_TIMEOUT;
        let mut state = self.state();
        while state.ended.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // The agent kills what belongs to a stream that is given up.
                drop(state);
                return self.stream.abort();
            }
            state = self.wait(state, left);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.stream.abort();
    }
}

/// Everybody who looks at a shell holds it.
pub type Shared = Arc<Shell>;
