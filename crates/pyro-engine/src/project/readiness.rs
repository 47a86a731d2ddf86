//! Whether a project source can be used, for doctor and for servers.
//!
//! Owns: that answer, in bounded time. Refuses: the network; a clone counts
//! as ready when its address is one that git would be given.

use super::{FALLBACKS, ProjectSource, tracked};
use crate::error::Result;
use crate::events::Cancel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What workspaces of a server begin with, and whether they can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Readiness {
    /// `project_path`, `repo_url` or `none`.
    pub kind: String,
    /// The path, or the URL without credentials.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Branch, tag or commit of the clone.
    pub repo_ref: Option<String>,
    /// Whether it can be used, as far as can be told without the network.
    pub ready: bool,
    /// What is used, as a sentence.
    pub summary: String,
    /// Files that Git tracks; null unless those are taken.
    pub tracked_file_count: Option<u64>,
    /// Why it is not ready.
    pub reason: Option<String>,
    /// What to do then.
    pub fallback: Option<String>,
}

impl Readiness {
    /// Looks at a source that was chosen, or that could not be: then `named`
    /// is the path that was given.
    #[must_use]
    pub fn look(
        source: &Result<Option<ProjectSource>>,
        named: Option<&str>,
        cancel: &Cancel,
    ) -> Self {
        let mut seen = Self {
            kind: named.map_or("none", |_| "project_path").to_owned(),
            reference: named.map(str::to_owned),
            repo_ref: None,
            ready: true,
            summary: "no project source".to_owned(),
            tracked_file_count: None,
            reason: None,
            fallback: None,
        };
        let source = match source {
            Ok(None) => return seen,
            Ok(Some(source)) => source,
            Err(error) => {
                seen.fail(error);
                return seen;
            }
        };
        seen.kind = source.kind().to_owned();
        seen.reference = Some(source.reference());
        seen.summary = source.to_string();
        match source {
            ProjectSource::Url { reference, .. } => seen.repo_ref.clone_from(reference),
            ProjectSource::Path {
                root,
                tracked: true,
            } => match tracked::list(root, cancel) {
                Ok(found) => seen.tracked_file_count = Some(found.file_count()),
                Err(error) => seen.fail(&error),
            },
            ProjectSource::Path { root, .. } => {
                if let Err(error) = std::fs::read_dir(root) {
                    let what = format!("cannot list {}: {error}", root.display());
                    seen.fail(&crate::Error::runtime("source_io", what));
                }
            }
        }
        seen
    }

    fn fail(&mut self, error: &crate::Error) {
        self.ready = false;
        self.reason = Some(error.message.clone());
        self.fallback = Some(error.hint.clone().unwrap_or_else(|| FALLBACKS.to_owned()));
    }
}
