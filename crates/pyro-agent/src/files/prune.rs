//! Deleting what an archive does not name.
//!
//! Owns: remembering the names, and the walk that deletes the others. Refuses:
//! a `.git` right below the destination, which is the user's history. A name
//! is remembered as 8 bytes, so two may be taken for one: then something
//! stays that could have gone, never the other way round.
//!
//! ```text
//!   named folder      -> enter
//!   other file, link  -> unlink, report
//!   other folder      -> enter, and rmdir, report when the walk has left it
//! ```

use super::channels::Out;
use super::fault::at;
use super::place::Root;
use super::walk::Walk;
use pyro_proto::messages::Failed;
use pyro_proto::messages::files::{Deleted, FileKind};
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;
use std::hash::{BuildHasher, RandomState};

/// Names to keep.
#[derive(Default)]
pub struct Named {
    state: RandomState,
    hashes: Vec<u64>,
}

impl Named {
    /// Keeps this one.
    pub fn add(&mut self, name: &[u8]) {
        self.hashes.push(self.state.hash_one(name));
    }

    fn has(&self, name: &[u8]) -> bool {
        let hash = self.state.hash_one(name);
        self.hashes.binary_search(&hash).is_ok()
    }
}

/// Deletes below `root`, which is `prefix` of the workspace; returns how much.
pub fn run(root: &Root, prefix: &[u8], mut named: Named, out: &mut Out<'_>) -> Result<u64, Failed> {
    named.hashes.sort_unstable();
    let mut deleted = 0;
    let mut report = |path: &[u8], kind, out: &mut Out<'_>| {
        deleted += 1;
        let mut full = prefix.to_vec();
        if !full.is_empty() {
            full.push(b'/');
        }
        full.extend_from_slice(path);
        out.line(&Deleted {
            path: full.into(),
            kind,
        })
    };
    let mut walk = Walk::new(root, b"")?;
    let mut leaving: Vec<Vec<u8>> = Vec::new();
    loop {
        out.wanted()?;
        let found = walk.next()?;
        while let Some(path) = leaving.pop_if(|path| {
            found.as_ref().is_none_or(|found| {
                !(found.path.starts_with(path) && found.path.get(path.len()) == Some(&b'/'))
            })
        }) {
            let (folder, last) = root.parent(&path)?;
            match unlinkat(&folder, last, AtFlags::REMOVEDIR) {
                Ok(()) => report(&path, FileKind::Directory, out)?,
                // Something came into it meanwhile, or somebody else was faster.
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT) => {}
                Err(errno) => return Err(at("deleting", &path)(errno)),
            }
        }
        let Some(found) = found else {
            return Ok(deleted);
        };
        if found.path == b".git" {
            continue;
        }
        let keep = named.has(&found.path);
        if found.kind == FileKind::Directory {
            if !keep {
                leaving.push(found.path.clone());
            }
            walk.enter(&found)?;
        } else if !keep {
            match unlinkat(walk.folder()?, found.name(), AtFlags::empty()) {
                Ok(()) => report(&found.path, found.kind, out)?,
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(at("deleting", &found.path)(errno)),
            }
        }
    }
}
