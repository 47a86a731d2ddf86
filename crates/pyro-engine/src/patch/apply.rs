//! Works out what a patch does to a tree, completely, before anything is done.
//!
//! Owns: which state each section starts from (always the tree before the
//! patch), what must or must not be there, the order of the changes.
//! Refuses: writing. Also a file where a folder is: the reader cannot tell
//! whether the folder would be empty by then.
//!
//! ```text
//! order of changes: deletes that make room for a folder,
//!                   writes by path, the other deletes by path
//! ```

use super::locate::Work;
use super::outcome::{Applied, AppliedFile, Change, Node, Outcome, Status};
use super::report::{ApplyError, Failure, Reason, Report};
use super::rewrite::{AppliedHunk, rewrite};
use super::{Action, FilePatch, MAX_RESULT, MAX_TOTAL_RESULT, Mode, Patch, shown};
use std::collections::{BTreeMap, BTreeSet};

/// Works out what `patch` does to the tree `read` tells of: what is at a path,
/// symlinks not followed, None when nothing is there.
///
/// # Errors
/// [`ApplyError::Rejected`] with every hunk and file that failed;
/// [`ApplyError::Read`] when `read` fails.
pub fn apply<R>(patch: &Patch, read: R) -> Result<Applied, ApplyError>
where
    R: FnMut(&[u8]) -> crate::error::Result<Option<Node>>,
{
    let writes = |file: &&FilePatch| file.action != Action::Delete;
    let mut plan = Plan {
        read,
        removed: patch.files.iter().filter_map(FilePatch::removed).collect(),
        written: patch
            .files
            .iter()
            .filter(writes)
            .map(|file| file.path.as_slice())
            .collect(),
        folders: BTreeMap::new(),
        work: Work::new(),
        total: 0,
        results: BTreeMap::new(),
        failures: Vec::new(),
    };
    let mut files = Vec::new();
    for file in &patch.files {
        let hunks = match plan.file(file) {
            Ok(hunks) => hunks,
            Err(Stop::Read(error)) => return Err(ApplyError::Read(error)),
            Err(Stop::Failed(reason)) => {
                plan.failures.push(Failure {
                    path: file.path.clone(),
                    line: file.line,
                    hunk: None,
                    header: None,
                    reason,
                    nearest: None,
                });
                continue;
            }
            Err(Stop::Noted) => continue,
        };
        files.push(AppliedFile {
            path: file.path.clone(),
            hunks,
        });
    }
    if !plan.failures.is_empty() {
        let failures = plan.failures;
        return Err(ApplyError::Rejected(Report { failures }));
    }
    let changes = plan.changes();
    Ok(Applied { changes, files })
}

/// Why a section is given up.
enum Stop {
    Read(crate::error::Error),
    Failed(Reason),
    /// Its failures are on the list already.
    Noted,
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Failed(reason)
    }
}

struct Plan<'a, R> {
    read: R,
    removed: BTreeSet<&'a [u8]>,
    written: BTreeSet<&'a [u8]>,
    /// Whether a parent that was looked at may have children.
    folders: BTreeMap<&'a [u8], bool>,
    work: Work,
    total: usize,
    results: BTreeMap<&'a [u8], (Status, Outcome)>,
    failures: Vec<Failure>,
}

impl<'a, R> Plan<'a, R>
where
    R: FnMut(&[u8]) -> crate::error::Result<Option<Node>>,
{
    fn file(&mut self, file: &'a FilePatch) -> Result<Vec<AppliedHunk>, Stop> {
        let source = match file.source() {
            Some(path) => {
                // the reader is never sent through a symlink
                for parent in parents(path) {
                    self.folder(parent)?;
                }
                let (node, moved) = (self.at(path)?, file.path != path);
                Some(usable(node.ok_or(Reason::Missing)?, file, moved)?)
            }
            None => None,
        };
        if file.action != Action::Delete {
            self.parents(&file.path)?;
        }
        if !matches!(file.action, Action::Modify | Action::Delete) {
            self.room(&file.path)?;
        }
        let (bytes, executable, symlink) = match &source {
            Some(Node::File { bytes, executable }) => (bytes.as_slice(), *executable, false),
            Some(Node::Symlink { target }) => (target.as_slice(), false, true),
            _ => ([].as_slice(), false, file.new_mode == Some(Mode::Symlink)),
        };
        let (bytes, hunks) = rewrite(bytes, file, &mut self.work).map_err(|misses| {
            self.failures.extend(misses.into_iter().map(|miss| Failure {
                path: file.path.clone(),
                line: miss.hunk.line,
                hunk: Some(miss.number),
                header: Some(miss.hunk.header.clone()),
                reason: miss.reason,
                nearest: miss.nearest,
            }));
            Stop::Noted
        })?;
        if file.action == Action::Delete {
            if !bytes.is_empty() {
                return Err(Reason::LeavesContent.into());
            }
            return Ok(hunks);
        }
        self.total = self.total.saturating_add(bytes.len());
        if bytes.len() > MAX_RESULT {
            return Err(Reason::TooLarge.into());
        }
        if self.total > MAX_TOTAL_RESULT {
            return Err(Reason::TooLargeTogether.into());
        }
        let node = if symlink {
            if bytes.is_empty() || bytes.contains(&0) {
                return Err(Reason::BadTarget.into());
            }
            Node::Symlink { target: bytes }
        } else {
            let executable = match file.new_mode {
                Some(Mode::File { executable }) => executable,
                _ => executable,
            };
            Node::File { bytes, executable }
        };
        if file.action == Action::Modify && source.as_ref() == Some(&node) {
            return Ok(hunks);
        }
        let there = file.action == Action::Modify || self.removed.contains(file.path.as_slice());
        let status = if there {
            Status::Modified
        } else {
            Status::Added
        };
        let outcome = match node {
            Node::Symlink { target } => Outcome::Symlink { target },
            Node::File { bytes, executable } => Outcome::Write { bytes, executable },
            _ => return Err(Reason::IsOther.into()),
        };
        self.results.insert(&file.path, (status, outcome));
        Ok(hunks)
    }

    /// What is at a path before the patch.
    fn at(&mut self, path: &[u8]) -> Result<Option<Node>, Stop> {
        (self.read)(path).map_err(Stop::Read)
    }

    /// A new file needs a free place, or one the patch frees.
    fn room(&mut self, path: &'a [u8]) -> Result<(), Stop> {
        let freed = parents(path).any(|parent| self.removed.contains(parent));
        if freed || self.removed.contains(path) {
            return Ok(());
        }
        match self.at(path)? {
            None => Ok(()),
            Some(Node::Folder) => Err(Reason::IsFolder.into()),
            Some(_) => Err(Reason::Exists.into()),
        }
    }

    /// Every parent must be a folder, or nothing, after the patch.
    fn parents(&mut self, path: &'a [u8]) -> Result<(), Stop> {
        for parent in parents(path) {
            if self.written.contains(parent) {
                return Err(Reason::ParentNotFolder(shown(parent)).into());
            }
            if !self.removed.contains(parent) {
                self.folder(parent)?;
            }
        }
        Ok(())
    }

    /// Before the patch, a folder or nothing must be here.
    fn folder(&mut self, path: &'a [u8]) -> Result<(), Stop> {
        let fine = match self.folders.get(path) {
            Some(known) => *known,
            None => matches!(self.at(path)?, None | Some(Node::Folder)),
        };
        self.folders.insert(path, fine);
        if !fine {
            return Err(Reason::ParentNotFolder(shown(path)).into());
        }
        Ok(())
    }

    fn changes(self) -> Vec<Change> {
        let gone = |path: &&&[u8]| !self.written.contains(**path);
        let in_the_way: BTreeSet<&[u8]> =
            self.results.keys().flat_map(|path| parents(path)).collect();
        let delete = |path: &&[u8]| Change {
            path: path.to_vec(),
            status: Status::Deleted,
            outcome: Outcome::Delete,
        };
        let (first, last): (Vec<&[u8]>, Vec<&[u8]>) = self
            .removed
            .iter()
            .filter(gone)
            .partition(|path| in_the_way.contains(*path));
        let mut changes: Vec<Change> = first.iter().map(delete).collect();
        changes.extend(
            self.results
                .into_iter()
                .map(|(path, (status, outcome))| Change {
                    path: path.to_vec(),
                    status,
                    outcome,
                }),
        );
        changes.extend(last.iter().map(delete));
        changes
    }
}

/// The node when a section may start from it.
fn usable(node: Node, file: &FilePatch, moved: bool) -> Result<Node, Reason> {
    let mode = file.old_mode.or(file.new_mode);
    match (&node, mode) {
        (Node::Folder, _) => Err(Reason::IsFolder),
        (Node::Other, _) => Err(Reason::IsOther),
        (Node::TooLarge, _) => Err(Reason::TooLarge),
        (Node::File { bytes, .. }, _) if bytes.len() > MAX_RESULT => Err(Reason::TooLarge),
        (Node::File { .. }, Some(Mode::Symlink)) => Err(Reason::NotSymlink),
        // a pure move has no mode line, whatever it moves
        (Node::Symlink { .. }, None) if moved && file.hunks.is_empty() => Ok(node),
        (Node::Symlink { .. }, None | Some(Mode::File { .. })) => Err(Reason::IsSymlink),
        (Node::File { .. }, _) | (Node::Symlink { .. }, Some(Mode::Symlink)) => Ok(node),
    }
}

/// The folders above a path, from the root on.
fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.filter_map(|(at, _)| path.get(..at))
}
