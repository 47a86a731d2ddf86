//! Why bytes are no patch that can be applied.
//!
//! Owns: the problems of the text and their sentences. Refuses: problems of
//! the tree it is applied to ([`super::Report`]).

use super::names::shown;
use std::fmt;

/// A patch that was refused, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Line of the patch, from 1.
    pub line: usize,
    /// File the section is about, when it is known by then.
    pub path: Option<Vec<u8>>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a patch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nothing but white space.
    #[error("the patch is blank")]
    Blank,
    /// Longer than [`super::MAX_PATCH`].
    #[error("the patch has {0} bytes; the most is {max}", max = super::MAX_PATCH)]
    TooLarge(usize),
    /// Text without one file section.
    #[error("no file section found: neither `diff --git` nor `---` and `+++`")]
    NoSections,
    /// A binary change, with or without its data.
    #[error("a binary change cannot be applied")]
    Binary,
    /// The diff of a merge.
    #[error("a combined diff (of a merge) cannot be applied")]
    Combined,
    /// Mode 160000.
    #[error("a submodule cannot be changed")]
    Submodule,
    /// Neither a file nor a symlink, or not a mode at all.
    #[error("not the mode of a file or a symlink: {0}")]
    BadMode(String),
    /// A quoted name that does not end, or with an unknown escape.
    #[error("a quoted name is damaged")]
    BadQuoting,
    /// A name outside the tree, or not a name.
    #[error("the name is refused: {0}")]
    BadPath(&'static str),
    /// The two labels, or a label and the `diff --git` line, disagree.
    #[error("the section names two files: {old} and {new}")]
    NamesDiffer {
        /// First name.
        old: String,
        /// Second name.
        new: String,
    },
    /// Nothing in the section tells the name.
    #[error("the section does not tell the file's name")]
    NoName,
    /// Header lines that exclude each other.
    #[error("the header lines contradict each other: {0}")]
    Contradiction(&'static str),
    /// A section that changes nothing.
    #[error("the section has no hunk and no other change")]
    NoChange,
    /// `---` without `+++`.
    #[error("a `---` line is not followed by a `+++` line")]
    NoNewLabel,
    /// Not `@@ -line,count +line,count @@`.
    #[error("a hunk header is not of the form `@@ -line,count +line,count @@`")]
    BadHunkHeader,
    /// A hunk before any file section.
    #[error("a hunk without a file section before it")]
    HunkOutside,
    /// More or fewer lines than the header says.
    #[error("the hunk's lines do not match its header, which says {old} old and {new} new lines")]
    HunkCounts {
        /// Old lines the header says.
        old: u32,
        /// New lines the header says.
        new: u32,
    },
    /// Context lines only.
    #[error("the hunk adds and deletes nothing")]
    EmptyHunk,
    /// `\ No newline at end of file` where the file goes on.
    #[error("a no-newline marker does not stand at the end of its side")]
    MarkerInside,
    /// Two sections write or remove the same path.
    #[error("the file has more than one section")]
    Twice,
}

impl ParseError {
    pub(super) fn new(line: usize, path: Option<&[u8]>, problem: Problem) -> Self {
        Self {
            line,
            path: path.map(<[u8]>::to_vec),
            problem,
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the patch", self.line)?;
        if let Some(path) = &self.path {
            write!(f, ", {}", shown(path))?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for ParseError {}

impl From<ParseError> for crate::error::Error {
    fn from(error: ParseError) -> Self {
        let hint = match error.problem {
            Problem::Binary => "write binary files with file write or sync push",
            Problem::TooLarge(_) => "apply the change in several patches, or sync the files",
            Problem::Combined => "diff against one parent: git diff <parent> <merge>",
            Problem::Submodule => "patch the files of the submodule instead",
            Problem::Twice => "join the changes of a file in one section",
            Problem::BadPath(_) => "name files relative to the root of the workspace",
            _ => "make the patch with git diff, or with diff -u",
        };
        Self::invalid("invalid_patch", error.to_string())
            .hint(hint)
            .source(error)
    }
}
