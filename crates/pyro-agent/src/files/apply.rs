//! Several changes together.
//!
//! Owns: the order: all checks and all new contents before the first change
//! that can be seen. Refuses: one path twice, since what it would be between
//! the two is nobody's. The last phase is renames and removals only; when the
//! file system stops it nevertheless, the reply says after which change.
//!
//! ```text
//!   stage 1..n --fails--> nothing changed
//!     `--> look again 1..n --fails--> nothing changed
//!            `--> commit 1..n --stops at i--> Applied { done: i - 1, stopped }
//! ```

use super::channels::Contents;
use super::expect::Seen;
use super::fault::{about, at};
use super::folders::MadeFolders;
use super::place::{Root, split};
use super::stage::Temporary;
use super::write::{self, Staged};
use crate::reply::failed;
use pyro_proto::Stream;
use pyro_proto::messages::Failed;
use pyro_proto::messages::files::{
    Applied, ApplyChanges, Change, Expect, FileKind, MAX_CHANGES, WriteFile,
};
use pyro_proto::path::PathText;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, unlinkat};
use std::collections::HashSet;
use std::io::Read;
use std::rc::Rc;

/// Carries the request out.
pub fn run(root: &Root, wanted: &ApplyChanges, stream: &Stream) -> Result<Applied, Failed> {
    if wanted.changes.len() > MAX_CHANGES {
        let message = format!("at most {MAX_CHANGES} changes are applied together");
        return Err(failed("bad_request", message));
    }
    let mut paths = HashSet::new();
    let mut size = 0u64;
    for change in &wanted.changes {
        let path = Root::relative(path_of(change))?;
        if path.is_empty() {
            return Err(failed("wrong_kind", "the workspace itself is not changed"));
        }
        if let Change::Write(write) = change {
            size = size.saturating_add(write.size);
        }
        if let Some(path) = paths.replace(path) {
            return Err(about("bad_request", &path, "is changed twice"));
        }
    }
    let mut made = MadeFolders::new(root);
    let mut all = Contents::new(stream, size);
    let mut steps = Vec::new();
    for change in &wanted.changes {
        steps.push(stage(root, &mut made, change, &mut all, stream)?);
    }
    for step in &steps {
        step.still()?;
    }
    if let Some(error) = stream.over() {
        return Err(failed("internal", error.to_string()));
    }
    let mut done = 0;
    for step in steps {
        match step.commit() {
            Ok(()) => done += 1,
            Err(error) if done == 0 => return Err(error),
            Err(error) => {
                made.keep();
                let stopped = Some(error);
                return Ok(Applied { done, stopped });
            }
        }
    }
    made.keep();
    let stopped = None;
    Ok(Applied { done, stopped })
}

fn path_of(change: &Change) -> &PathText {
    match change {
        Change::Write(WriteFile { path, .. })
        | Change::Symlink { path, .. }
        | Change::Delete { path, .. }
        | Change::MakeFolder { path }
        | Change::RemoveFolder { path } => path,
    }
}

/// A change that was checked.
enum Step {
    Write(Staged),
    Link(Name, Temporary),
    Remove(Name, AtFlags),
    /// Made while staging; taken back unless everything succeeds.
    Made,
}

/// A name in its open folder, as it was checked.
struct Name {
    path: Vec<u8>,
    folder: Rc<OwnedFd>,
    seen: Seen,
}

impl Name {
    fn check(
        root: &Root,
        path: &PathText,
        expect: &Expect,
        kinds: &[FileKind],
        stream: &Stream,
    ) -> Result<Self, Failed> {
        let path = Root::relative(path)?;
        let (above, last) = split(&path);
        let folder = Rc::new(root.folder(above)?);
        let seen = Seen::check(&folder, last, &path, expect, kinds, stream)?;
        Ok(Self { path, folder, seen })
    }

    fn exists(self) -> Result<Self, Failed> {
        match self.seen.stat {
            Some(_) => Ok(self),
            None => Err(about("not_found", &self.path, "does not exist")),
        }
    }

    fn still(&self) -> Result<(), Failed> {
        let (_, last) = split(&self.path);
        self.seen.still(&self.folder, last, &self.path)
    }
}

fn stage(
    root: &Root,
    made: &mut MadeFolders<'_>,
    change: &Change,
    contents: &mut Contents<'_>,
    stream: &Stream,
) -> Result<Step, Failed> {
    use FileKind::{Directory, File, Symlink};
    Ok(match change {
        Change::Write(write) => {
            let mut own = contents.by_ref().take(write.size);
            let staged = write::stage(root, made, write, &mut own, stream)?;
            Step::Write(staged)
        }
        Change::Symlink {
            path,
            target,
            expect,
        } => {
            if target.bytes().is_empty() || target.bytes().contains(&0) {
                let message = format!("{path:?} cannot be a symbolic link to {target:?}");
                return Err(failed("bad_request", message));
            }
            let name = Name::check(root, path, expect, &[Symlink], stream)?;
            let temporary = Temporary::link(&name.folder, &name.path, target.bytes())?;
            Step::Link(name, temporary)
        }
        Change::Delete { path, expect } => {
            let name = Name::check(root, path, expect, &[File, Symlink], stream)?;
            Step::Remove(name.exists()?, AtFlags::empty())
        }
        Change::MakeFolder { path } => {
            made.open(&Root::relative(path)?)?;
            Step::Made
        }
        Change::RemoveFolder { path } => {
            let name = Name::check(root, path, &Expect::Anything, &[Directory], stream)?;
            Step::Remove(name.exists()?, AtFlags::REMOVEDIR)
        }
    })
}

impl Step {
    fn still(&self) -> Result<(), Failed> {
        match self {
            Self::Write(staged) => staged.still(),
            Self::Link(name, _) | Self::Remove(name, _) => name.still(),
            Self::Made => Ok(()),
        }
    }

    fn commit(self) -> Result<(), Failed> {
        match self {
            Self::Write(staged) => staged.place(),
            Self::Link(name, temporary) => {
                name.still()?;
                let (_, last) = split(&name.path);
                temporary.place(last, name.seen.may_replace(), &name.path)
            }
            Self::Remove(name, flags) => {
                // What is below a folder may have gone with this request.
                if !flags.contains(AtFlags::REMOVEDIR) {
                    name.still()?;
                }
                let (_, last) = split(&name.path);
                unlinkat(&name.folder, last, flags).map_err(at("removing", &name.path))
            }
            Self::Made => Ok(()),
        }
    }
}
