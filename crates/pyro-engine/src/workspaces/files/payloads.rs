//! What file operations return (contract: `payloads.md` §8 to §11).
//!
//! Owns: the shapes. Refuses: behaviour.

use crate::artifact::ArtifactType;
use crate::diff::Diff;
use crate::vms::payloads::ExecutionMode;
use crate::workspaces::secrets::FoundSecrets;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Files of a workspace, or lines in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileList {
    /// The workspace.
    pub workspace_id: String,
    /// What was listed or searched.
    pub path: String,
    /// Whether directories below were entered.
    pub recursive: bool,
    /// Each file; siblings sorted, children right after their directory. Empty for a search.
    pub entries: Vec<FileEntry>,
    /// Lines that match; null without a search.
    pub matches: Option<Vec<LineMatch>>,
    /// Whether a limit left something out.
    pub truncated: bool,
    /// How it was asked.
    pub execution_mode: ExecutionMode,
}

/// One file of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileEntry {
    /// Absolute path; control characters and invalid UTF-8 as %XX.
    pub path: String,
    /// What it is.
    pub artifact_type: ArtifactType,
    /// Bytes; 0 for directories, the target's length for links.
    pub size_bytes: u64,
    /// A link's target.
    pub link_target: Option<String>,
    /// Permission bits as octal digits, for example `0644`.
    pub mode: String,
}

/// One line that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LineMatch {
    /// Absolute path of the file.
    pub path: String,
    /// Line, from 1.
    pub line: u64,
    /// Byte of the line at which the match starts, from 1.
    pub column: u64,
    /// The line, or the part around the match; invalid UTF-8 replaced.
    pub text: String,
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileContent {
    /// The workspace.
    pub workspace_id: String,
    /// The file.
    pub path: String,
    /// Bytes of the whole file.
    pub size_bytes: u64,
    /// Most bytes that were asked for.
    pub max_bytes: u64,
    /// Offset of the first byte read.
    pub offset: u64,
    /// The bytes read, invalid UTF-8 replaced.
    pub content: String,
    /// Whether the file has more behind them.
    pub truncated: bool,
    /// First byte behind them, where the file has more.
    #[serde(default)]
    pub next_offset: Option<u64>,
    /// Lines of the whole file, when lines were asked for.
    pub total_lines: Option<u64>,
    /// Of the whole file, lower-case hex, when asked for.
    pub sha256: Option<String>,
    /// Secrets of the workspace that were replaced by `[REDACTED]`; offsets and
    /// sizes stay those of the file.
    #[serde(default)]
    pub redacted: u64,
    /// How it was asked.
    pub execution_mode: ExecutionMode,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileWritten {
    /// The workspace.
    pub workspace_id: String,
    /// The file.
    pub path: String,
    /// Bytes of the whole file.
    pub size_bytes: u64,
    /// Bytes that were written.
    pub bytes_written: u64,
    /// Of the whole file, lower-case hex.
    pub sha256: String,
    /// Whether it is new.
    pub created: bool,
    /// How it was asked.
    pub execution_mode: ExecutionMode,
}

/// A patch that was applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatchApplied {
    /// The workspace.
    pub workspace_id: String,
    /// Whether any file changed.
    pub changed: bool,
    /// How many files changed, by kind.
    pub summary: PatchSummary,
    /// Each file that changed, sorted by path.
    pub entries: Vec<PatchEntry>,
    /// The patch, as given.
    pub patch: String,
    /// How it was asked.
    pub execution_mode: ExecutionMode,
}

/// Files by kind of change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatchSummary {
    /// All.
    pub total: u64,
    /// New files.
    pub added: u64,
    /// Changed files.
    pub modified: u64,
    /// Removed files.
    pub deleted: u64,
}

/// One file of a patch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatchEntry {
    /// Absolute path.
    pub path: String,
    /// `added`, `modified` or `deleted`.
    pub status: String,
}

/// Host content that is in a workspace now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Synced {
    /// The workspace.
    pub workspace_id: String,
    /// How it was asked.
    pub execution_mode: ExecutionMode,
    /// What came from where.
    pub workspace_sync: WorkspaceSync,
}

/// What came from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceSync {
    /// `directory` or `tar_archive`.
    pub mode: String,
    /// Host path, resolved.
    pub source_path: String,
    /// Path in the guest.
    pub destination: String,
    /// Files, directories and links.
    pub entry_count: u64,
    /// Bytes of regular files.
    pub bytes_written: u64,
    /// What was deleted because the source has it not, sorted.
    pub deleted: Vec<String>,
    /// Sockets, devices and FIFOs of the source that were passed over.
    pub skipped: u64,
}

/// Files of a workspace that are on the host now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exported {
    /// The workspace.
    pub workspace_id: String,
    /// What was copied.
    pub workspace_path: String,
    /// Absolute host path.
    pub output_path: String,
    /// What it is.
    pub artifact_type: ArtifactType,
    /// Files, directories and links; of a patch, changes in it.
    pub entry_count: u64,
    /// Bytes of regular files, or of the patch.
    pub bytes_written: u64,
    /// Sockets, devices and FIFOs that were left out, for a model also what is
    /// in a `.git`; of a patch, changes that are not in it.
    pub skipped: u64,
    /// Secrets of the workspace that are in it, as they are.
    #[serde(default)]
    pub found_secrets: FoundSecrets,
    /// How it was asked.
    pub execution_mode: ExecutionMode,
}

/// What changed in a workspace since it was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceDiff {
    /// The workspace.
    pub workspace_id: String,
    /// The changes; without any text in the short forms.
    #[serde(flatten)]
    pub diff: Diff,
    /// Things called `.git` that were touched or are beside what was; they are
    /// not compared.
    pub git_skipped: u64,
    /// Lines added and deleted per file, as `git diff --stat` draws them; null
    /// unless asked for.
    pub stat: Option<String>,
    /// The changed paths, quoted as git does; null unless asked for.
    pub names: Option<Vec<String>>,
    /// Secrets of the workspace that were replaced by `[REDACTED]`: the patch is
    /// to be read then, not to be applied; `export --patch` writes it as it is.
    #[serde(default)]
    pub redacted: u64,
}
