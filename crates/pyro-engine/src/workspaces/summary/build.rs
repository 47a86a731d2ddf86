//! A summary from what is known of a session.
//!
//! Owns: what counts as what, and how many of each are shown. Pure.

use super::changes::Changes;
use super::payloads::{
    ArtifactsSummary, ChangedPath, ChangesSummary, CommandSummary, CommandsSummary, Done,
    EventsSummary, ExportSummary, Outcome, ReviewEvent, ServicesSummary, SnapshotsSummary,
    WorkspaceSummary,
};
use crate::diff::Entry;
use crate::workspaces::command_id::CommandId;
use crate::workspaces::events::History;
use crate::workspaces::journal;
use crate::workspaces::payloads::{CommandState, Workspace};
use crate::workspaces::services::payloads::Service;
use crate::workspaces::unix_now;

/// Most commands, and most events of each sort.
const RECENT: usize = 20;
/// Most characters of a command.
const COMMAND_CHARS: usize = 1000;
/// Most changed paths.
const CHANGED_PATHS: usize = 1000;

/// All that is known.
pub struct Session {
    pub workspace: Workspace,
    /// The first first.
    pub commands: Vec<journal::Entry>,
    pub unreadable_commands: u64,
    pub services: Vec<Service>,
    pub history: History,
    pub named_count: u64,
    pub changes: Result<Changes, String>,
}

pub fn summary(session: &Session) -> WorkspaceSummary {
    let workspace = &session.workspace;
    let history = &session.history;
    let commands = CommandsSummary {
        unreadable: session.unreadable_commands,
        ..commands(&session.commands, workspace.reset_count)
    };
    let edits = recent(history, |done| {
        matches!(
            done,
            Done::SyncPush { .. } | Done::FileWrite { .. } | Done::PatchApply { .. }
        )
    });
    let snapshots = recent(history, |done| {
        matches!(
            done,
            Done::SnapshotCreate { .. } | Done::SnapshotDelete { .. }
        )
    });
    let services = recent(history, |done| {
        matches!(done, Done::ServiceStart { .. } | Done::ServiceStop { .. })
    });
    let exports: Vec<_> = history.events.iter().filter_map(export).collect();
    WorkspaceSummary {
        workspace_id: workspace.workspace_id.clone(),
        name: workspace.name.clone(),
        labels: workspace.labels.clone(),
        environment: workspace.environment.clone(),
        environment_version: workspace.environment_version.clone(),
        state: workspace.state,
        stop_reason: workspace.stop_reason,
        seed_path: workspace.workspace_seed.seed_path.clone(),
        created_at: workspace.created_at,
        session_started_at: workspace.last_reset_at.unwrap_or(workspace.created_at),
        last_activity_at: workspace.last_activity_at,
        outcome: Outcome {
            reset_count: workspace.reset_count,
            last_command: workspace.last_command.clone(),
            last_error: workspace.last_error.clone(),
            running_command_count: commands.running,
            running_service_count: workspace.running_service_count,
            export_count: exports.len() as u64,
        },
        commands,
        edits,
        changes: changes(&session.changes),
        services: ServicesSummary {
            current: session.services.iter().map(in_short).collect(),
            recent: services.recent,
        },
        artifacts: ArtifactsSummary { exports },
        snapshots: SnapshotsSummary {
            named_count: session.named_count,
            recent: snapshots.recent,
        },
        dropped_event_count: history.dropped_count,
        unreadable_event_count: history.unreadable_count,
        html_path: None,
    }
}

/// Whether it ended otherwise than with exit code 0.
pub fn failed(command: &journal::Entry) -> bool {
    command
        .ended
        .as_ref()
        .is_some_and(|ended| ended.exit_code != Some(0))
}

fn commands(entries: &[journal::Entry], reset_count: u64) -> CommandsSummary {
    let count = |of: &dyn Fn(&journal::Entry) -> bool| {
        entries.iter().filter(|entry| of(entry)).count() as u64
    };
    let recent = entries.iter().rev().take(RECENT);
    CommandsSummary {
        total: entries.len() as u64,
        failed: count(&failed),
        unreadable: 0,
        running: count(&|entry| entry.state() == CommandState::Running),
        recent: recent.map(|entry| command(entry, reset_count)).collect(),
    }
}

fn command(entry: &journal::Entry, reset_count: u64) -> CommandSummary {
    let ended = entry.ended.as_ref();
    let id = CommandId {
        reset_count,
        sequence: entry.sequence,
    };
    CommandSummary {
        sequence: entry.sequence,
        command_id: id.to_string(),
        command: beginning(&entry.command, COMMAND_CHARS),
        state: entry.state(),
        exit_code: ended.and_then(|ended| ended.exit_code),
        timed_out: ended.is_some_and(|ended| ended.timed_out),
        duration_ms: entry.duration_ms(unix_now()),
        started_at: entry.started_at,
        recorded_at: ended.map(|ended| ended.at),
        stdout_bytes: entry.stdout.total_bytes,
        stderr_bytes: entry.stderr.total_bytes,
    }
}

/// With a sign at its end when it is not all.
pub fn beginning(text: &str, most_chars: usize) -> String {
    match text.char_indices().nth(most_chars) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn in_short(service: &Service) -> Service {
    Service {
        command: beginning(&service.command, COMMAND_CHARS),
        ..service.clone()
    }
}

fn recent(history: &History, of: impl Fn(&Done) -> bool) -> EventsSummary {
    let found: Vec<&ReviewEvent> = history
        .events
        .iter()
        .filter(|event| of(&event.done))
        .collect();
    EventsSummary {
        total: found.len() as u64,
        recent: found.into_iter().rev().take(RECENT).cloned().collect(),
    }
}

fn export(event: &ReviewEvent) -> Option<ExportSummary> {
    let Done::Export {
        workspace_path,
        output_path,
        artifact_type,
        patch,
        bytes_written,
    } = &event.done
    else {
        return None;
    };
    Some(ExportSummary {
        workspace_path: workspace_path.clone(),
        output_path: output_path.clone(),
        artifact_type: *artifact_type,
        patch: *patch,
        bytes_written: *bytes_written,
        recorded_at: event.recorded_at,
    })
}

fn changes(changes: &Result<Changes, String>) -> ChangesSummary {
    let changes = match changes {
        Ok(changes) => changes,
        Err(reason) => {
            return ChangesSummary {
                reason: Some(reason.clone()),
                ..ChangesSummary::default()
            };
        }
    };
    let entries = &changes.diff.entries;
    ChangesSummary {
        available: true,
        reason: None,
        changed: Some(changes.diff.changed),
        summary: Some(changes.diff.summary.clone()),
        entries: entries
            .iter()
            .take(CHANGED_PATHS)
            .map(changed_path)
            .collect(),
        truncated: changes.cut || entries.len() > CHANGED_PATHS,
        git_skipped: changes.git_skipped,
    }
}

fn changed_path(entry: &Entry) -> ChangedPath {
    ChangedPath {
        path: entry.path.clone(),
        workspace_path: entry.workspace_path.clone(),
        status: entry.status,
        artifact_type: entry.artifact_type,
        lines_added: entry.lines_added,
        lines_deleted: entry.lines_deleted,
    }
}
