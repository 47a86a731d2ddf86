//! What is known of a command, as the doors show it.
//!
//! Owns: which field comes from where. Refuses: asking anybody.

use crate::guest::Output;
use crate::workspaces::command_id::CommandId;
use crate::workspaces::journal::{self, Entry};
use crate::workspaces::payloads::{CommandState, LogEntry, LogStream, WorkspaceExec};
use crate::workspaces::store::Folder;
use crate::workspaces::supervisor::wire::Account;
use crate::workspaces::unix_now;
use std::fmt::Write;

pub(super) fn result(
    folder: &Folder,
    account: Account,
    stdout: Output,
    stderr: Output,
) -> WorkspaceExec {
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
        stdout_truncated: stdout.truncated || stdout.total_bytes < entry.stdout.total_bytes,
        stderr_truncated: stderr.truncated || stderr.total_bytes < entry.stderr.total_bytes,
        lossy: stdout.lossy || stderr.lossy,
        stdout: whole(stdout, entry.stdout.total_bytes),
        stderr: whole(stderr, entry.stderr.total_bytes),
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

/// With a line in place of what the journal had no room for.
fn whole(output: Output, total_bytes: u64) -> String {
    let mut text = output.text;
    let missing = total_bytes.saturating_sub(output.total_bytes);
    if missing > 0 {
        let _ = write!(text, "\n[pyro: {missing} bytes after this were not kept]\n");
    }
    text
}

pub(super) fn log_entry(
    folder: &Folder,
    id: CommandId,
    entry: Entry,
    with_output: bool,
) -> LogEntry {
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
