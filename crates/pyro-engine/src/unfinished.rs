//! Files and folders that are being made in a folder that others look at.
//!
//! ```text
//!   <prefix>* made --lock it--> still there? --> filled --> renamed away, or removed
//!                                 `--no: a sweep was faster; another one
//!   maker killed: nobody has the lock; a sweep takes it, removes it, lets go
//! ```
//!
//! Owns: both sides of that lock. Refuses: touching what somebody holds, and
//! saying what is finished.

use crate::error::{Error, Result};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};

/// A sweep beside it can take something before it is locked; not every time.
const TRIES: usize = 100;

/// A folder, removed with all that is in it when it is dropped.
pub struct Folder {
    folder: TempDir,
    _lock: File,
}

impl Folder {
    /// A new one in `parent`, which is resolved: what is in it is read by paths
    /// without links.
    ///
    /// # Errors
    /// `io` naming `parent`.
    pub fn make(parent: &Path, prefix: &str) -> Result<Self> {
        let parent = &parent
            .canonicalize()
            .map_err(Error::io("resolve", parent))?;
        for _ in 0..TRIES {
            let folder = tempfile::Builder::new()
                .prefix(prefix)
                .tempdir_in(parent)
                .map_err(Error::io("make a folder in", parent))?;
            let Ok(lock) = File::open(folder.path()) else {
                continue;
            };
            if is_held(&lock, folder.path())? {
                return Ok(Self {
                    folder,
                    _lock: lock,
                });
            }
        }
        Err(others_take_it(parent))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A new file in `parent`, removed when it is dropped unless it was renamed.
///
/// # Errors
/// `io` naming `parent`.
pub fn file(parent: &Path, prefix: &str) -> Result<NamedTempFile> {
    for _ in 0..TRIES {
        let file = tempfile::Builder::new()
            .prefix(prefix)
            .tempfile_in(parent)
            .map_err(Error::io("make a file in", parent))?;
        if is_held(file.as_file(), file.path())? {
            return Ok(file);
        }
    }
    Err(others_take_it(parent))
}

/// Removes folders that killed makers left. What cannot be removed stays: it
/// costs room, nothing else.
pub fn sweep_folders(parent: &Path, prefix: &str) {
    for (path, _lock) in left(parent, prefix, std::fs::FileType::is_dir) {
        let _ = std::fs::remove_dir_all(path);
    }
}

/// The same for files, which a dry run only counts; the bytes that are freed.
pub fn sweep_files(parent: &Path, prefix: &str, dry_run: bool) -> u64 {
    let left = left(parent, prefix, std::fs::FileType::is_file);
    left.filter_map(|(path, lock)| {
        let blocks = lock.metadata().ok()?.blocks();
        (dry_run || std::fs::remove_file(path).is_ok()).then_some(blocks * 512)
    })
    .sum()
}

/// What nobody holds, each with its lock: a maker that comes in between waits
/// until it is gone, and sees that.
fn left(
    parent: &Path,
    prefix: &str,
    kind: fn(&std::fs::FileType) -> bool,
) -> impl Iterator<Item = (PathBuf, File)> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        let ours = entry.file_name().to_string_lossy().starts_with(prefix)
            && entry.file_type().is_ok_and(|found| kind(&found));
        let lock = ours.then(|| File::open(entry.path()).ok()).flatten()?;
        lock.try_lock().ok()?;
        Some((entry.path(), lock))
    })
}

/// Locks what was just made, unless a sweep was faster and took its name.
fn is_held(made: &File, path: &Path) -> Result<bool> {
    made.lock().map_err(Error::io("lock", path))?;
    let held = made.metadata().map_err(Error::io("look at", path))?;
    Ok(path
        .symlink_metadata()
        .is_ok_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino())))
}

fn others_take_it(parent: &Path) -> Error {
    let error = std::io::Error::other("others keep removing it");
    Error::io("make a file in", parent)(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = ".made-";

    #[test]
    fn what_a_killed_maker_left_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join(".made-dead/content");
        std::fs::create_dir_all(&left).unwrap();
        std::fs::write(left.join("file"), "half").unwrap();
        std::fs::write(dir.path().join(".made-file"), "half").unwrap();
        std::fs::write(dir.path().join("other"), "somebody's").unwrap();
        let (mine, own) = (
            Folder::make(dir.path(), PREFIX).unwrap(),
            file(dir.path(), PREFIX).unwrap(),
        );
        sweep_folders(dir.path(), PREFIX);
        assert!(!left.exists() && mine.path().exists());
        assert!(dir.path().join(".made-file").exists(), "no folder");
        assert!(sweep_files(dir.path(), PREFIX, true) > 0);
        assert!(dir.path().join(".made-file").exists(), "a dry run");
        assert!(sweep_files(dir.path(), PREFIX, false) > 0);
        assert!(!dir.path().join(".made-file").exists() && own.path().exists());
        drop((mine, own));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_sweep_takes_nothing_that_is_being_made() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let done = &std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        sweep_files(dir, PREFIX, false);
                        sweep_folders(dir, PREFIX);
                    }
                });
            }
            let makers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(move || {
                        (0..200).all(|_| {
                            let made = file(dir, PREFIX).unwrap();
                            let within = Folder::make(dir, PREFIX).unwrap();
                            std::fs::write(within.path().join("index"), "mine").unwrap();
                            made.path().exists() && within.path().join("index").exists()
                        })
                    })
                })
                .collect();
            let made: Vec<_> = makers.into_iter().map(|maker| maker.join()).collect();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(made.iter().all(|made| matches!(made, Ok(true))));
        });
        assert_eq!(dir.read_dir().unwrap().count(), 0);
    }
}
