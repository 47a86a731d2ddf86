//! The request for what changed in the workspace, and its answer.
//!
//! Owns: these types, and what the stream carries. Refuses: contents inside
//! of JSON, and renames: a path that moved is gone at one place and new at
//! another.
//!
//! ```text
//!   STDOUT   {path, old, new, sent: true} LF  old file's bytes  new file's bytes
//!            {path, old, new, sent: false} LF
//!            ...                                              reply: TreeDiffed
//! ```
//!
//! Each side of a change is a leaf: a file, a link, a special file, or a
//! folder with nothing in it. Folders with something in it are implied by
//! what is in them. So below a path with a side there is nothing on that side.

use crate::path::PathText;
use serde::{Deserialize, Serialize};

/// Most paths of one [`DiffTree`].
pub const MAX_DIFF_PATHS: usize = 256;
/// Most bytes of lines in one answer; what would follow counts as beyond the
/// limit.
pub const MAX_DIFF_LINES_BYTES: u64 = 64 << 20;

/// Compares the workspace with what it was seeded with, or with an empty
/// folder. Whatever is called `.git` is passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffTree {
    /// Compares these and what is below them; everything when empty.
    #[serde(default)]
    pub paths: Vec<PathText>,
    /// Most changes, 1 or more.
    pub limit: u64,
    /// Contents of a larger file are not sent, nor those of its other side.
    pub max_side_bytes: u64,
    /// The same where the sizes of both sides differ by more; a side that is
    /// no file has none.
    pub max_growth_bytes: u64,
    /// Most contents in all.
    pub max_total_bytes: u64,
}

/// One path that changed; siblings sorted by bytes, children right after
/// their folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeChange {
    /// Relative to the workspace, never empty.
    pub path: PathText,
    /// What it was.
    #[serde(default)]
    pub old: Option<TreeSide>,
    /// What it is.
    #[serde(default)]
    pub new: Option<TreeSide>,
    /// Whether both are files with the same bytes; they are not sent then.
    #[serde(default)]
    pub same: bool,
    /// Whether the bytes of each side that is a file follow this line.
    #[serde(default)]
    pub sent: bool,
}

/// What a path is on one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TreeSide {
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// Permission bits, 0 to 0o7777.
        mode: u32,
        /// Whether its beginning is no text; only told of what is not sent.
        #[serde(default)]
        binary: bool,
    },
    /// A symbolic link.
    Symlink {
        /// What it says.
        target: PathText,
    },
    /// A folder with nothing in it.
    Folder,
    /// Something that is not compared.
    Special {
        /// What.
        what: SpecialKind,
    },
}

/// What is neither file, link nor folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpecialKind {
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A block device.
    BlockDevice,
    /// A character device.
    CharDevice,
}

/// The comparison is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeDiffed {
    /// Changes sent.
    pub changes: u64,
    /// Whether a limit left something out, or a path was too long.
    pub truncated: bool,
    /// Things called `.git` that were passed over.
    pub git_skipped: u64,
    /// Names that were looked at, which shows what the comparison cost.
    pub looked_at: u64,
}
