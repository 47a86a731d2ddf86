//! Ordinary patches, as bytes: what `git diff`, `git format-patch` and
//! `diff -u` write.
//!
//! Owns: the typed form ([`Patch`]), reading it ([`parse`]), working out its
//! result in memory ([`apply`]), names in C quotes ([`quote`]).
//! Refuses: binary patches, combined diffs, submodules, names that leave the
//! tree or reach into `.git`, fuzz. Reads no file and writes none: the caller
//! hands in the current state and carries out the changes.
//!
//! ```text
//! bytes -- parse --> Patch -- apply(read) --> Applied   changes, offsets
//!            |                    |
//!            v                    v
//!        ParseError             Report    one entry per hunk or file that failed
//!    line, path, problem
//! ```

mod apply;
mod error;
mod hunks;
mod locate;
mod names;
mod outcome;
mod parse;
mod report;
mod rewrite;
mod section;
#[cfg(test)]
pub(crate) mod tests;

pub use apply::apply;
pub use error::{ParseError, Problem};
pub use names::{quote, shown};
pub use outcome::{Applied, AppliedFile, Change, Node, Outcome, Status};
pub use parse::parse;
pub use report::{ApplyError, Failure, Nearest, Reason, Report};
pub use rewrite::AppliedHunk;

/// Largest patch that is read, in bytes.
pub const MAX_PATCH: usize = 1 << 20;
/// Largest file a patch may touch or leave behind, in bytes.
pub const MAX_RESULT: usize = 16 << 20;
/// Most bytes all results of one patch may have together: a patch of copies
/// is small, what it asks for is not.
pub const MAX_TOTAL_RESULT: usize = 256 << 20;

/// A patch that was read whole. No path is written twice or taken away twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// One entry per file section, in the order of the text.
    pub files: Vec<FilePatch>,
}

/// What a patch says about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePatch {
    /// Path relative to the root of the tree, without prefix and quotes: the
    /// file that is left, or the one that is deleted.
    pub path: Vec<u8>,
    /// What happens to it.
    pub action: Action,
    /// Kind and executable bit before, where the patch tells.
    pub old_mode: Option<Mode>,
    /// Kind and executable bit after, where the patch tells; the same as
    /// before when it only tells one.
    pub new_mode: Option<Mode>,
    /// Changes of the content, in the order of the text.
    pub hunks: Vec<Hunk>,
    /// Line of the patch the section begins at, from 1.
    pub line: usize,
}

/// What happens to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It stays where it is; content or executable bit change.
    Modify,
    /// It is new.
    Create,
    /// It goes away.
    Delete,
    /// It is what another file was, and that one goes away.
    Rename {
        /// Path of the other file.
        from: Vec<u8>,
    },
    /// It begins as what another file is, which stays.
    Copy {
        /// Path of the other file.
        from: Vec<u8>,
    },
}

/// What git knows of a file besides its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `100644` or `100755`.
    File {
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// `120000`: the content is the target.
    Symlink,
}

/// One `@@` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// The header line, invalid UTF-8 replaced.
    pub header: String,
    /// Line of the patch the header is at, from 1.
    pub line: usize,
    /// First line it replaces, from 1; with a count of 0, the line it comes
    /// after, where 0 is the start of the file.
    pub old_start: u32,
    /// Number of lines it replaces, context included.
    pub old_count: u32,
    /// As `old_start`, after the change.
    pub new_start: u32,
    /// Number of lines it leaves, context included.
    pub new_count: u32,
    /// Context, deleted and added lines in order.
    pub lines: Vec<Line>,
}

/// One line of a hunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which side has it.
    pub kind: LineKind,
    /// Its bytes, with the line feed unless the file ends without one.
    pub text: Vec<u8>,
}

/// Which side of a change has a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Both.
    Context,
    /// The old one.
    Delete,
    /// The new one.
    Add,
}

impl FilePatch {
    /// Path whose content the section begins with; none for a new file.
    #[must_use]
    pub fn source(&self) -> Option<&[u8]> {
        match &self.action {
            Action::Create => None,
            Action::Modify | Action::Delete => Some(&self.path),
            Action::Rename { from } | Action::Copy { from } => Some(from),
        }
    }

    /// Path that is gone afterwards, unless another section fills it.
    #[must_use]
    pub fn removed(&self) -> Option<&[u8]> {
        match &self.action {
            Action::Delete => Some(&self.path),
            Action::Rename { from } => Some(from),
            Action::Modify | Action::Create | Action::Copy { .. } => None,
        }
    }
}

impl Hunk {
    /// The lines the file must have, in order.
    pub fn old_side(&self) -> impl Iterator<Item = &[u8]> {
        self.side(LineKind::Add)
    }

    /// The lines that take their place, in order.
    pub fn new_side(&self) -> impl Iterator<Item = &[u8]> {
        self.side(LineKind::Delete)
    }

    fn side(&self, without: LineKind) -> impl Iterator<Item = &[u8]> {
        self.lines
            .iter()
            .filter(move |line| line.kind != without)
            .map(|line| line.text.as_slice())
    }
}
