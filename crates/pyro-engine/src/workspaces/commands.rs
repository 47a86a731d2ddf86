//! Commands of a workspace as a client asks for them.
//!
//! ```text
//!   exec, launch --Exec--> supervisor --.
//!   look --- it ended ---> journal ------+--> Account + what it wrote --> WorkspaceExec
//!     `----- it runs -Look-> supervisor -'
//!   logs ------------------> journal, and Look for what runs
//! ```
//!
//! Owns: making one result of what the supervisor or the journal says.
//! Refuses: a command that is both new and known.

use super::command_id::CommandId;
use super::journal::{self, Entry, Tail};
use super::payloads::{CommandState, LogEntry, LogStream, WorkspaceExec, WorkspaceLogs};
use super::reach::{GONE_TIMEOUT, LOOK, decode, mend, worth_a_wait};
use super::store::Folder;
use super::supervisor::client::Session;
use super::supervisor::wire::{Account, Request};
use super::{Workspaces, unix_now};
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink, NoEvents};
use crate::guest::{Captured, KEPT_BYTES, Output};
use crate::vms::checks;
use std::fs::File;
use std::ops::RangeInclusive;
use std::time::Instant;

/// Least and most seconds to wait for a command that runs on.
pub const WAIT_SECONDS_RANGE: RangeInclusive<u64> = 0..=3600;
/// Least and most bytes of a page of a log.
pub const LIMIT_BYTES_RANGE: RangeInclusive<u64> = 1..=1_048_576;
/// Bytes of a page where nobody said.
pub const PAGE_BYTES: u64 = 65_536;

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

/// What to see of the log. A page is asked for by any of the last three.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// One command only.
    pub sequence: Option<u64>,
    /// Of which stream; standard output unless said.
    pub stream: Option<LogStream>,
    /// First byte; 0 unless said.
    pub offset: Option<u64>,
    /// Most bytes, [`LIMIT_BYTES_RANGE`]; [`PAGE_BYTES`] unless said.
    pub limit: Option<u64>,
}

impl Workspaces {
    /// Runs a command to its end. One that was stopped because nobody used it,
    /// or whose supervisor died, is started again first, and says so.
    ///
    /// # Errors
    /// `wrong_state` for one that somebody stopped; `cancelled`; everything
    /// that can happen to a machine.
    pub fn exec(
        &self,
        wanted: &str,
        command: &str,
        timeout_seconds: u64,
        stdin: Option<File>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<WorkspaceExec> {
        let request = Request::Exec {
            command: command.to_owned(),
            timeout_seconds,
            stdin: stdin.is_some(),
            wait_seconds: None,
        };
        self.run(wanted, &request, stdin.as_ref(), events, cancel)
    }

    /// Starts a command that goes on whatever becomes of this call, and waits
    /// `wait_seconds` for its end. It has no standard input.
    ///
    /// # Errors
    /// As [`Self::exec`]; `out_of_range`, `too_many_commands`.
    pub fn launch(
        &self,
        wanted: &str,
        command: &str,
        timeout_seconds: u64,
        wait_seconds: u64,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<WorkspaceExec> {
        checks::within("wait_seconds", wait_seconds, &WAIT_SECONDS_RANGE)?;
        let request = Request::Exec {
            command: command.to_owned(),
            timeout_seconds,
            stdin: false,
            wait_seconds: Some(wait_seconds),
        };
        self.run(wanted, &request, None, events, cancel)
    }

    fn run(
        &self,
        wanted: &str,
        request: &Request,
        stdin: Option<&File>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<WorkspaceExec> {
        if let Request::Exec {
            command,
            timeout_seconds,
            ..
        } = request
        {
            checks::timeout(*timeout_seconds)?;
            checks::command(command)?;
        }
        let folder = self.store.find(wanted)?;
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
        let (account, stdout, stderr) = Self::account(&folder, id, &request, events, cancel)?;
        Ok(result(&folder, account, stdout, stderr))
    }

    /// From the supervisor while it runs, from the journal afterwards.
    fn account(
        folder: &Folder,
        id: CommandId,
        request: &Request,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<(Account, Output, Output)> {
        let deadline = Instant::now() + GONE_TIMEOUT;
        let on_record = |entry: Entry| -> Result<_> {
            let record = folder.load()?;
            let (stdout, stderr) = written(folder, &entry, events);
            let account = Account {
                id,
                environment: record.spec.environment,
                environment_version: record.environment_version,
                entry,
            };
            Ok((account, stdout, stderr))
        };
        let known = || -> Result<Entry> {
            let unknown = |reset_count| id.unknown(&folder.id, reset_count);
            let reset_count = folder.load()?.reset_count;
            if reset_count != id.reset_count {
                return Err(unknown(reset_count));
            }
            journal::entry(folder, id.sequence)?.ok_or_else(|| unknown(reset_count))
        };
        loop {
            let entry = known()?;
            if entry.ended.is_some() {
                return on_record(entry);
            }
            if let Some(session) = Session::connect(folder)? {
                match session.call(request, None, events, cancel) {
                    Ok(called) => {
                        return Ok((decode(called.value)?, called.stdout, called.stderr));
                    }
                    // The journal tells how it ended.
                    Err(error) if error.code == "supervisor_gone" => {}
                    Err(error) if worth_a_wait(&error, deadline, cancel) => {}
                    Err(error) => return Err(error),
                }
            } else if let Some(_lock) = folder.try_lock()? {
                mend(folder, folder.load()?)?;
                return on_record(known()?.at_rest(unix_now()));
            }
            if Instant::now() > deadline {
                return Err(Error::runtime(
                    "busy",
                    format!(
                        "workspace {} is held by a process that does not answer",
                        folder.id
                    ),
                )
                .hint("try again"));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Its commands since the last reset, or one of them, or a part of what
    /// one wrote.
    ///
    /// # Errors
    /// As [`Self::status`]; `unknown_command`, `missing_sequence`, `out_of_range`.
    pub fn logs(&self, wanted: &str, logs: &Logs) -> Result<WorkspaceLogs> {
        let page_is_wanted = logs.stream.is_some() || logs.offset.is_some() || logs.limit.is_some();
        if page_is_wanted && logs.sequence.is_none() {
            return Err(Error::invalid(
                "missing_sequence",
                "stream, offset and limit are about one command, and none is named",
            )
            .hint("give --sequence N; pyro workspace logs without it shows the numbers"));
        }
        let limit = logs.limit.unwrap_or(PAGE_BYTES);
        checks::within("limit", limit, &LIMIT_BYTES_RANGE)?;
        let folder = self.store.find(wanted)?;
        let reset_count = folder.load()?.reset_count;
        let id = |sequence| CommandId {
            reset_count,
            sequence,
        };
        let found = match logs.sequence {
            None => journal::entries(&folder)?,
            Some(sequence) => vec![
                journal::entry(&folder, sequence)?
                    .ok_or_else(|| id(sequence).unknown(&folder.id, reset_count))?,
            ],
        };
        let mut entries = Vec::new();
        let mut page = None;
        for entry in found {
            let id = id(entry.sequence);
            let Some(entry) = now(&folder, id, entry)? else {
                continue;
            };
            if page_is_wanted {
                let stream = logs.stream.unwrap_or(LogStream::Stdout);
                let offset = logs.offset.unwrap_or_default();
                page = Some(journal::page(&folder, &entry, stream, offset, limit)?);
            }
            entries.push(log_entry(&folder, id, entry, !page_is_wanted));
        }
        Ok(WorkspaceLogs {
            workspace_id: folder.id,
            count: entries.len(),
            entries,
            page,
        })
    }
}

/// An entry without an end, as its supervisor knows it; none when a reset took
/// it away meanwhile.
fn now(folder: &Folder, id: CommandId, entry: Entry) -> Result<Option<Entry>> {
    if entry.ended.is_some() {
        return Ok(Some(entry));
    }
    let request = Request::Look {
        id,
        wait_seconds: 0,
        cancel: false,
        output: false,
    };
    match Workspaces::account(folder, id, &request, &NoEvents, &Cancel::default()) {
        Ok((account, ..)) => Ok(Some(account.entry)),
        Err(error) if error.code == "unknown_command" => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a command wrote, as the journal kept it; events get all of it.
fn written(folder: &Folder, entry: &Entry, events: &dyn EventSink) -> (Output, Output) {
    let (mut stdout, mut stderr) = (Captured::new(KEPT_BYTES), Captured::new(KEPT_BYTES));
    let ends = [entry.stdout.kept_bytes, entry.stderr.kept_bytes];
    Tail::open(folder, entry.sequence).forward(ends, |stream, bytes| match stream {
        LogStream::Stdout => {
            stdout.push(&bytes);
            events.event(Event::Stdout(bytes));
        }
        LogStream::Stderr => {
            stderr.push(&bytes);
            events.event(Event::Stderr(bytes));
        }
    });
    (stdout.finish(), stderr.finish())
}

fn result(folder: &Folder, account: Account, stdout: Output, stderr: Output) -> WorkspaceExec {
    let Account {
        id,
        environment,
        environment_version,
        entry,
    } = account;
    let state = entry.state();
    let duration_ms = entry.duration_ms(unix_now());
    let ended = entry.ended;
    let known = ended.as_ref();
    WorkspaceExec {
        workspace_id: folder.id.clone(),
        environment,
        environment_version,
        sequence: entry.sequence,
        command_id: id.to_string(),
        state,
        running: state == CommandState::Running,
        command: entry.command,
        cwd: entry.cwd,
        // Above the journal's bound the client was not sent everything.
        stdout_truncated: stdout.truncated || stdout.total_bytes < entry.stdout.total_bytes,
        stderr_truncated: stderr.truncated || stderr.total_bytes < entry.stderr.total_bytes,
        lossy: stdout.lossy || stderr.lossy,
        stdout: stdout.text,
        stderr: stderr.text,
        stdout_bytes: entry.stdout.total_bytes,
        stderr_bytes: entry.stderr.total_bytes,
        exit_code: known.and_then(|ended| ended.exit_code),
        signal: known.and_then(|ended| ended.signal),
        timed_out: known.is_some_and(|ended| ended.timed_out),
        error: known.and_then(|ended| ended.error.clone()),
        duration_ms,
        execution_mode: entry.execution_mode,
    }
}

fn log_entry(folder: &Folder, id: CommandId, entry: Entry, with_output: bool) -> LogEntry {
    let shown = |stream| {
        if with_output {
            journal::shown(folder, &entry, stream).text
        } else {
            String::new()
        }
    };
    let (stdout, stderr) = (shown(LogStream::Stdout), shown(LogStream::Stderr));
    let state = entry.state();
    let ended = entry.ended.as_ref();
    LogEntry {
        sequence: entry.sequence,
        command_id: id.to_string(),
        state,
        running: state == CommandState::Running,
        started_at: entry.started_at,
        exit_code: ended.and_then(|ended| ended.exit_code),
        signal: ended.and_then(|ended| ended.signal),
        timed_out: ended.is_some_and(|ended| ended.timed_out),
        error: ended.and_then(|ended| ended.error.clone()),
        duration_ms: entry.duration_ms(unix_now()),
        execution_mode: entry.execution_mode,
        recorded_at: ended.map(|ended| ended.at),
        stdout_file: journal::stream_name(entry.sequence, LogStream::Stdout),
        stderr_file: journal::stream_name(entry.sequence, LogStream::Stderr),
        stdout_bytes: entry.stdout.total_bytes,
        stderr_bytes: entry.stderr.total_bytes,
        stdout,
        stderr,
        command: entry.command,
        cwd: entry.cwd,
    }
}
