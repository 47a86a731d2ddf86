//! The flags that say what a server's workspaces begin with.
//!
//! Owns: their words. Refuses: looking at the project, which the engine does.

use crate::{Error, Result};
pub use pyro_engine::project::readiness::Readiness;
pub use pyro_engine::project::{ProjectSource, Wish, sentence};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// At most one source; without any, the Git work tree pyro was started in.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectOptions {
    /// Begin with the Git-tracked files of this folder's work tree, or with the folder if it is in none
    #[arg(long, value_name = "DIR")]
    pub project_path: Option<String>,
    /// Begin with a clean clone of this repository
    #[arg(long, value_name = "URL")]
    pub repo_url: Option<String>,
    /// Branch, tag or commit of the clone
    #[arg(long, value_name = "REF")]
    pub repo_ref: Option<String>,
    /// Begin empty, also inside a Git work tree
    #[arg(long)]
    pub no_project_source: bool,
}

impl ProjectOptions {
    /// The source they choose for a process in folder `cwd`.
    ///
    /// # Errors
    /// `conflict`, `invalid_request`, `source_missing`, `source_kind`.
    pub fn source(&self, cwd: &Path) -> Result<Option<ProjectSource>> {
        let wish = Wish {
            project_path: self.project_path.as_deref(),
            repo_url: self.repo_url.as_deref(),
            repo_ref: self.repo_ref.as_deref(),
            none: self.no_project_source,
        };
        ProjectSource::choose(&wish, cwd)
    }
}

/// The folder that relative paths are relative to.
///
/// # Errors
/// When it was removed.
pub fn current_folder() -> Result<PathBuf> {
    std::env::current_dir().map_err(|error| {
        Error::runtime("io", format!("cannot tell the current folder: {error}"))
            .hint("start pyro in a folder that exists")
    })
}
