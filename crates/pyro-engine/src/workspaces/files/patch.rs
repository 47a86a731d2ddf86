//! Applying a patch: worked out here, carried out by the agent.
//!
//! ```text
//!   parse --> read what it touches, with hashes --> apply in memory
//!         --> one request with every change, expecting those hashes
//! ```
//!
//! Owns: turning the result into changes. Refuses: a patch of which a hunk
//! does not fit; nothing is changed then.

use super::payloads::{PatchApplied, PatchEntry, PatchSummary};
use super::read::whole;
use crate::artifact::absolute;
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::guest::files::{Fault, asks};
use crate::patch::{self, Applied, Node, Outcome, Patch, Status};
use crate::workspaces::Workspaces;
use crate::workspaces::events::Done;
use pyro_proto::Link;
use pyro_proto::messages::files::{
    ApplyChanges, Change, Entry, Expect, FileKind, ListFiles, MAX_CHANGES, WriteFile,
};
use pyro_proto::path::PathText;
use std::collections::BTreeMap;

impl Workspaces {
    /// Applies ordinary `git diff` output to `/workspace`, all or nothing.
    ///
    /// # Errors
    /// `invalid_patch`; `patch_does_not_apply` with each hunk's reason;
    /// `conflict` when a file changed meanwhile; `patch_interrupted` when the
    /// guest's disk stopped it in the middle; those of [`Workspaces::exec`].
    pub fn apply_patch(
        &self,
        wanted: &str,
        text: &str,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<PatchApplied> {
        let patch = patch::parse(text.as_bytes())?;
        let (workspace, applied) =
            self.ask_agent(wanted, events, cancel, |link| carry_out(link, &patch))?;
        let mut entries: Vec<PatchEntry> = applied
            .changes
            .iter()
            .map(|change| PatchEntry {
                path: absolute(&change.path),
                status: word(change.status).to_owned(),
            })
            .collect();
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        let count = |status| {
            let of = |change: &&patch::Change| change.status == status;
            applied.changes.iter().filter(of).count() as u64
        };
        let summary = PatchSummary {
            total: entries.len() as u64,
            added: count(Status::Added),
            modified: count(Status::Modified),
            deleted: count(Status::Deleted),
        };
        self.record(&workspace, Done::patch(&summary, &entries), events);
        let applied = PatchApplied {
            workspace_id: workspace.workspace_id.clone(),
            changed: !entries.is_empty(),
            summary,
            entries,
            patch: text.to_owned(),
            execution_mode: workspace.execution_mode,
        };
        self.shown(&workspace.workspace_id, applied)
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Added => "added",
        Status::Modified => "modified",
        Status::Deleted => "deleted",
    }
}

fn carry_out(link: &Link, patch: &Patch) -> Result<Applied, Fault> {
    let mut seen = BTreeMap::new();
    // A lost connection has a reason of its own, which the patch cannot carry.
    let mut broken = None;
    let applied = patch::apply(patch, |path| {
        node(link, path, &mut seen).map_err(|fault| match fault {
            Fault::Error(error) => error,
            Fault::Link(error) => {
                let told = Error::runtime("guest_connection", error.to_string());
                broken = Some(error);
                told
            }
        })
    });
    if let Some(error) = broken {
        return Err(error.into());
    }
    let applied = applied.map_err(Error::from)?;
    if applied.changes.len() > MAX_CHANGES {
        return Err(Error::invalid(
            "invalid_patch",
            format!(
                "the patch changes {} files, at most {MAX_CHANGES} at once",
                applied.changes.len()
            ),
        )
        .hint("apply it in several patches")
        .into());
    }
    if applied.changes.is_empty() {
        return Ok(applied);
    }
    let mut contents = Vec::new();
    let changes: Vec<Change> = applied
        .changes
        .iter()
        .map(|change| instruction(change, &seen, &mut contents))
        .collect();
    let done = asks::apply(link, &ApplyChanges { changes }, &mut contents.as_slice())?;
    match done.stopped {
        None => Ok(applied),
        Some(failed) => Err(Error::runtime(
            "patch_interrupted",
            format!(
                "{} of {} files were changed before the guest stopped: {}",
                done.done,
                applied.changes.len(),
                failed.message
            ),
        )
        .hint("mend the guest's disk, then look at the files; or reset the workspace")
        .into()),
    }
}

fn instruction(
    change: &patch::Change,
    seen: &BTreeMap<Vec<u8>, Expect>,
    contents: &mut Vec<u8>,
) -> Change {
    let path = PathText::from(change.path.clone());
    let expect = seen.get(&change.path).cloned().unwrap_or(Expect::Absent);
    match &change.outcome {
        Outcome::Write { bytes, executable } => {
            contents.extend_from_slice(bytes);
            Change::Write(WriteFile {
                path,
                expect,
                executable: Some(*executable),
                make_parents: true,
                size: bytes.len() as u64,
            })
        }
        Outcome::Symlink { target } => Change::Symlink {
            path,
            target: PathText::from(target.clone()),
            expect,
        },
        Outcome::Delete => Change::Delete { path, expect },
    }
}

/// What is at a path now.
fn node(
    link: &Link,
    path: &[u8],
    seen: &mut BTreeMap<Vec<u8>, Expect>,
) -> Result<Option<Node>, Fault> {
    let Some(entry) = entry(link, path)? else {
        return Ok(None);
    };
    Ok(Some(match entry {
        None => Node::Folder,
        Some(entry) => match entry.kind {
            FileKind::Directory => Node::Folder,
            FileKind::Other => Node::Other,
            FileKind::Symlink => {
                let target = entry.target.unwrap_or_default();
                seen.insert(path.to_vec(), Expect::Link(target.clone()));
                Node::Symlink { target: target.0 }
            }
            FileKind::File if entry.size > patch::MAX_RESULT as u64 => Node::TooLarge,
            FileKind::File => {
                let max_bytes = patch::MAX_RESULT as u64;
                let (read, bytes) = whole(link, &PathText::from(path), max_bytes)?;
                if let Some(hash) = read.sha256 {
                    seen.insert(path.to_vec(), Expect::Sha256(hash));
                }
                Node::File {
                    bytes,
                    executable: read.mode & 0o100 != 0,
                }
            }
        },
    }))
}

/// The entry of a path itself; inside none for a directory, none for nothing.
fn entry(link: &Link, path: &[u8]) -> Result<Option<Option<Entry>>, Fault> {
    let request = ListFiles {
        path: PathText::from(path),
        recursive: false,
        limit: 1,
    };
    let mut found = None;
    match asks::list(link, &request, |entry| {
        found = Some(entry);
        Ok(())
    }) {
        Ok(_) => Ok(Some(found.filter(|entry| entry.path.bytes() == path))),
        Err(Fault::Error(error)) if error.code == "file_not_found" => Ok(None),
        Err(fault) => Err(fault),
    }
}
