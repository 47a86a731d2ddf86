//! What operations on snapshots return (contract: `payloads.md` §5 and §12).
//!
//! Owns: the shapes. Refuses: behaviour.

use crate::vms::payloads::ExecutionMode;
use crate::workspaces::payloads::Workspace;
use crate::workspaces::secrets::FoundSecrets;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotKind {
    /// The machine as it was made; always there.
    Baseline,
    /// A copy of the disk.
    Named,
}

/// A disk to go back to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// The workspace.
    pub workspace_id: String,
    /// Its name; `baseline` for the machine as it was made.
    pub snapshot_name: String,
    /// What it is.
    pub kind: SnapshotKind,
    /// Unix time in seconds.
    pub created_at: f64,
    /// Files, directories and links written since the machine was made,
    /// anywhere on its disk; of the baseline: those of the seed.
    pub entry_count: u64,
    /// Bytes the copy takes on the host; of the baseline: those of the seed's files.
    pub bytes_written: u64,
    /// Whether it can be deleted.
    pub deletable: bool,
}

/// A snapshot that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedSnapshot {
    /// The workspace.
    pub workspace_id: String,
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Secrets of the workspace that are on it; also what was deleted may be
    /// there.
    #[serde(default)]
    pub found_secrets: FoundSecrets,
    /// How the workspace's commands run.
    pub execution_mode: ExecutionMode,
}

/// The baseline, then the others, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotList {
    /// The workspace.
    pub workspace_id: String,
    /// How many.
    pub count: usize,
    /// Each.
    pub snapshots: Vec<Snapshot>,
    /// Those that cannot be used; `snapshot delete` takes their name.
    pub damaged: Vec<DamagedSnapshot>,
}

/// A snapshot that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DamagedSnapshot {
    /// Its name.
    pub snapshot_name: String,
    /// What is wrong.
    pub reason: String,
}

/// A snapshot that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletedSnapshot {
    /// The workspace.
    pub workspace_id: String,
    /// Its name.
    pub snapshot_name: String,
    /// Always true.
    pub deleted: bool,
}

/// A workspace after a reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResetWorkspace {
    /// The workspace.
    #[serde(flatten)]
    pub workspace: Workspace,
    /// What it was given.
    pub workspace_reset: WorkspaceReset,
}

/// The disk a reset gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceReset {
    /// Of the snapshot.
    pub snapshot_name: String,
    /// What that is.
    pub kind: SnapshotKind,
    /// Always `/workspace`; the rest of the disk came back with it.
    pub destination: String,
    /// As in the snapshot.
    pub entry_count: u64,
    /// As in the snapshot.
    pub bytes_written: u64,
}
