//! Which of the things a workspace may begin with it is.
//!
//! Owns: the choice between them, and what a record says of it. Refuses:
//! reading any of them.

use super::{Baseline, Kind, Source};
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::events::EventSink;
use crate::host_paths::HostPaths;
use crate::layout::Layout;
use crate::project::address::Address;
use crate::project::commit::Commit;
use crate::project::mirror::Mirrors;
use crate::project::{FALLBACKS, ProjectSource, tracked};
use crate::workspaces::NewWorkspace;
use crate::workspaces::record::WorkspaceSeed;
use std::path::PathBuf;

/// Where the content comes from.
pub enum Origin {
    /// A path that was named for this workspace.
    Manual(Source),
    /// A project's folder in no work tree.
    Folder(Source),
    /// The tracked files of a work tree.
    Tracked {
        /// Top level.
        root: PathBuf,
        /// The commit it is at.
        commit: Option<String>,
    },
    /// The files of a commit that was cloned.
    Clone {
        /// It is here.
        commit: Commit,
        /// What was asked for.
        reference: Option<String>,
    },
}

impl Origin {
    /// What a new workspace is to begin with.
    ///
    /// # Errors
    /// `conflict`; those of [`Source::find`], [`tracked::head`] and
    /// [`Mirrors::commit`].
    pub fn find(
        host: &HostPaths,
        wanted: &NewWorkspace,
        layout: &Layout,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Option<Self>> {
        let Some(path) = &wanted.seed_path else {
            return match &wanted.project {
                None => Ok(None),
                Some(project) => {
                    Self::of_project(project, &Mirrors::new(layout), events, cancel).map(Some)
                }
            };
        };
        if wanted.project.is_some() {
            return Err(Error::invalid(
                "conflict",
                "a seed path and a project source are given at once",
            )
            .hint("give one of --seed-path, --project-path and --repo-url"));
        }
        Ok(Some(Self::Manual(Source::find(host, path)?)))
    }

    pub(super) fn of_project(
        project: &ProjectSource,
        mirrors: &Mirrors,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Self> {
        match project {
            ProjectSource::Path {
                root,
                tracked: true,
            } => Ok(Self::Tracked {
                commit: tracked::head(root, cancel)?,
                root: root.clone(),
            }),
            ProjectSource::Path { root, .. } => Ok(Self::Folder(Source {
                path: root.clone(),
                kind: Kind::Directory,
            })),
            ProjectSource::Url { url, reference } => {
                let address = Address::parse(url)
                    .map_err(|why| Error::invalid("invalid_request", why).hint(FALLBACKS))?;
                Ok(Self::Clone {
                    commit: mirrors.commit(&address, reference.as_deref(), events, cancel)?,
                    reference: reference.clone(),
                })
            }
        }
    }

    /// What the record of a workspace says of it.
    pub fn seed(&self, baseline: &Baseline) -> WorkspaceSeed {
        let common = WorkspaceSeed {
            entry_count: baseline.entry_count,
            bytes_written: baseline.bytes_written,
            skipped: baseline.skipped,
            skipped_kinds: baseline.skipped_kinds.clone(),
            modified: baseline.modified,
            mode: "directory".into(),
            ..WorkspaceSeed::default()
        };
        match self {
            Self::Manual(source) => WorkspaceSeed {
                mode: source.kind.mode().into(),
                seed_path: Some(source.path.display().to_string()),
                origin_kind: "manual_seed_path".into(),
                ..common
            },
            Self::Folder(source) => WorkspaceSeed {
                seed_path: Some(source.path.display().to_string()),
                origin_kind: "project_path".into(),
                origin_ref: Some(source.path.display().to_string()),
                ..common
            },
            Self::Tracked { root, commit } => WorkspaceSeed {
                seed_path: Some(root.display().to_string()),
                origin_kind: "project_path".into(),
                origin_ref: Some(root.display().to_string()),
                repo_commit: commit.clone(),
                tracked_only: true,
                ..common
            },
            Self::Clone { commit, reference } => WorkspaceSeed {
                origin_kind: "repo_url".into(),
                origin_ref: Some(commit.address.shown.clone()),
                repo_ref: reference.clone(),
                repo_commit: Some(commit.id.clone()),
                tracked_only: true,
                ..common
            },
        }
    }
}
