//! What `stat` says of everything below a folder, in one number.
//!
//! Owns: looking at it as fast as the kernel answers: it is what a second
//! create from the same source costs. Refuses: making a tree of it, which is
//! for a source that was not seen before (directory.rs).
//!
//! ```text
//!   folders to look at --> threads: list, stat, hash one folder --.
//!          ^-- folders found ---'                                 v
//!                                         sorted by path --> one hash
//! ```

use super::directory::failed;
use crate::error::Result;
use crate::events::Cancel;
use crate::host_paths::linkless;
use crate::spool::go_on;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// More have not made it faster: they wait for the same locks of the kernel.
const MOST_THREADS: usize = 4;

/// What was seen.
pub struct Seen {
    /// The same again means the same tree.
    pub print: [u8; 32],
    /// The latest change of an inode, Unix seconds.
    pub newest: i64,
}

/// Looks at everything below `root`, and at no link's target.
///
/// # Errors
/// `source_io` naming the path, `cancelled`.
pub fn look(root: &Path, cancel: &Cancel) -> Result<Seen> {
    let found = std::fs::symlink_metadata(root).map_err(failed("read", root))?;
    let mut top = Vec::new();
    note(&mut top, root.as_os_str().as_bytes(), &found);
    let work = Work {
        state: Mutex::new(State {
            todo: vec![root.to_owned()],
            busy: 0,
            seen: BTreeMap::new(),
            newest: found.ctime(),
            failed: None,
        }),
        changed: Condvar::new(),
    };
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        for _ in 1..threads.min(MOST_THREADS) {
            scope.spawn(|| work.help(cancel));
        }
        work.help(cancel);
    });
    let state = work
        .state
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = state.failed {
        return Err(error);
    }
    let mut hash = Sha256::new();
    hash.update(&top);
    for (path, print) in &state.seen {
        let path = path.as_os_str().as_bytes();
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path);
        hash.update(print);
    }
    Ok(Seen {
        print: hash.finalize().into(),
        newest: state.newest,
    })
}

struct Work {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    todo: Vec<PathBuf>,
    busy: usize,
    seen: BTreeMap<PathBuf, [u8; 32]>,
    newest: i64,
    failed: Option<crate::error::Error>,
}

impl Work {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at folders until none is left, or one cannot be looked at.
    fn help(&self, cancel: &Cancel) {
        loop {
            let state = self.lock();
            let waits = |state: &mut State| state.todo.is_empty() && state.busy > 0;
            let mut state = self
                .changed
                .wait_while(state, waits)
                .unwrap_or_else(PoisonError::into_inner);
            let Some(path) = state.todo.pop() else {
                return;
            };
            state.busy += 1;
            drop(state);
            let looked = go_on(cancel, "looking at", &path).and_then(|()| folder(&path));
            let mut state = self.lock();
            state.busy -= 1;
            match looked {
                Ok(folder) => {
                    state.todo.extend(folder.below);
                    state.newest = state.newest.max(folder.newest);
                    state.seen.insert(path, folder.print);
                }
                Err(error) => state.failed = Some(error),
            }
            if state.failed.is_some() {
                state.todo.clear();
            }
            drop(state);
            self.changed.notify_all();
        }
    }
}

struct Folder {
    print: [u8; 32],
    newest: i64,
    below: Vec<PathBuf>,
}

fn folder(path: &Path) -> Result<Folder> {
    let mut entries: Vec<(OsString, Metadata)> = Vec::new();
    for entry in linkless::entries(path).map_err(failed("list", path))? {
        let entry = entry.map_err(failed("list", path))?;
        // Beside the open folder: no way is looked up again.
        let found = entry
            .metadata()
            .map_err(|error| failed("read", &path.join(entry.file_name()))(error))?;
        entries.push((entry.file_name(), found));
    }
    // The same whatever order the file system lists it in.
    entries.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let (mut all, mut newest, mut below) = (Vec::new(), i64::MIN, Vec::new());
    for (name, found) in &entries {
        note(&mut all, name.as_bytes(), found);
        newest = newest.max(found.ctime());
        if found.is_dir() {
            below.push(path.join(name));
        }
    }
    Ok(Folder {
        print: Sha256::digest(&all).into(),
        newest,
        below,
    })
}

/// Adds what `stat` says of a name.
pub(super) fn note(to: &mut Vec<u8>, name: &[u8], found: &Metadata) {
    to.extend((name.len() as u64).to_le_bytes());
    to.extend(name);
    to.extend(found.mode().to_le_bytes());
    for number in [found.dev(), found.ino(), found.len()] {
        to.extend(number.to_le_bytes());
    }
    for number in [
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ] {
        to.extend(number.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(root: &Path) -> [u8; 32] {
        look(&root.canonicalize().unwrap(), &Cancel::default())
            .unwrap()
            .print
    }

    #[test]
    fn it_changes_with_whatever_stat_shows_and_with_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        for folder in 0..20 {
            let folder = root.join(format!("d{folder}/deep"));
            std::fs::create_dir_all(&folder).unwrap();
            for file in 0..20 {
                std::fs::write(folder.join(format!("f{file}")), "x").unwrap();
            }
        }
        let file = root.join("d3/deep/f7");
        std::os::unix::fs::symlink("nowhere", root.join("link")).unwrap();
        let first = print(&root);
        for _ in 0..20 {
            assert_eq!(print(&root), first, "whichever thread was faster");
        }
        std::fs::write(&file, "longer").unwrap();
        let written = print(&root);
        assert_ne!(written, first);
        std::fs::rename(&file, root.join("d4/deep/f7-moved")).unwrap();
        let moved = print(&root);
        assert_ne!(moved, written);
        std::fs::create_dir(root.join("empty")).unwrap();
        assert_ne!(print(&root), moved);
        assert!(look(&root, &Cancel::default()).unwrap().newest > 1_600_000_000);
    }

    #[test]
    fn what_cannot_be_listed_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = look(&dir.path().join("gone"), &Cancel::default())
            .err()
            .unwrap();
        assert_eq!(error.code, "source_io");
        let long = dir.path().join("a");
        std::fs::write(&long, "").unwrap();
        let error = look(&long, &Cancel::default()).err().unwrap();
        assert!(error.message.contains("/a"), "{error}");
    }
}
