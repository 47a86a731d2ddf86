//! What a summary returns (contract: `payloads.md` §15).
//!
//! Owns: the shapes. Refuses: behaviour, and text of patches or outputs.

pub use crate::workspaces::events::{Done, ReviewEvent};

use crate::artifact::ArtifactType;
use crate::diff::{Status, Summary};
use crate::workspaces::payloads::{CommandState, LastCommand, StopReason, WorkspaceState};
use crate::workspaces::services::payloads::Service;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What happened in a workspace since its last reset, or its creation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceSummary {
    /// The workspace.
    pub workspace_id: String,
    /// Name, when it has one.
    pub name: Option<String>,
    /// Labels, keys sorted.
    pub labels: BTreeMap<String, String>,
    /// Catalog name.
    pub environment: String,
    /// Version of the installed environment.
    pub environment_version: Option<String>,
    /// State.
    pub state: WorkspaceState,
    /// Why it is stopped.
    pub stop_reason: Option<StopReason>,
    /// What `/workspace` began with: a path of the host, when it is not empty.
    pub seed_path: Option<String>,
    /// Unix time in seconds.
    pub created_at: f64,
    /// Unix time of the last reset, or of the creation.
    pub session_started_at: f64,
    /// Unix time of the last change; a summary is none.
    pub last_activity_at: f64,
    /// How it ended up.
    pub outcome: Outcome,
    /// Commands.
    pub commands: CommandsSummary,
    /// Files that were written, patches, syncs.
    pub edits: EventsSummary,
    /// What differs from what the workspace was created with.
    pub changes: ChangesSummary,
    /// Services.
    pub services: ServicesSummary,
    /// What was copied to the host.
    pub artifacts: ArtifactsSummary,
    /// Copies of the disk.
    pub snapshots: SnapshotsSummary,
    /// Older edits, exports and snapshots that are not on record any more.
    pub dropped_event_count: u64,
    /// Those whose record cannot be read.
    pub unreadable_event_count: u64,
    /// The page that was written, when one was asked for.
    pub html_path: Option<String>,
}

/// How it ended up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Times it was reset.
    pub reset_count: u64,
    /// The last command that ended.
    pub last_command: Option<LastCommand>,
    /// What went wrong with its machine last, when something did.
    pub last_error: Option<String>,
    /// Commands that run.
    pub running_command_count: u64,
    /// Services that run.
    pub running_service_count: u64,
    /// Exports.
    pub export_count: u64,
}

/// Commands since the last reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandsSummary {
    /// All that are on record.
    pub total: u64,
    /// Those that ended otherwise than with exit code 0.
    pub failed: u64,
    /// Those that run.
    pub running: u64,
    /// Those whose record cannot be read; they are in no other number.
    pub unreadable: u64,
    /// The last ones, the newest first.
    pub recent: Vec<CommandSummary>,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandSummary {
    /// Number since the last reset, from 1.
    pub sequence: u64,
    /// For `workspace exec --command-id`.
    pub command_id: String,
    /// The command; its beginning, when it is long.
    pub command: String,
    /// How it is with it.
    pub state: CommandState,
    /// Its exit code; null when it runs, and when nobody knows one.
    pub exit_code: Option<i32>,
    /// Whether the deadline ended it.
    pub timed_out: bool,
    /// Milliseconds it ran, until now when it runs.
    pub duration_ms: u64,
    /// Unix time of its beginning.
    pub started_at: f64,
    /// Unix time of its end; null when it runs.
    pub recorded_at: Option<f64>,
    /// Bytes it wrote to standard output.
    pub stdout_bytes: u64,
    /// Bytes it wrote to standard error.
    pub stderr_bytes: u64,
}

/// Events of one sort.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventsSummary {
    /// All that are on record.
    pub total: u64,
    /// The last ones, the newest first.
    pub recent: Vec<ReviewEvent>,
}

/// What differs from what the workspace was created with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangesSummary {
    /// Whether they could be looked at, for which its guest must run.
    pub available: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Whether anything changed; null when nobody knows.
    pub changed: Option<bool>,
    /// Numbers of changed paths; null when nobody knows.
    pub summary: Option<Summary>,
    /// The changed paths, sorted; the first ones, when there are very many.
    pub entries: Vec<ChangedPath>,
    /// Whether paths were left out.
    pub truncated: bool,
    /// Things called `.git` that were touched; they are not compared.
    pub git_skipped: u64,
}

/// One path that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedPath {
    /// Relative to `/workspace`; invalid UTF-8 replaced.
    pub path: String,
    /// Absolute; control characters and invalid UTF-8 as %XX.
    pub workspace_path: String,
    /// How.
    pub status: Status,
    /// What it is, or was.
    pub artifact_type: ArtifactType,
    /// Lines added; null when it is no text.
    pub lines_added: Option<usize>,
    /// Lines deleted; null when it is no text.
    pub lines_deleted: Option<usize>,
}

/// Services.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServicesSummary {
    /// Those there are, by name; the beginnings of long commands.
    pub current: Vec<Service>,
    /// What was started and stopped, the newest first.
    pub recent: Vec<ReviewEvent>,
}

/// What was copied to the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactsSummary {
    /// Each export, the first first.
    pub exports: Vec<ExportSummary>,
}

/// One export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExportSummary {
    /// Path in the guest.
    pub workspace_path: String,
    /// Path on the host.
    pub output_path: String,
    /// What it is.
    pub artifact_type: ArtifactType,
    /// Whether it is the patch of what changed.
    pub patch: bool,
    /// Bytes of regular files, or of the patch.
    pub bytes_written: u64,
    /// Unix time in seconds.
    pub recorded_at: f64,
}

/// Copies of the disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotsSummary {
    /// How many there are now; a reset keeps them.
    pub named_count: u64,
    /// What was made and removed, the newest first.
    pub recent: Vec<ReviewEvent>,
}
