//! A folder beside an output, in which it is put together.
//!
//! ```text
//!   make .pyro-export-* --lock it--> fill --> output renamed out of it --> removed
//!                          `--killed: nobody has the lock; the next one removes it
//! ```
//!
//! Owns: that folder and those of exports that were killed. Refuses: a folder
//! whose lock somebody has.

use crate::error::{Error, Result};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tempfile::TempDir;

const PREFIX: &str = ".pyro-export-";
/// A sweep beside it can take a folder before it is locked; not every time.
const TRIES: usize = 10;

/// Removed with all that is in it when it is dropped.
pub struct Staging {
    folder: TempDir,
    /// Held as long as somebody works in it.
    _lock: File,
}

impl Staging {
    /// A new one in `parent`; what killed ones left there goes.
    ///
    /// # Errors
    /// `io` naming `parent`.
    pub fn beside(parent: &Path) -> Result<Self> {
        sweep(parent);
        let failed = || Error::io("make a folder in", parent);
        for _ in 0..TRIES {
            let folder = tempfile::Builder::new()
                .prefix(PREFIX)
                .tempdir_in(parent)
                .map_err(failed())?;
            let Ok(lock) = File::open(folder.path()) else {
                continue;
            };
            lock.lock().map_err(failed())?;
            let is_there = folder.path().symlink_metadata().is_ok_and(|there| {
                lock.metadata()
                    .is_ok_and(|held| (held.dev(), held.ino()) == (there.dev(), there.ino()))
            });
            if is_there {
                return Ok(Self {
                    folder,
                    _lock: lock,
                });
            }
        }
        Err(failed()(std::io::Error::other("others keep removing it")))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if ours
            && let Ok(lock) = File::open(entry.path())
            && lock.try_lock().is_ok()
        {
            // What cannot be removed stays: it costs room, not the export.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_export_left_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join(".pyro-export-dead/content");
        std::fs::create_dir_all(&left).unwrap();
        std::fs::write(left.join("file"), "half").unwrap();
        let file = dir.path().join(".pyro-export-file");
        std::fs::write(&file, "a file of somebody's").unwrap();
        let first = Staging::beside(dir.path()).unwrap();
        assert!(!left.exists());
        let second = Staging::beside(dir.path()).unwrap();
        assert!(
            first.path().exists() && second.path().exists(),
            "both are in use"
        );
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists() && second.path().exists() && file.exists());
    }

    #[test]
    fn many_at_once_do_not_take_each_others() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let staging = Staging::beside(dir.path()).unwrap();
                        std::fs::write(staging.path().join("content"), "mine").unwrap();
                        assert!(staging.path().join("content").exists());
                    }
                });
            }
        });
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
