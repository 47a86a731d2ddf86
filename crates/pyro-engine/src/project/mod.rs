//! Project sources: what a server's workspaces begin with unless a call says
//! otherwise.
//!
//! ```text
//!   --no-project-source          none
//!   --project-path P             the work tree P is in, else the folder P
//!   --repo-url U [--repo-ref R]  a clone
//!   nothing                      the work tree of the current folder, else none
//! ```
//!
//! Owns: the choice, made once when a server starts, and its words; nothing is
//! read but names. Refuses: reading the project, which happens at each create
//! (workspaces/seed).

pub(crate) mod address;
pub(crate) mod commit;
pub(crate) mod first_commit;
pub(crate) mod git;
pub(crate) mod listing;
pub(crate) mod mirror;
pub mod readiness;
mod remote;
#[cfg(test)]
mod tests;
pub(crate) mod tracked;

use crate::error::{Error, Result};
use crate::layout::expand_home;
use address::{Address, check_reference};
use std::path::{Path, PathBuf};

/// What an operator asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// A folder of this host.
    pub project_path: Option<&'a str>,
    /// A repository.
    pub repo_url: Option<&'a str>,
    /// A branch, tag or commit of it.
    pub repo_ref: Option<&'a str>,
    /// Nothing at all.
    pub none: bool,
}

/// What was chosen.
#[derive(Clone, PartialEq, Eq)]
pub enum ProjectSource {
    /// A folder of this host.
    Path {
        /// Absolute, links resolved; the top level when it is a work tree.
        root: PathBuf,
        /// Whether only Git-tracked files are taken.
        tracked: bool,
    },
    /// A clone.
    Url {
        /// Where from; it may have credentials, so show [`ProjectSource::reference`].
        url: String,
        /// Branch, tag or commit.
        reference: Option<String>,
    },
}

/// The ways out of a project that cannot be used.
pub(crate) const FALLBACKS: &str =
    "give --project-path DIR, --repo-url URL, --no-project-source, or an explicit seed_path";

impl ProjectSource {
    /// Makes the choice for a server in folder `cwd`: what is given, else the
    /// work tree the folder is in.
    ///
    /// # Errors
    /// `conflict`, `invalid_request`, `source_missing`, `source_kind`, each
    /// with the ways out.
    pub fn choose(wish: &Wish, cwd: &Path) -> Result<Option<Self>> {
        let given = Self::given(wish, cwd)?;
        if given.is_some() || wish.none {
            return Ok(given);
        }
        match top_level(cwd) {
            None => Ok(None),
            Some(root) => Self::folder(root, true).map(Some),
        }
    }

    /// What is given, and nothing else.
    ///
    /// # Errors
    /// As [`Self::choose`].
    pub fn given(wish: &Wish, cwd: &Path) -> Result<Option<Self>> {
        let conflict = |what: &str| Err(Error::invalid("conflict", what).hint(FALLBACKS));
        let (path, url) = (wish.project_path.is_some(), wish.repo_url.is_some());
        if wish.none && (path || url || wish.repo_ref.is_some()) {
            return conflict("--no-project-source and a project source are given at once");
        }
        if path && url {
            return conflict("--project-path and --repo-url are given at once");
        }
        if wish.repo_ref.is_some() && !url {
            return conflict("--repo-ref is given without --repo-url");
        }
        match (wish.project_path, wish.repo_url) {
            (Some(path), _) => Self::at(path, cwd).map(Some),
            (None, Some(url)) => Self::clone_of(url, wish.repo_ref).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// `project_path` or `repo_url`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Path { .. } => "project_path",
            Self::Url { .. } => "repo_url",
        }
    }

    /// The path, or the URL without credentials.
    #[must_use]
    pub fn reference(&self) -> String {
        match self {
            Self::Path { root, .. } => root.display().to_string(),
            Self::Url { url, .. } => {
                Address::parse(url).map_or_else(|_| String::new(), |address| address.shown)
            }
        }
    }

    fn clone_of(url: &str, reference: Option<&str>) -> Result<Self> {
        let refused = |what: String| Error::invalid("invalid_request", what).hint(FALLBACKS);
        let url = not_blank("--repo-url", url)?;
        // An address that is not understood may hold anything.
        Address::parse(&url)
            .map_err(|why| refused(format!("--repo-url is not an address to clone: {why}")))?;
        let reference = reference
            .map(|reference| not_blank("--repo-ref", reference))
            .transpose()?;
        if let Some(name) = &reference {
            check_reference(name)
                .map_err(|why| refused(format!("--repo-ref {name:?} is refused: {why}")))?;
        }
        Ok(Self::Url { url, reference })
    }

    fn at(path: &str, cwd: &Path) -> Result<Self> {
        let path = cwd.join(expand_home(&not_blank("--project-path", path)?));
        let found = path.canonicalize().map_err(|error| {
            Error::invalid(
                "source_missing",
                format!("cannot find the project {}: {error}", path.display()),
            )
            .hint(FALLBACKS)
        })?;
        if !found.is_dir() {
            return Err(Error::invalid(
                "source_kind",
                format!("the project {} is no folder", found.display()),
            )
            .hint(FALLBACKS));
        }
        match top_level(&found) {
            Some(root) => Self::folder(root, true),
            None if is_bare(&found) => Err(Error::invalid(
                "source_kind",
                format!(
                    "the project {} is a bare repository, which has no files",
                    found.display()
                ),
            )
            .hint(format!("give --repo-url {}", found.display()))),
            None => Self::folder(found, false),
        }
    }

    fn folder(root: PathBuf, tracked: bool) -> Result<Self> {
        if root.to_str().is_none() {
            let what = format!("the path of the project {} is not UTF-8", root.display());
            return Err(Error::invalid("source_kind", what).hint(FALLBACKS));
        }
        Ok(Self::Path { root, tracked })
    }
}

/// What is used, in one line.
impl std::fmt::Display for ProjectSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reference = self.reference();
        match self {
            Self::Path { tracked: true, .. } => write!(f, "Git-tracked files of {reference}"),
            Self::Path { .. } => write!(f, "whole folder {reference}"),
            Self::Url {
                reference: Some(wanted),
                ..
            } => write!(f, "clean clone of {reference} at {wanted}"),
            Self::Url { .. } => write!(f, "clean clone of {reference}"),
        }
    }
}

/// Without credentials.
impl std::fmt::Debug for ProjectSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// What is used, or that nothing is, in one line.
#[must_use]
pub fn sentence(source: Option<&ProjectSource>) -> String {
    source.map_or_else(|| "no project source".to_owned(), ToString::to_string)
}

fn is_bare(folder: &Path) -> bool {
    folder.join("HEAD").is_file() && folder.join("objects").is_dir() && folder.join("refs").is_dir()
}

fn not_blank(flag: &str, text: &str) -> Result<String> {
    match text.trim() {
        "" => Err(Error::invalid("invalid_request", format!("{flag} is empty")).hint(FALLBACKS)),
        text => Ok(text.to_owned()),
    }
}

/// The top level of the work tree a folder is in: the nearest folder with a
/// `.git`, which is a folder, or the file of a worktree or submodule.
fn top_level(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let root = folder
        .ancestors()
        // One that leads nowhere counts too: its ignored files must not enter.
        .find(|folder| folder.join(".git").symlink_metadata().is_ok())?;
    Some(root.to_owned())
}
