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
//! Owns: the choice, made once when a server starts; nothing is read but
//! names. Refuses: reading the project, which happens at each create.

use crate::error::{Error, Result};
use crate::layout::expand_home;
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
        /// Where from.
        url: String,
        /// Branch, tag or commit.
        reference: Option<String>,
    },
}

const FALLBACKS: &str = "give --project-path DIR, --repo-url URL or --no-project-source";

impl ProjectSource {
    /// Makes the choice for a process in folder `cwd`.
    ///
    /// # Errors
    /// `conflict`, `invalid_request`, `source_missing`, `source_kind`, each
    /// with the ways out.
    pub fn choose(wish: &Wish, cwd: &Path) -> Result<Option<Self>> {
        let given = usize::from(wish.project_path.is_some()) + usize::from(wish.repo_url.is_some());
        let conflict = |what: &str| Err(Error::invalid("conflict", what).hint(FALLBACKS));
        if wish.none && (given > 0 || wish.repo_ref.is_some()) {
            return conflict("--no-project-source and a project source are given at once");
        }
        if given > 1 {
            return conflict("--project-path and --repo-url are given at once");
        }
        if wish.repo_ref.is_some() && wish.repo_url.is_none() {
            return conflict("--repo-ref is given without --repo-url");
        }
        if wish.none {
            return Ok(None);
        }
        match (wish.project_path, wish.repo_url) {
            (Some(path), _) => Self::at(path, cwd).map(Some),
            (None, Some(url)) => Ok(Some(Self::Url {
                url: not_blank("--repo-url", url)?,
                reference: wish
                    .repo_ref
                    .map(|reference| not_blank("--repo-ref", reference))
                    .transpose()?,
            })),
            (None, None) => Ok(top_level(cwd).map(|root| Self::Path {
                root,
                tracked: true,
            })),
        }
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
        Ok(match top_level(&found) {
            Some(root) => Self::Path {
                root,
                tracked: true,
            },
            None => Self::Path {
                root: found,
                tracked: false,
            },
        })
    }
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
        .find(|folder| folder.join(".git").exists())?;
    Some(root.to_owned())
}
