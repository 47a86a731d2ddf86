//! Reaching a workspace, whatever state its process is in.
//!
//! Owns: starting a supervisor where one is needed, working on the record
//! where none lives, and mending what a crash left. Refuses: deciding what
//! has to be mended (state.rs).
//!
//! ```text
//!   socket answers? --yes--> ask the supervisor
//!        | no
//!   lock free? --yes--> mend; work on the record, or start a supervisor
//!        `- no: it is coming up or on its way out; look again
//! ```

use super::payloads::{StopReason, Workspace, WorkspaceRow, WorkspaceState};
use super::record::Record;
use super::state::{Mend, Phase};
use super::store::Folder;
use super::supervisor::client::{self, SILENT, Session};
use super::supervisor::wire::Request;
use super::{Workspaces, journal, services, unix_now, view};
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use pyro_proto::messages::LEAVING;
use std::fs::File;
use std::time::{Duration, Instant};

/// How long a supervisor that was told to end may take to be gone.
pub(super) const GONE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a status waits for the supervisor's word.
const STATUS_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a list waits for each supervisor's sign of life.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// So many threads at most.
const PROBES_AT_ONCE: usize = 64;
/// Pause between two looks at what no event tells.
pub(super) const LOOK: Duration = Duration::from_millis(10);

/// Why a workspace was stopped without anybody asking for it; the next command
/// starts it again then.
pub(super) fn unasked(workspace: &Workspace) -> Option<&'static str> {
    match workspace.stop_reason {
        Some(StopReason::Idle) => Some("nobody used it"),
        Some(StopReason::SupervisorGone) => Some("its supervisor ended"),
        Some(StopReason::GuestGone) => Some("its guest ended"),
        Some(StopReason::Requested | StopReason::StartFailed) | None => None,
    }
}

impl Workspaces {
    fn wake(
        &self,
        folder: &Folder,
        before: &Workspace,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<()> {
        let Some(why) = unasked(before) else {
            return Err(Error::runtime(
                "wrong_state",
                format!("workspace {} is stopped", folder.id),
            )
            .hint(format!("pyro workspace start {}", folder.id)));
        };
        events.event(Event::Notice(format!(
            "workspace {} was stopped because {why}, and is started again: its files are there, its processes and published ports are gone",
            folder.id
        )));
        self.start_in(folder, events, cancel).map(drop)
    }

    pub(super) fn start_in(
        &self,
        folder: &Folder,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Workspace> {
        decode(self.reach(folder, &Request::Start, events, cancel)?.value)
    }

    /// A call to the supervisor, which is started when there is none.
    pub(super) fn reach(
        &self,
        folder: &Folder,
        request: &Request,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<client::Called> {
        let deadline = Instant::now() + GONE_TIMEOUT;
        loop {
            if let Some(session) = Session::connect(folder)? {
                match session.call(request, None, events, cancel) {
                    Err(error) if worth_a_wait(&error, deadline, cancel) => {}
                    other => return other,
                }
            // One that is on its way out still has the lock, and one that
            // just came up does not listen yet.
            } else if let Some(lock) = folder.try_lock()? {
                drop(lock);
                client::spawn(&self.layout, folder)?;
                continue;
            } else if Instant::now() > deadline {
                return Err(Error::runtime(
                    "busy",
                    format!(
                        "workspace {} is held by a process that does not listen",
                        folder.id
                    ),
                )
                .hint("try again, or delete it"));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Work on the machine there is, which is started when it was stopped by
    /// nobody's wish. `work` is done again only when nothing was done.
    pub(super) fn on_machine<T>(
        &self,
        folder: &Folder,
        events: &dyn EventSink,
        cancel: &Cancel,
        mut work: impl FnMut(&Session) -> Result<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + GONE_TIMEOUT;
        loop {
            let before = self.at_rest(folder)?;
            if before.state == WorkspaceState::Stopped {
                self.wake(folder, &before, events, cancel)?;
            }
            let done = match Session::connect(folder)? {
                Some(session) => work(&session),
                None => Err(
                    Error::runtime(LEAVING, "the workspace is just being stopped")
                        .hint("try again"),
                ),
            };
            match done {
                Err(error) if worth_a_wait(&error, deadline, cancel) => {
                    std::thread::sleep(LOOK);
                }
                other => return other.map_err(|error| self.shown_error(folder, error)),
            }
        }
    }

    /// A call to the supervisor; none when none lives.
    pub(super) fn ask<T: serde::de::DeserializeOwned>(
        &self,
        folder: &Folder,
        request: &Request,
    ) -> Result<Option<T>> {
        let Some(session) = Session::connect(folder)? else {
            return Ok(None);
        };
        match session.call(request, None, &crate::NoEvents, &Cancel::default()) {
            Ok(called) => decode(called.value).map(Some),
            // It ended meanwhile.
            Err(error) if error.code == "supervisor_gone" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As its supervisor says within [`STATUS_TIMEOUT`], else as the record has it.
    pub(super) fn status_in(&self, folder: &Folder) -> Result<Workspace> {
        let asked = Session::connect_within(folder, STATUS_TIMEOUT).and_then(|session| {
            let Some(session) = session else {
                return Ok(None);
            };
            let called =
                session.call(&Request::Status, None, &crate::NoEvents, &Cancel::default())?;
            decode(called.value).map(Some)
        });
        match asked {
            Ok(Some(workspace)) => Ok(workspace),
            Ok(None) => self.at_rest(folder),
            // It ended meanwhile.
            Err(error) if error.code == "supervisor_gone" => self.at_rest(folder),
            Err(error) if error.code == SILENT => Ok(Workspace {
                stale: true,
                ..self.at_rest(folder)?
            }),
            Err(error) => Err(error),
        }
    }

    /// Marks those whose supervisor does not answer, all asked at once. That is
    /// no use of them: nothing is requested.
    pub(super) fn mark_stale(&self, rows: &mut [WorkspaceRow]) {
        for some in rows.chunks_mut(PROBES_AT_ONCE) {
            std::thread::scope(|scope| {
                for row in some {
                    if row.state == WorkspaceState::Stopped {
                        continue;
                    }
                    let folder = self.store.folder(&row.workspace_id);
                    scope.spawn(move || {
                        let silent = Session::connect_within(&folder, PROBE_TIMEOUT).err();
                        row.stale = silent.is_some_and(|error| error.code == SILENT);
                    });
                }
            });
        }
    }

    /// Through the supervisor, or on the record under its lock.
    pub(super) fn somehow<T: serde::de::DeserializeOwned>(
        &self,
        folder: &Folder,
        request: &Request,
        at_rest: impl Fn() -> Result<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + GONE_TIMEOUT;
        loop {
            if let Some(done) = self.ask(folder, request)? {
                return Ok(done);
            }
            if let Some(_lock) = folder.try_lock()? {
                mend(folder, folder.load()?)?;
                return at_rest();
            }
            if Instant::now() > deadline {
                return Err(Error::runtime(
                    "busy",
                    format!("workspace {} is held by another process", folder.id),
                )
                .hint("try again"));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Its record, mended when its supervisor died.
    pub(super) fn at_rest(&self, folder: &Folder) -> Result<Workspace> {
        let record = self.mended(folder, folder.load()?).ok_or_else(|| {
            Error::invalid(
                "unknown_workspace",
                format!("there is no workspace {}", folder.id),
            )
            .hint("run pyro workspace list")
        })?;
        Ok(view::workspace(&record, folder, None))
    }

    /// The record, with what a crash left undone done; none when nothing of
    /// the workspace is left then.
    pub(super) fn mended(&self, folder: &Folder, record: Record) -> Option<Record> {
        if record.phase.without_supervisor().is_none() {
            return Some(record);
        }
        // Held: a supervisor lives, and the record is its word.
        let Ok(Some(lock)) = folder.try_lock() else {
            return Some(record);
        };
        // It may have ended in order since the record was read.
        let record = folder.load().unwrap_or(record);
        if record.phase.without_supervisor() == Some(Mend::Remove) {
            // Somebody who is just making it has no supervisor yet.
            if unix_now() - record.created_at < GONE_TIMEOUT.as_secs_f64()
                && record.phase == Phase::Creating
            {
                return Some(record);
            }
            return folder.remove(lock).err().map(|_| record);
        }
        mend(folder, record).ok()
    }

    pub(super) fn lock_within(&self, folder: &Folder, patience: Duration) -> Result<Option<File>> {
        let deadline = Instant::now() + patience;
        loop {
            match folder.try_lock() {
                Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK),
                Err(error) if error.code == "unknown_workspace" => return Ok(None),
                other => return other,
            }
        }
    }
}

pub(super) fn worth_a_wait(error: &Error, deadline: Instant, cancel: &Cancel) -> bool {
    error.code == LEAVING && Instant::now() < deadline && !cancel.is_cancelled()
}

/// Under the lock: a machine that died with its supervisor is written down,
/// and so are the commands it ran; what was not completed goes.
pub(super) fn mend(folder: &Folder, mut record: Record) -> Result<Record> {
    let _ = std::fs::remove_file(folder.fresh_scratch());
    folder.snapshots().sweep();
    // Also those it began and had no time to count: no number is given twice.
    let highest = journal::end_lost(folder, unix_now());
    services::record::end_lost(folder, unix_now());
    record.command_count = record.command_count.max(highest);
    if record.phase.without_supervisor() == Some(Mend::MarkStopped) {
        record.phase = Phase::Stopped;
        record.stop_reason = Some(StopReason::SupervisorGone);
        record.last_error = Some("the supervisor or the host ended while it ran".into());
        folder.save(&record)?;
    }
    Ok(record)
}

pub(super) fn decode<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| {
        Error::runtime(
            "supervisor_protocol",
            format!("the supervisor's answer makes no sense: {error}"),
        )
        .hint("stop and start the workspace")
    })
}
