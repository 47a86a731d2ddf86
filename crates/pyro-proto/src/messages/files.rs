//! Requests about files below the workspace, and their replies.
//!
//! Owns: these types, and what their streams carry. Refuses: paths as plain
//! strings ([`PathText`]), and contents inside of JSON.
//!
//! ```text
//!   request       STDIN            STDOUT                    reply
//!   ListFiles     -                lines of Entry            Listed
//!   ReadFile      -                the bytes asked for       FileRead
//!   WriteFile     `size` bytes     -                         Written
//!   ApplyChanges  all contents     -                         Applied
//!   SearchFiles   -                lines of Match            Searched
//!   PutArchive    a tar            lines of Deleted          Unpacked
//!   GetArchive    -                a tar                     Packed
//! ```
//!
//! Every path of a request follows [`crate::path::beneath`]; paths in answers
//! are relative to the workspace, empty for the workspace itself. Failures
//! have the codes of [`super::Failed`] and these: `not_found`, `wrong_kind`,
//! `symlink` (the path passes through one), `conflict` (an expectation does
//! not hold), `incomplete` (fewer bytes came than announced), `archive` (the
//! tar is refused), `no_space`, `changed` (the file changed meanwhile), `io`.

use crate::path::PathText;
use serde::{Deserialize, Serialize};

/// Most changes of one [`ApplyChanges`].
pub const MAX_CHANGES: usize = 1024;
/// Longest pattern of a [`SearchFiles`], in bytes.
pub const MAX_PATTERN_BYTES: usize = 4096;
/// Most bytes of a line that are searched and of which a match may show a part.
pub const MAX_LINE_BYTES: u32 = 64 * 1024;
/// Longest JSON line a host takes, in bytes: a path's escapes triple it at
/// most, a line's make it six times as long.
pub const MAX_JSON_LINE_BYTES: usize = 512 * 1024;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, never followed.
    Symlink,
    /// A device, FIFO or socket.
    Other,
}

/// Lists a directory's entries, siblings sorted by bytes, children right
/// after their directory; anything else lists itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListFiles {
    /// What to list.
    pub path: PathText,
    /// Whether directories below are entered.
    #[serde(default)]
    pub recursive: bool,
    /// Most entries, 1 or more.
    pub limit: u64,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative to the workspace.
    pub path: PathText,
    /// What it is.
    pub kind: FileKind,
    /// Bytes; 0 for directories and others, the target's length for links.
    pub size: u64,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// Time of the last change of the contents, nanoseconds since the Unix
    /// epoch; the far ends of i64 stand for times beyond them.
    pub mtime_ns: i64,
    /// A link's target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PathText>,
}

/// The listing is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Entries sent.
    pub entries: u64,
    /// Whether the limit left something out.
    pub truncated: bool,
}

/// Reads a part of a regular file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFile {
    /// The file.
    pub path: PathText,
    /// First byte; 0 when lines are asked for.
    #[serde(default)]
    pub offset: u64,
    /// Most bytes sent; 0 asks only for what the reply says.
    pub max_bytes: u64,
    /// First and last line, from 1, both included.
    #[serde(default)]
    pub lines: Option<(u64, u64)>,
    /// Whether the whole file is hashed.
    #[serde(default)]
    pub hash: bool,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRead {
    /// Bytes of the whole file.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// As in [`Entry::mtime_ns`].
    pub mtime_ns: i64,
    /// Offset of the first byte sent.
    pub offset: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Whether `max_bytes` cut the range that was asked for.
    pub truncated: bool,
    /// Lines of the whole file, when lines were asked for; a last line
    /// without its newline counts.
    pub total_lines: Option<u64>,
    /// Lower-case hex, of the whole file, when asked for.
    pub sha256: Option<String>,
}

/// What must be true of a path before it is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// Nothing.
    #[default]
    Anything,
    /// There is nothing of this name.
    Absent,
    /// There is a regular file with these contents (64 lower-case hex digits).
    Sha256(String),
    /// There is a symbolic link that says this.
    Link(PathText),
}

/// Creates or replaces one regular file with the bytes on stdin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteFile {
    /// The file.
    pub path: PathText,
    /// Checked before the first and after the last byte.
    #[serde(default)]
    pub expect: Expect,
    /// Sets or clears the x bits; else a replaced file keeps its own and a
    /// new one has none.
    #[serde(default)]
    pub executable: Option<bool>,
    /// Whether missing directories are made.
    #[serde(default)]
    pub make_parents: bool,
    /// Bytes on stdin.
    pub size: u64,
}

/// The file was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Bytes of the file.
    pub size: u64,
    /// Its permission bits.
    pub mode: u32,
    /// Its SHA-256, lower-case hex.
    pub sha256: String,
    /// Whether the name was new.
    pub created: bool,
}

/// One of several changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// As [`WriteFile`]; its contents follow those of the writes before it.
    Write(WriteFile),
    /// Creates a symbolic link or replaces one; never a file.
    Symlink {
        /// The link.
        path: PathText,
        /// What it says, any bytes but NUL.
        target: PathText,
        /// Checked first; with a hash the link takes a file's place.
        #[serde(default)]
        expect: Expect,
    },
    /// Removes a file or a symbolic link.
    Delete {
        /// What goes.
        path: PathText,
        /// Checked first.
        #[serde(default)]
        expect: Expect,
    },
    /// Makes a directory and those above it; one that is there is kept.
    MakeFolder {
        /// The directory.
        path: PathText,
    },
    /// Removes a directory that is empty by then.
    RemoveFolder {
        /// What goes.
        path: PathText,
    },
}

/// Carries several changes out, or none as long as that is up to the agent:
/// everything is checked and staged first. A path may occur once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyChanges {
    /// In this order; at most [`MAX_CHANGES`].
    pub changes: Vec<Change>,
}

/// How far the changes came. Less than all only when the last phase, renames
/// and removals, was stopped by the file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// How many of the changes, from the first on, are done. Folders that
    /// later ones wanted may have been made as well.
    pub done: u64,
    /// Why the next one was not; the rest was not tried.
    #[serde(default)]
    pub stopped: Option<super::Failed>,
}

/// Finds lines in text files. Links, `.git` folders and files with a NUL byte
/// in their first 8 KiB are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchFiles {
    /// A directory or one file.
    pub path: PathText,
    /// At most [`MAX_PATTERN_BYTES`].
    pub pattern: String,
    /// Whether the pattern is a regular expression; else it is plain text.
    #[serde(default)]
    pub regex: bool,
    /// ASCII letters only.
    #[serde(default)]
    pub ignore_case: bool,
    /// Most lines, 1 or more.
    pub max_matches: u64,
    /// Most bytes shown of a line, 1 to [`MAX_LINE_BYTES`].
    pub max_line_bytes: u32,
}

/// One line that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// The file, relative to the workspace.
    pub path: PathText,
    /// From 1.
    pub line: u64,
    /// Byte in the line at which the first match starts, from 1.
    pub column: u64,
    /// The line without its end, invalid UTF-8 replaced; the part around the
    /// match when it is longer than was asked for.
    pub text: String,
    /// Whether `text` is a part.
    #[serde(default)]
    pub cut: bool,
}

/// The search is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Searched {
    /// Lines sent.
    pub matches: u64,
    /// Text files looked at.
    pub files: u64,
    /// Binary or unreadable files passed over.
    pub skipped: u64,
    /// Whether the limit ended it.
    pub truncated: bool,
}

/// Unpacks an uncompressed tar over what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutArchive {
    /// The directory, made when missing.
    pub destination: PathText,
    /// Bytes on stdin.
    pub size: u64,
    /// Whether what the archive does not name is deleted afterwards, but for
    /// a `.git` right below the destination.
    #[serde(default)]
    pub delete_missing: bool,
}

/// One line about a deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Relative to the workspace.
    pub path: PathText,
    /// What it was.
    pub kind: FileKind,
}

/// The archive is unpacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// Members.
    pub entry_count: u64,
    /// Bytes of regular files.
    pub bytes_written: u64,
    /// What was deleted.
    pub deleted: u64,
}

/// Packs a file, a symbolic link or a directory's children as a PAX tar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetArchive {
    /// What to pack.
    pub path: PathText,
    /// Whether it is to become a disk: owners, all mode bits, extended
    /// attributes, hard links, holes, devices and FIFOs are kept; a
    /// `lost+found` at the top is left out.
    #[serde(default)]
    pub as_disk: bool,
}

/// The archive is packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// What the path is.
    pub kind: FileKind,
    /// Members.
    pub entry_count: u64,
    /// Bytes of regular files, without holes that were kept.
    pub file_bytes: u64,
    /// Devices, FIFOs and sockets left out.
    pub skipped_special: u64,
    /// Files that changed while they were read; a part that was missing by
    /// then is zeroes.
    pub changed_files: u64,
}
