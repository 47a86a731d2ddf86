//! What a tree is before a patch and what is to be done to it.
//!
//! Owns: the types between a reader, [`super::apply`] and a writer.
//! Refuses: reading and writing.

#[cfg(doc)]
use super::MAX_RESULT;
use super::rewrite::AppliedHunk;

/// What is at a path now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A regular file.
    File {
        /// Its content.
        bytes: Vec<u8>,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A regular file the reader did not read: more than [`MAX_RESULT`] bytes.
    TooLarge,
    /// A symlink, not followed.
    Symlink {
        /// Its target as it stands there.
        target: Vec<u8>,
    },
    /// A folder.
    Folder,
    /// A socket, FIFO or device.
    Other,
}

/// What is to be at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A regular file; it replaces a file or symlink.
    Write {
        /// Its content.
        bytes: Vec<u8>,
        /// Whether it may be executed. The other permission bits stay.
        executable: bool,
    },
    /// A symlink; it replaces a file or symlink.
    Symlink {
        /// Its target.
        target: Vec<u8>,
    },
    /// Nothing.
    Delete,
}

/// How a path changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing was there.
    Added,
    /// A file or symlink was there and is another now.
    Modified,
    /// A file or symlink was there.
    Deleted,
}

/// One change to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Path relative to the root of the tree. Its parents may not exist yet.
    pub path: Vec<u8>,
    /// How it changes.
    pub status: Status,
    /// What is to be there.
    pub outcome: Outcome,
}

/// How a section of the patch was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedFile {
    /// Path the section is about.
    pub path: Vec<u8>,
    /// Where each of its hunks was applied.
    pub hunks: Vec<AppliedHunk>,
}

/// What a patch does to a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What to do, in this order; paths that stay as they are do not appear.
    pub changes: Vec<Change>,
    /// One entry per section, in the order of the patch.
    pub files: Vec<AppliedFile>,
}
