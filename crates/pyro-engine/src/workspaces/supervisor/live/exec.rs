//! Commands on the machine there is.
//!
//! Owns: their numbers, their journal, and waiting for a machine that is
//! coming up. Refuses: starting one.

use super::{Live, leaving, lock};
use crate::error::Result;
use crate::events::{Cancel, Event, EventSink};
use crate::guest::{Command, Guest};
use crate::vms::payloads::ExecutionMode;
use crate::workspaces::payloads::{LastCommand, WORKSPACE_PATH, WorkspaceExec};
use crate::workspaces::{journal, unix_now};
use std::fs::File;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

impl Live {
    /// The machine to run a command on; waits for one that is coming up.
    pub(in crate::workspaces::supervisor) fn guest_for_command(&self) -> Result<Arc<Guest>> {
        if let Some(guest) = self.guest().filter(|_| !self.is_over()) {
            return Ok(guest);
        }
        let _life = lock(&self.life);
        self.still_here()?;
        self.guest().ok_or_else(leaving)
    }

    pub(in crate::workspaces::supervisor) fn exec(
        &self,
        guest: &Guest,
        command: &str,
        timeout: Duration,
        stdin: Option<File>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<WorkspaceExec> {
        let sequence = self.sequence.fetch_add(1, Ordering::SeqCst) + 1;
        let recording = Mutex::new(journal::begin(&self.folder, sequence)?);
        let recorder = Recorder {
            to: events,
            recording: &recording,
        };
        let finished = guest.exec(
            Command {
                shell: command,
                timeout,
                stdin,
                // The client keeps what it is shown.
                kept_bytes: 0,
            },
            &recorder,
            cancel,
        )?;
        let (execution_mode, environment, version) = {
            let record = lock(&self.record);
            (
                record
                    .machine
                    .as_ref()
                    .map_or(ExecutionMode::Pending, |machine| machine.execution_mode),
                record.spec.environment.clone(),
                record.environment_version.clone(),
            )
        };
        let last = LastCommand {
            sequence,
            command: command.to_owned(),
            cwd: WORKSPACE_PATH.into(),
            exit_code: finished.exited.exit_code,
            duration_ms: finished.exited.duration_ms,
            execution_mode,
        };
        let now = unix_now();
        // The command ran: a full disk costs its log, not its result.
        let recording = recording
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let logged = recording.finish(last.clone(), now);
        let saved = self.change(|record| {
            record.command_count = record.command_count.max(sequence);
            record.last_command = Some(last);
            record.last_activity_at = now;
            record.renewed_at = now;
        });
        for error in [logged, saved].into_iter().filter_map(Result::err) {
            tracing::warn!("command {sequence} is not on record: {error}");
        }
        Ok(WorkspaceExec {
            workspace_id: self.folder.id.clone(),
            environment,
            environment_version: version,
            sequence,
            command: command.to_owned(),
            cwd: WORKSPACE_PATH.into(),
            // The client has them, as they came.
            stdout: String::new(),
            stderr: String::new(),
            stdout_bytes: finished.stdout.total_bytes,
            stderr_bytes: finished.stderr.total_bytes,
            stdout_truncated: false,
            stderr_truncated: false,
            lossy: false,
            exit_code: finished.exited.exit_code,
            signal: finished.exited.signal,
            timed_out: finished.exited.timed_out,
            duration_ms: finished.exited.duration_ms,
            execution_mode,
        })
    }
}

/// Writes a command's output down before it goes on.
struct Recorder<'a> {
    to: &'a dyn EventSink,
    recording: &'a Mutex<journal::Recording>,
}

impl EventSink for Recorder<'_> {
    fn event(&self, event: Event) {
        match &event {
            Event::Stdout(bytes) => lock(self.recording).stdout(bytes),
            Event::Stderr(bytes) => lock(self.recording).stderr(bytes),
            _ => {}
        }
        self.to.event(event);
    }
}
