//! What is at a path of a guest, and the path itself, as payloads have them.
//!
//! Owns: both forms, for listings, diffs and exports alike. Refuses: looking.

use pyro_proto::messages::files::FileKind;
use pyro_proto::path::{PathText, WORKSPACE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, not followed.
    Symlink,
    /// A device, FIFO or socket.
    Other,
}

impl From<FileKind> for ArtifactType {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::File => Self::File,
            FileKind::Directory => Self::Directory,
            FileKind::Symlink => Self::Symlink,
            FileKind::Other => Self::Other,
        }
    }
}

/// A path below the workspace as the contract has it: absolute, invalid UTF-8
/// and control characters escaped.
pub(crate) fn absolute(relative: &[u8]) -> String {
    let shown = PathText::from(relative).to_string();
    if shown.is_empty() {
        WORKSPACE.to_owned()
    } else {
        format!("{WORKSPACE}/{shown}")
    }
}
