//! What disk operations return (contract: `payloads.md` §18).
//!
//! Owns: the shapes. Refuses: behaviour.

use crate::workspaces::files::payloads::FileEntry;
use crate::workspaces::secrets::FoundSecrets;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Files on the disk of a stopped workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiskList {
    /// The workspace.
    pub workspace_id: String,
    /// What was listed, absolute.
    pub path: String,
    /// Whether directories below were entered.
    pub recursive: bool,
    /// Files, directories and links, sorted by path.
    pub entries: Vec<FileEntry>,
    /// Whether there is more than one call returns.
    pub truncated: bool,
}

/// The start of a file on the disk of a stopped workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiskContent {
    /// The workspace.
    pub workspace_id: String,
    /// The file, absolute.
    pub path: String,
    /// Bytes of the whole file.
    pub size_bytes: u64,
    /// Most bytes that were asked for.
    pub max_bytes: u64,
    /// The bytes read, invalid UTF-8 replaced.
    pub content: String,
    /// Whether the file has more.
    pub truncated: bool,
    /// Secrets of the workspace that were replaced by `[REDACTED]`.
    #[serde(default)]
    pub redacted: u64,
}

/// The disk of a stopped workspace as a file of this host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiskExported {
    /// The workspace.
    pub workspace_id: String,
    /// The image, absolute.
    pub output_path: String,
    /// `ext4`.
    pub disk_format: String,
    /// Bytes of the image, holes included.
    pub bytes_written: u64,
    /// Bytes it takes on this host.
    pub allocated_bytes: u64,
    /// Sockets, which mean nothing without who listens, that were left out.
    pub skipped: u64,
    /// Secrets of the workspace that are in it, as they are.
    #[serde(default)]
    pub found_secrets: FoundSecrets,
}
