//! Commands on the machine there is, from their number to their record.
//!
//! Owns: their numbers, their journal, how they ended, and waiting for a
//! machine that is coming up. Refuses: starting one; waiting for a command on
//! somebody's behalf (running.rs).

use super::running::Underway;
use super::{Live, leaving, lock};
use crate::error::{Error, Result};
use crate::events::{Event, EventSink};
use crate::guest::{Command, Finished, Guest};
use crate::vms::payloads::ExecutionMode;
use crate::workspaces::command_id::CommandId;
use crate::workspaces::journal::{Ended, Entry};
use crate::workspaces::payloads::{CommandState, LastCommand};
use crate::workspaces::state::Phase;
use crate::workspaces::supervisor::wire::Account;
use crate::workspaces::{journal, unix_now};
use pyro_proto::messages::LEAVING;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A command that has its number, and what it takes to run it.
pub(in crate::workspaces::supervisor) struct Work {
    pub underway: Arc<Underway>,
    pub guest: Arc<Guest>,
    pub command: String,
    /// Variables with secrets.
    pub env: BTreeMap<String, String>,
    pub timeout: Duration,
}

impl Live {
    /// The machine to run a command on; waits for one that is coming up.
    pub(in crate::workspaces::supervisor) fn guest_for_command(&self) -> Result<Arc<Guest>> {
        // The machine of a reset is there before its journal is empty.
        let changes = self.is_over() || lock(&self.record).phase == Phase::Resetting;
        let guest = match self.guest().filter(|_| !changes) {
            Some(guest) => guest,
            None => {
                let _life = lock(&self.life);
                self.still_here()?;
                self.guest().ok_or_else(leaving)?
            }
        };
        // The host may have room again.
        guest.go_on()?;
        Ok(guest)
    }

    /// Gives a command its number and its place in the journal. When the
    /// machine changed meanwhile nothing is done.
    pub(in crate::workspaces::supervisor) fn begin(
        &self,
        guest: &Arc<Guest>,
        command: &str,
        background: bool,
    ) -> Result<Arc<Underway>> {
        // Held to the end: a reset empties the journal only when it has said
        // here that it is under way.
        let mut record = lock(&self.record);
        if !self.is_current(guest) || matches!(record.phase, Phase::Resetting | Phase::Deleting) {
            return Err(leaving());
        }
        self.running.admit(background, &self.folder.id)?;
        let id = CommandId {
            reset_count: record.reset_count,
            sequence: self.sequence.fetch_add(1, Ordering::SeqCst) + 1,
        };
        let mode = record
            .machine
            .as_ref()
            .map_or(ExecutionMode::Pending, |machine| machine.execution_mode);
        let shown = self.redactor().text(command);
        let recording = journal::begin(&self.folder, id.sequence, &shown, mode, unix_now())?;
        record.command_count = record.command_count.max(id.sequence);
        let underway = Arc::new(Underway::new(id, background, recording));
        self.running.add(underway.clone());
        Ok(underway)
    }

    /// Runs it to its end.
    pub(in crate::workspaces::supervisor) fn carry_out(
        &self,
        work: &Work,
        stdin: Option<File>,
        events: &dyn EventSink,
    ) -> Result<Account> {
        let underway = &work.underway;
        let finished = work.guest.exec(
            Command {
                shell: &work.command,
                env: work.env.clone(),
                redactor: self.redactor(),
                timeout: work.timeout,
                stdin,
                // The client keeps what it is shown.
                kept_bytes: 0,
            },
            &Recorder {
                to: events,
                underway,
            },
            &underway.cancel,
        );
        let now = unix_now();
        let ended = self.end_of(work, &finished, now);
        let entry = underway.entry();
        let last = LastCommand {
            sequence: entry.sequence,
            command: entry.command,
            cwd: entry.cwd,
            exit_code: ended.exit_code,
            duration_ms: ended.duration_ms,
            execution_mode: entry.execution_mode,
        };
        // The command ran: a full disk costs its log, not its result.
        let saved = self.change(|record| {
            // One of before a reset is not on the new record.
            if record.reset_count == underway.id.reset_count {
                record.last_command = Some(last);
                record.last_activity_at = now;
                record.renewed_at = now;
            }
        });
        if let Err(error) = saved {
            tracing::warn!("command {} is not on record: {error}", underway.id);
        }
        if let Err(error) = underway.end(ended) {
            tracing::warn!("command {} is not in the log: {error}", underway.id);
        }
        self.running.remove(underway.id);
        finished
            .map(|_| self.account(underway.id, underway.entry()))
            .map_err(|error| self.begun(&work.guest, error))
    }

    /// What went wrong with a command that has its number. Its standard input
    /// may be read already, so it is no refusal after which the client asks
    /// again by itself.
    fn begun(&self, guest: &Arc<Guest>, error: Error) -> Error {
        if error.code != LEAVING && (self.is_current(guest) || error.code == "cancelled") {
            return error;
        }
        Error::runtime(
            "guest_gone",
            "the workspace was stopped while the command was under way",
        )
        .hint("start the workspace and run it again")
    }

    pub(super) fn is_current(&self, guest: &Arc<Guest>) -> bool {
        self.guest().is_some_and(|now| Arc::ptr_eq(&now, guest))
    }

    fn end_of(&self, work: &Work, finished: &Result<Finished>, now: f64) -> Ended {
        let started_at = work.underway.entry().started_at;
        // Taken away by a stop, a reset or a delete, or gone by itself.
        let machine_is_gone = !self.is_current(&work.guest) || work.guest.is_over();
        let error = match finished {
            Ok(finished) => {
                let exited = &finished.exited;
                let by_power_off = machine_is_gone && exited.signal.is_some() && !exited.timed_out;
                return Ended {
                    at: now,
                    state: if by_power_off {
                        CommandState::Stopped
                    } else {
                        CommandState::Exited
                    },
                    exit_code: Some(exited.exit_code),
                    signal: exited.signal,
                    timed_out: exited.timed_out,
                    duration_ms: exited.duration_ms,
                    error: None,
                };
            }
            Err(error) => error,
        };
        let (state, why) = if work.underway.cancel.is_cancelled() {
            (CommandState::Cancelled, "it was cancelled".to_owned())
        } else if machine_is_gone {
            (
                CommandState::Stopped,
                "its machine ended while it ran".to_owned(),
            )
        } else {
            let why = self.redactor().text(&error.message);
            (CommandState::Failed, why)
        };
        Ended::unknown(state, started_at, now, why)
    }

    pub(super) fn account(&self, id: CommandId, entry: Entry) -> Account {
        let record = lock(&self.record);
        Account {
            id,
            environment: record.spec.environment.clone(),
            environment_version: record.environment_version.clone(),
            entry,
        }
    }

    /// The one command that an id means, when it does not run any more.
    pub(super) fn ended_command(&self, id: CommandId) -> Result<Account> {
        let reset_count = lock(&self.record).reset_count;
        let unknown = || -> Error { id.unknown(&self.folder.id, reset_count) };
        if id.reset_count != reset_count {
            return Err(unknown());
        }
        let entry = journal::entry(&self.folder, id.sequence)?.ok_or_else(unknown)?;
        // Where this supervisor does not run it, nobody does.
        Ok(self.account(id, entry.at_rest(unix_now())))
    }
}

/// Writes a command's output down before it goes on.
struct Recorder<'a> {
    to: &'a dyn EventSink,
    underway: &'a Underway,
}

impl EventSink for Recorder<'_> {
    fn event(&self, event: Event) {
        match &event {
            Event::Stdout(bytes) => self.underway.record(|recording| recording.stdout(bytes)),
            Event::Stderr(bytes) => self.underway.record(|recording| recording.stderr(bytes)),
            _ => {}
        }
        self.to.event(event);
    }
}
