//! The files Git tracks in a work tree, as a tree with one commit.
//!
//! ```text
//!   project/tracked: names --stat--> look: print, known?
//!                                      | no
//!                                      v
//!   tree of them  +  project/first_commit: .git  --> image
//! ```
//!
//! Owns: which of the names are taken and what the others count as. Refuses:
//! following links on the way to a name; what lies behind one is not the
//! project's, and git takes it for deleted as well.

use super::SETTLED_SECONDS;
use super::directory::{Walk, Walked};
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::ext4_image::tree::{Meta, Node};
use crate::host_paths::linkless;
use crate::project::FALLBACKS;
use crate::project::first_commit::{self, Content, Leaf};
use crate::project::listing::{Entry, Kind};
use crate::project::tracked::{self, Tracked, beneath};
use crate::workspaces::unix_now;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a look at every tracked name has seen.
pub struct Looked {
    /// The same again means the same tree.
    pub print: [u8; 32],
    /// The latest change of an inode, Unix seconds.
    pub newest: i64,
    /// Names that were not taken, by why.
    pub left_out: BTreeMap<String, u64>,
    root: PathBuf,
    /// Sorted by path.
    leaves: Vec<(Entry, Metadata)>,
    /// Folders of submodules, with files or without.
    folders: Vec<Vec<u8>>,
}

/// A tree that is ready to be written, with the folder its commit lies in.
pub struct Prepared {
    pub walked: Walked,
    /// Names in it without those of `.git`.
    pub entry_count: u64,
    /// Bytes of its files without those of `.git`.
    pub bytes: u64,
    /// Files that are not as the index has them.
    pub modified: u64,
}

/// Looks at the tracked names of a work tree.
///
/// # Errors
/// As [`tracked::list`]; `source_missing`.
pub fn look(root: &Path, cancel: &Cancel) -> Result<Looked> {
    if !root.is_dir() {
        let what = format!("the project {} is gone", root.display());
        return Err(Error::invalid("source_missing", what).hint(FALLBACKS));
    }
    look_at(root, tracked::list(root, cancel)?)
}

/// Looks at these names.
pub fn look_at(root: &Path, tracked: Tracked) -> Result<Looked> {
    let mut hash = Sha256::new();
    hash.update(b"tracked 1");
    hash.update(root.as_os_str().as_bytes());
    hash.update(tracked.print);
    let mut looked = Looked {
        print: [0; 32],
        newest: i64::MIN,
        left_out: BTreeMap::new(),
        root: root.to_owned(),
        leaves: Vec::new(),
        folders: Vec::new(),
    };
    let mut ways = Ways::new(root);
    for entry in tracked.entries {
        let found = ways.stat(&entry.path)?;
        let why = match (&found, entry.kind) {
            (None, Kind::Leaf) if entry.skip_worktree => "sparse",
            (None, _) => "deleted",
            (Some(found), Kind::Submodule) if found.is_dir() => {
                let filled = tracked.submodules.contains(&entry.path);
                looked.folders.push(entry.path.clone());
                if filled { "" } else { "submodule" }
            }
            (Some(_), Kind::Submodule) => "deleted",
            // What is in a folder in place of a file is not tracked.
            (Some(found), Kind::Leaf) if found.is_dir() => "deleted",
            (Some(found), Kind::Leaf) if found.is_file() || found.is_symlink() => "",
            (Some(_), Kind::Leaf) => "special",
        };
        hash.update([why.len() as u8]);
        if !why.is_empty() {
            *looked.left_out.entry(why.to_owned()).or_default() += 1;
        } else if let (Some(found), Kind::Leaf) = (found, entry.kind) {
            let mut facts = Vec::with_capacity(128);
            super::look::note(&mut facts, &entry.path, &found);
            hash.update(&facts);
            looked.newest = looked.newest.max(found.ctime());
            looked.leaves.push((entry, found));
        }
    }
    looked
        .leaves
        .sort_by(|one, other| one.0.path.cmp(&other.0.path));
    looked.print = hash.finalize().into();
    Ok(looked)
}

/// Ways to names, each looked at once.
struct Ways<'a> {
    root: &'a Path,
    /// Whether it is a folder.
    known: HashMap<Vec<u8>, bool>,
    last: Vec<u8>,
}

impl<'a> Ways<'a> {
    fn new(root: &'a Path) -> Self {
        Self {
            root,
            known: HashMap::from([(Vec::new(), true)]),
            last: Vec::new(),
        }
    }

    /// What lies at a name, when only folders lead there.
    fn stat(&mut self, path: &[u8]) -> Result<Option<Metadata>> {
        let cut = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let parent = &path[..cut];
        // Mostly the same as before.
        if parent != self.last {
            if !self.is_folder(parent)? {
                return Ok(None);
            }
            self.last = parent.to_vec();
        }
        lstat(&beneath(self.root, path))
    }

    fn is_folder(&mut self, path: &[u8]) -> Result<bool> {
        if let Some(known) = self.known.get(path) {
            return Ok(*known);
        }
        let cut = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let is = self.is_folder(&path[..cut])?
            && lstat(&beneath(self.root, path))?.is_some_and(|found| found.is_dir());
        self.known.insert(path.to_vec(), is);
        Ok(is)
    }
}

fn lstat(path: &Path) -> Result<Option<Metadata>> {
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
            // A name that is too long for this file system cannot be there.
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => Ok(None),
            _ => Err(unreadable(path, error)),
        },
    }
}

/// A tracked file that cannot be read, or that went while it was.
fn unreadable(path: &Path, error: std::io::Error) -> Error {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ISDIR) => {
            super::directory::changed(path)
        }
        _ => Error::runtime(
            "source_io",
            format!("cannot read the tracked file {}: {error}", path.display()),
        )
        .hint(format!(
            "make it readable or stop tracking it; or {FALLBACKS}"
        ))
        .source(error),
    }
}

impl Looked {
    /// Reads the files, makes their commit in `folder`, which is empty.
    /// `time` stands in for the times of files, and whether they are executable
    /// for their modes, where those mean nothing.
    ///
    /// # Errors
    /// `source_io` naming a file that cannot be read, `source_changed`,
    /// `bad_source`, `io`, `cancelled`.
    pub fn prepare(
        &self,
        folder: &Path,
        time: Option<(i64, u32)>,
        cancel: &Cancel,
    ) -> Result<Prepared> {
        let mut leaves = Vec::with_capacity(self.leaves.len());
        let mut newest = HashMap::<&[u8], (i64, u32)>::new();
        let mut last = time.unwrap_or((0, 0));
        for (entry, found) in &self.leaves {
            let leaf = self.leaf(entry, found, time)?;
            for cut in folders_above(&entry.path) {
                let at = newest.entry(&entry.path[..cut]).or_insert(leaf.mtime);
                *at = leaf.mtime.max(*at);
            }
            last = leaf.mtime.max(last);
            leaves.push(leaf);
        }
        let made = first_commit::write(&leaves, folder, &unreadable, cancel)?;

        let folder_meta = |mtime| Meta {
            mode: 0o755,
            owner: (0, 0),
            mtime,
        };
        let mut walk = Walk::new(folder_meta(last), time);
        for path in &self.folders {
            let mtime = newest.get(path.as_slice()).copied().unwrap_or(last);
            walk.put(
                path,
                &beneath(&self.root, path),
                Node::Folder(folder_meta(mtime)),
            )?;
        }
        for ((entry, found), leaf) in self.leaves.iter().zip(leaves) {
            for cut in folders_above(&entry.path) {
                let path = &entry.path[..cut];
                if walk.tree.get(path).is_none() {
                    let mtime = newest.get(path).copied().unwrap_or(last);
                    let node = Node::Folder(folder_meta(mtime));
                    walk.put(path, &beneath(&self.root, path), node)?;
                }
            }
            let from = beneath(&self.root, &entry.path);
            let node = match leaf.content {
                Content::Link(target) => Node::Symlink(walk.meta(found), target),
                Content::File { .. } => Node::File(walk.file(&from, found)?),
            };
            walk.put(&entry.path, &from, node)?;
        }
        let entry_count = walk.tree.len() as u64;
        let files = walk.tree.files().iter();
        let bytes = files.map(|file| file.size).sum();
        // Git reads a file again that is not older than the index; so it is
        // later than all of them, unless they may change within their second.
        // Fits a float: seconds.
        #[allow(clippy::cast_precision_loss)]
        let settled = unix_now() - last.0 as f64 > SETTLED_SECONDS;
        walk.time = Some((last.0.saturating_add(i64::from(settled)), 0));
        let own = walk.time.unwrap_or_default();
        for path in GIT_FOLDERS {
            walk.put(path, folder, Node::Folder(folder_meta(own)))?;
        }
        for (name, from) in &made.files {
            let found = std::fs::symlink_metadata(from).map_err(Error::io("read", from))?;
            let node = Node::File(walk.file(from, &found)?);
            walk.put(format!(".git/{name}").as_bytes(), from, node)?;
        }
        walk.newest = self.newest;
        Ok(Prepared {
            walked: walk.finish(),
            entry_count,
            bytes,
            modified: made.modified,
        })
    }

    fn leaf(&self, entry: &Entry, found: &Metadata, time: Option<(i64, u32)>) -> Result<Leaf> {
        let from = beneath(&self.root, &entry.path);
        let content = if found.is_symlink() {
            let target = linkless::target(&from).map_err(|error| unreadable(&from, error))?;
            Content::Link(target.into_os_string().into_encoded_bytes())
        } else {
            Content::File {
                from,
                size: found.len(),
                executable: found.mode() & 0o100 != 0,
            }
        };
        let nanoseconds = u32::try_from(found.mtime_nsec()).unwrap_or(0);
        Ok(Leaf {
            path: entry.path.clone(),
            content,
            mtime: time.unwrap_or((found.mtime(), nanoseconds)),
            indexed: entry.object.clone(),
        })
    }
}

/// What git wants to find, also empty.
const GIT_FOLDERS: [&[u8]; 8] = [
    b".git",
    b".git/info",
    b".git/objects",
    b".git/objects/info",
    b".git/objects/pack",
    b".git/refs",
    b".git/refs/heads",
    b".git/refs/tags",
];

/// Where the folders above a path end in it.
fn folders_above(path: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| at)
}
