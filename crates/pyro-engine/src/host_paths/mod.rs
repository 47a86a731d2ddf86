//! Files and folders of this host that a request names.
//!
//! ```text
//!   Anywhere          the user's own command line: whatever the user may
//!   Within(Roots)     a server for models
//!     read   text --links resolved--> below a root? not pyro's own? --found--> path without links
//!     write  text --its parent the same--> no name that is not to be written? --> Output
//! ```
//!
//! What was checked is what is used: a path without links is opened without
//! following any ([`linkless`]), also by those who walk below it, and an output
//! is made beside a parent that is held. A hard link is the file itself: nobody
//! can tell it from another name of it.
//!
//! Owns: what of this host a request may name, how it is opened, and that an
//! output is new and outside of any `.git`. Refuses: knowing who asks; the
//! doors choose.

mod beneath;
pub mod linkless;
mod output;
mod roots;
#[cfg(test)]
mod tests;
mod unwritable;

pub use output::{Output, exists};
pub use roots::Roots;
pub use unwritable::is_in_git;

use crate::error::{Error, Result};
use crate::layout::expand_home;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How far requests reach.
#[derive(Clone, Debug, Default)]
pub enum HostPaths {
    /// Wherever this user does.
    #[default]
    Anywhere,
    /// Below what an operator allowed.
    Within(Arc<Roots>),
}

impl HostPaths {
    /// Whether a `.git` may come out of a workspace within a folder.
    #[must_use]
    pub fn takes_git(&self) -> bool {
        matches!(self, Self::Anywhere)
    }

    /// Finds a file or folder to read: its path without links, to be opened by
    /// [`linkless`].
    ///
    /// # Errors
    /// `source_missing`, `path_not_allowed`.
    pub fn find(&self, text: &str) -> Result<PathBuf> {
        match self {
            Self::Anywhere => {
                let expanded = expand_home(text);
                expanded
                    .canonicalize()
                    .map_err(|error| missing(&expanded, &error))
            }
            Self::Within(roots) => roots.find(text),
        }
    }

    /// Opens a file for reading; of a FIFO it waits for the writer.
    ///
    /// # Errors
    /// `source_missing`, `path_not_allowed`; within roots `source_kind` for
    /// what is no regular file.
    pub fn open(&self, text: &str) -> Result<File> {
        self.open_with(text, OFlags::empty())
    }

    /// As [`Self::open`] without waiting for anybody.
    ///
    /// # Errors
    /// The same.
    pub fn open_at_once(&self, text: &str) -> Result<File> {
        self.open_with(text, OFlags::NONBLOCK)
    }

    fn open_with(&self, text: &str, flags: OFlags) -> Result<File> {
        let Self::Within(roots) = self else {
            // By its name alone: it may be /dev/stdin.
            let path = expand_home(text);
            let flags = flags | OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
            return rustix::fs::open(&path, flags, Mode::empty())
                .map(File::from)
                .map_err(|error| unreadable(&path, &error.into()));
        };
        let path = roots.find(text)?;
        let file = linkless::file(&path).map_err(|error| unreadable(&path, &error))?;
        if !file.metadata().is_ok_and(|found| found.is_file()) {
            return Err(Error::invalid(
                "source_kind",
                format!("cannot read {}: it is no regular file", path.display()),
            )
            .hint("name a regular file"));
        }
        Ok(file)
    }

    /// Where an output of a workspace goes: something that does not exist.
    ///
    /// # Errors
    /// `invalid_output`, `output_exists`, `output_in_git`, `path_not_allowed`,
    /// `no_space`, `read_only`, `io`; those of `workspace_id`, which is asked
    /// for only where it matters.
    pub fn output(
        &self,
        text: &str,
        workspace_id: impl FnOnce() -> Result<String>,
    ) -> Result<Output> {
        match self {
            Self::Anywhere => Output::anywhere(text),
            Self::Within(roots) => roots.output(text, workspace_id),
        }
    }
}

fn missing(path: &Path, error: &std::io::Error) -> Error {
    Error::invalid(
        "source_missing",
        format!("cannot find the source {}: {error}", path.display()),
    )
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::invalid(
        "source_missing",
        format!("cannot read {}: {error}", path.display()),
    )
}
