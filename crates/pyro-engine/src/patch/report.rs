//! Why a patch does not apply to the tree it met.
//!
//! Owns: one entry per hunk or file that failed, its sentence.
//! Refuses: problems of the patch's own text ([`super::ParseError`]).

use super::names::shown;
use std::fmt;

/// Failures an error's sentence lists; the rest is counted.
const LISTED: usize = 8;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The current state could not be read.
    #[error(transparent)]
    Read(crate::error::Error),
    /// The patch does not fit the current state.
    #[error(transparent)]
    Rejected(#[from] Report),
}

/// Every reason a patch does not apply, in the order of its text. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// One entry per failed hunk, or per file that failed as a whole.
    pub failures: Vec<Failure>,
}

/// One hunk or file that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// File it is about.
    pub path: Vec<u8>,
    /// Line of the patch, from 1: of the hunk, else of the section.
    pub line: usize,
    /// Number of the hunk in its section, from 1; None for a whole file.
    pub hunk: Option<usize>,
    /// Header line of the hunk.
    pub header: Option<String>,
    /// Why.
    pub reason: Reason,
    /// Where the most lines of the hunk are right, when it was cheap to find.
    pub nearest: Option<Nearest>,
}

/// A place that nearly fits a hunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// Line of the file the hunk would begin at, from 1.
    pub line: usize,
    /// Lines there that are as the hunk says.
    pub matched: usize,
    /// Lines there that are as the hunk says but for white space at their
    /// ends, a carriage return for example.
    pub white_space: usize,
    /// Lines the hunk needs.
    pub lines: usize,
}

/// Why a hunk or file failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The old lines are nowhere below the hunk before.
    #[error("its lines are not in the file")]
    NotFound,
    /// Two places fit, both as far from the line the header names.
    #[error("its lines are at line {} and at line {}, equally far away", .lines[0], .lines[1])]
    Ambiguous {
        /// Lines of the file, from 1.
        lines: [usize; 2],
    },
    /// It would join two lines, or end the file in its middle.
    #[error("the file's last line and the hunk disagree about the final newline")]
    FinalNewline,
    /// The search would take too long.
    #[error("too many places would have to be compared")]
    TooMuchWork,
    /// Nothing is there to change.
    #[error("the file does not exist")]
    Missing,
    /// Something is where a new file would go.
    #[error("the file exists already")]
    Exists,
    /// A folder is there.
    #[error("a folder is there")]
    IsFolder,
    /// A symlink is there, and the patch is not about one.
    #[error("a symlink is there, not a file")]
    IsSymlink,
    /// The patch is about a symlink, and none is there.
    #[error("the patch changes a symlink, and a file is there")]
    NotSymlink,
    /// A socket, FIFO or device.
    #[error("neither a file nor a symlink is there")]
    IsOther,
    /// A part of the path is no folder.
    #[error("{0} is not a folder")]
    ParentNotFolder(String),
    /// The hunks of a deletion do not cover the file.
    #[error("it is deleted, but has content the patch does not name")]
    LeavesContent,
    /// Empty, or with a NUL byte.
    #[error("the new target of the symlink is empty or has a NUL byte")]
    BadTarget,
    /// Larger than [`super::MAX_RESULT`], before or after.
    #[error("the file is larger than {max} bytes", max = super::MAX_RESULT)]
    TooLarge,
    /// All results together exceed [`super::MAX_TOTAL_RESULT`].
    #[error("the results together are larger than {max} bytes", max = super::MAX_TOTAL_RESULT)]
    TooLargeTogether,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", shown(&self.path))?;
        if let (Some(hunk), Some(header)) = (self.hunk, &self.header) {
            write!(
                f,
                ", hunk {hunk} (line {} of the patch, {header})",
                self.line
            )?;
        } else {
            write!(f, " (line {} of the patch)", self.line)?;
        }
        write!(f, ": {}", self.reason)?;
        if let Some(near) = &self.nearest {
            write!(
                f,
                "; nearest is line {}, where {} of {} lines match",
                near.line, near.matched, near.lines
            )?;
            if near.white_space > 0 {
                write!(f, " and {} but for white space", near.white_space)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the patch does not apply, nothing was changed: ")?;
        for (index, failure) in self.failures.iter().take(LISTED).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{failure}")?;
        }
        match self.failures.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for Report {}

impl From<Report> for crate::error::Error {
    fn from(report: Report) -> Self {
        let searched = report.failures.iter().any(|failure| failure.hunk.is_some());
        let hint = if searched {
            "read the files again and make the patch from what they are now"
        } else {
            "list the files and make the patch from what is there now"
        };
        Self::invalid("patch_does_not_apply", report.to_string())
            .hint(hint)
            .source(report)
    }
}

impl From<ApplyError> for crate::error::Error {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Read(error) => error,
            ApplyError::Rejected(report) => report.into(),
        }
    }
}
