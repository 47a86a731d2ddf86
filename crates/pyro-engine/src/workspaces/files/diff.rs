//! What changed in a workspace since it was created.
//!
//! ```text
//!   agent: which paths, both sides --> checked --> crate::diff: entries, patch
//! ```
//!
//! Owns: how much of a tree is compared and brought here. Refuses: renames,
//! which are a deletion and an addition, and `.git`, of which git itself
//! rewrites something at every command.

use super::path;
use super::payloads::WorkspaceDiff;
use crate::diff::{self, Change, Diff, MAX_FILE_TEXT, Stat};
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::guest::files::Fault;
use crate::guest::files::diff::diff as ask;
use crate::workspaces::Workspaces;
use pyro_proto::Link;
use pyro_proto::messages::diff::{DiffTree, MAX_DIFF_PATHS, TreeDiffed};
use pyro_proto::path::PathText;

/// Most changes of one diff.
const MOST_CHANGES: u64 = 200_000;
/// Largest file that is compared line by line.
const MAX_SIDE_BYTES: u64 = 1 << 20;
/// Most bytes of files that come here for one diff.
const MAX_TOTAL_BYTES: u64 = 32 << 20;

/// What to compare, and what to say of it.
#[derive(Clone, Debug, Default)]
pub struct DiffRequest {
    /// Paths below `/workspace`; all of it when empty.
    pub paths: Vec<String>,
    /// How much is said.
    pub form: DiffForm,
}

/// How much a diff says of each change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiffForm {
    /// The patch.
    #[default]
    Patch,
    /// Numbers of lines.
    Stat,
    /// Names alone.
    NameOnly,
}

impl Workspaces {
    /// Compares `/workspace` with what it was created with.
    ///
    /// # Errors
    /// `invalid_path`, `out_of_range`, `file_not_found` for a path that is on
    /// neither side; those of [`Workspaces::exec`].
    pub fn diff(
        &self,
        wanted: &str,
        request: &DiffRequest,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<WorkspaceDiff> {
        let diff = self.diff_as_it_is(wanted, request, events, cancel)?;
        let folder = self.store.folder(&diff.workspace_id);
        let (diff, redacted) = self.secrets(&folder)?.redactor().result(diff)?;
        Ok(WorkspaceDiff { redacted, ..diff })
    }

    /// The same with secrets.
    pub(super) fn diff_as_it_is(
        &self,
        wanted: &str,
        request: &DiffRequest,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<WorkspaceDiff> {
        if request.paths.len() > MAX_DIFF_PATHS {
            let count = request.paths.len();
            let message = format!("{count} paths were given, at most {MAX_DIFF_PATHS} are allowed");
            return Err(Error::invalid("out_of_range", message)
                .hint("name the folders that hold them, or none for everything"));
        }
        let paths = request.paths.iter().map(|text| path(text));
        let tree = tree(paths.collect::<Result<_>>()?);
        let (workspace, compared) =
            self.ask_agent(wanted, events, cancel, |link| compare(link, &tree))?;
        let mut diff = compared.diff();
        if request.form != DiffForm::Patch {
            without_text(&mut diff);
        }
        let stat = (request.form == DiffForm::Stat).then(|| compared.stat());
        if let Some(stat) = &stat {
            with_lines(&mut diff, stat);
        }
        Ok(WorkspaceDiff {
            workspace_id: workspace.workspace_id,
            stat: stat.map(|stat| stat.to_string()),
            names: (request.form == DiffForm::NameOnly).then(|| diff::name_only(&compared.changes)),
            diff,
            git_skipped: compared.done.git_skipped,
            redacted: 0,
        })
    }
}

/// Both sides of what changed, as the guest told them and they were checked.
pub(in crate::workspaces) struct Compared {
    changes: Vec<Change>,
    pub done: TreeDiffed,
}

/// What to ask the guest about.
pub(in crate::workspaces) fn tree(paths: Vec<PathText>) -> DiffTree {
    DiffTree {
        paths,
        limit: MOST_CHANGES,
        max_side_bytes: MAX_SIDE_BYTES,
        max_growth_bytes: MAX_FILE_TEXT as u64,
        max_total_bytes: MAX_TOTAL_BYTES,
    }
}

/// Asks it.
pub(in crate::workspaces) fn compare(link: &Link, tree: &DiffTree) -> Result<Compared, Fault> {
    let mut changes = Vec::new();
    let done = ask(link, tree, |change| {
        changes.push(change);
        Ok(())
    })?;
    Ok(Compared { changes, done })
}

impl Compared {
    /// Entries and patch; one that is cut short says so.
    pub fn diff(&self) -> Diff {
        let mut diff = diff::diff(&self.changes);
        if self.done.truncated {
            diff.cut(&format!(
                "There are more than {MOST_CHANGES} changes, or a path is too long; the rest is left out."
            ));
        }
        diff
    }

    /// Lines per file.
    pub fn stat(&self) -> Stat {
        diff::stat(&self.changes)
    }
}

fn without_text(diff: &mut Diff) {
    diff.patch.clear();
    for entry in &mut diff.entries {
        entry.text_patch = None;
    }
}

/// Both are sorted by path and have each change once.
pub(in crate::workspaces) fn with_lines(diff: &mut Diff, stat: &Stat) {
    for (entry, file) in diff.entries.iter_mut().zip(&stat.files) {
        if file.bytes.is_none() {
            entry.lines_added = Some(file.added);
            entry.lines_deleted = Some(file.deleted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{Change, Content, Side};

    #[test]
    fn each_entry_has_its_own_lines() {
        let file = |bytes: &[u8]| {
            let content = Content::Bytes(bytes.into());
            Some(Side::File {
                content,
                mode: 0o644,
            })
        };
        let change = |path: &str, old, new| Change {
            path: path.into(),
            old,
            new,
        };
        let changes = [
            change("z", None, file(b"1\n2\n")),
            change("same", file(b"1"), file(b"1")),
            change("b", file(b"\0"), file(b"1")),
            change("a", file(b"1\n"), file(b"2\n")),
        ];
        let mut diff = diff::diff(&changes);
        without_text(&mut diff);
        with_lines(&mut diff, &diff::stat(&changes));
        let entries = diff.entries.iter();
        let lines: Vec<_> = entries
            .map(|entry| (&*entry.path, entry.lines_added, entry.lines_deleted))
            .collect();
        assert_eq!(
            lines,
            [
                ("a", Some(1), Some(1)),
                ("b", None, None),
                ("z", Some(2), Some(0))
            ]
        );
        assert!(
            diff.patch.is_empty() && diff.entries.iter().all(|entry| entry.text_patch.is_none())
        );
        assert_eq!((diff.summary.text_patched, diff.summary.non_text), (2, 1));
    }
}
