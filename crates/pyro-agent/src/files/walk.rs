//! Everything below a folder, in order.
//!
//! Owns: the way through the tree: siblings by their bytes, the children of a
//! directory after it when the caller enters it. Refuses: following links,
//! and holding more than [`MEMORY_BYTES`] of names; what a directory has
//! beyond them is read again.
//!
//! ```text
//!   levels   ""  a b c.. | "b"  x y z..  | "b/y"  ...      next() pops from the last
//!            names shrink and descriptors close from the outermost on
//! ```

use super::fault::{at, io};
use super::names::Names;
use super::place::{Root, kind};
use pyro_proto::messages::Failed;
use pyro_proto::messages::files::FileKind;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;

const MEMORY_BYTES: usize = 768 * 1024;
/// Names an outer level keeps when memory is short.
const FEW_NAMES: usize = 16;
/// Levels whose folders stay open.
const MOST_OPEN: usize = 64;

/// One entry on the way.
pub struct Found {
    /// Its name below the root.
    pub path: Vec<u8>,
    /// Where its last component starts.
    pub last: usize,
    /// What it was when it was found.
    pub stat: Stat,
    /// The same in a word.
    pub kind: FileKind,
}

impl Found {
    /// Its last component.
    pub fn name(&self) -> &[u8] {
        &self.path[self.last..]
    }
}

struct Level {
    /// How much of the walk's path is its folder's.
    path_bytes: usize,
    folder: Option<OwnedFd>,
    names: Names,
    last: Vec<u8>,
}

/// A walk under way.
pub struct Walk<'a> {
    root: &'a Root,
    memory_bytes: usize,
    levels: Vec<Level>,
    /// The innermost folder's.
    path: Vec<u8>,
}

impl<'a> Walk<'a> {
    /// Starts below a folder, which itself is not found.
    pub fn new(root: &'a Root, path: &[u8]) -> Result<Self, Failed> {
        Self::within(root, path, MEMORY_BYTES)
    }

    /// The same with another bound on names.
    pub fn within(root: &'a Root, path: &[u8], memory_bytes: usize) -> Result<Self, Failed> {
        let mut walk = Self {
            root,
            memory_bytes,
            levels: Vec::new(),
            path: path.to_vec(),
        };
        walk.push(root.folder(path)?)?;
        Ok(walk)
    }

    /// Goes into the folder of which `self.path` is the name.
    fn push(&mut self, folder: OwnedFd) -> Result<(), Failed> {
        let mut held: usize = self.levels.iter().map(|l| l.names.held_bytes()).sum();
        for level in &mut self.levels {
            if held <= self.memory_bytes / 2 {
                break;
            }
            held -= level.names.held_bytes();
            level.names.shrink(FEW_NAMES);
            held += level.names.held_bytes();
        }
        let budget = budget(self.memory_bytes, held);
        if let Some(far) = self.levels.len().checked_sub(MOST_OPEN) {
            self.levels[far].folder = None;
        }
        let names = Names::read(&folder, b"", budget).map_err(io("listing", &self.path))?;
        self.levels.push(Level {
            path_bytes: self.path.len(),
            folder: Some(folder),
            names,
            last: Vec::new(),
        });
        Ok(())
    }

    /// The next entry. Those that vanish meanwhile are passed over.
    pub fn next(&mut self) -> Result<Option<Found>, Failed> {
        while let Some(level) = self.levels.last_mut() {
            self.path.truncate(level.path_bytes);
            let folder = match level.folder.take() {
                Some(folder) => folder,
                None => self.root.folder(&self.path)?,
            };
            let folder = &*level.folder.insert(folder);
            let Some(name) = level.names.take() else {
                if level.names.complete() {
                    self.levels.pop();
                } else {
                    self.refill()?;
                }
                continue;
            };
            let mut path = self.path.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            let last = path.len();
            path.extend_from_slice(&name);
            level.last = name;
            match statat(folder, &level.last, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    return Ok(Some(Found {
                        kind: kind(&stat),
                        path,
                        last,
                        stat,
                    }));
                }
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(at("looking at", &path)(errno)),
            }
        }
        Ok(None)
    }

    /// Reads on after the last name, with what memory the outer levels leave.
    fn refill(&mut self) -> Result<(), Failed> {
        if let Some((level, outer)) = self.levels.split_last_mut()
            && let Some(folder) = &level.folder
        {
            let held = outer.iter().map(|level| level.names.held_bytes()).sum();
            let budget = budget(self.memory_bytes, held);
            level.names =
                Names::read(folder, &level.last, budget).map_err(io("listing", &self.path))?;
        }
        Ok(())
    }

    /// The open folder of the entry that was found last.
    pub fn folder(&self) -> Result<&OwnedFd, Failed> {
        self.levels
            .last()
            .and_then(|level| level.folder.as_ref())
            .ok_or_else(|| crate::reply::failed("internal", "the walk is over"))
    }

    /// Goes into the directory that was found last; passes over one that is
    /// something else by now.
    pub fn enter(&mut self, found: &Found) -> Result<(), Failed> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(self.folder()?, found.name(), flags, Mode::empty()) {
            Ok(folder) => {
                self.path.clone_from(&found.path);
                self.push(folder)
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
            Err(errno) => Err(at("opening", &found.path)(errno)),
        }
    }
}

/// The innermost level gets what the outer ones leave, and never too little.
fn budget(memory_bytes: usize, held_bytes: usize) -> usize {
    memory_bytes
        .saturating_sub(held_bytes)
        .max(memory_bytes / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn plant(folder: &Path, depth: u32) {
        for number in 0..40 {
            std::fs::write(folder.join(format!("{number:02}f")), "").unwrap();
        }
        if depth > 0 {
            for number in [5, 21, 22, 39] {
                let child = folder.join(format!("{number:02}d"));
                std::fs::create_dir(&child).unwrap();
                plant(&child, depth - 1);
            }
        }
    }

    fn wanted(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        for name in names {
            let path = format!("{prefix}{}", name.to_str().unwrap());
            found.push(path.clone());
            if folder.join(&name).is_dir() {
                wanted(&folder.join(&name), &(path + "/"), found);
            }
        }
    }

    #[test]
    fn the_order_is_the_same_with_little_memory() {
        let folder = tempfile::tempdir().unwrap();
        plant(folder.path(), 3);
        let mut all = Vec::new();
        wanted(folder.path(), "", &mut all);
        let root = Root::open(folder.path()).unwrap();
        for memory_bytes in [MEMORY_BYTES, 1000, 40] {
            let mut walk = Walk::within(&root, b"", memory_bytes).unwrap();
            let mut found = Vec::new();
            while let Some(entry) = walk.next().unwrap() {
                found.push(String::from_utf8(entry.path.clone()).unwrap());
                if entry.kind == FileKind::Directory {
                    walk.enter(&entry).unwrap();
                }
            }
            assert!(
                found == all,
                "{memory_bytes}: {} of {}",
                found.len(),
                all.len()
            );
        }
    }
}
