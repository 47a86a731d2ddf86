//! Who may write: locks and partial folders.
//!
//! Owns: `.locks/<environment>` (one install of an environment at a time),
//! `.locks/.store` (short: images and install folders change under it),
//! `.partial-*` folders, each locked while its install lives.
//! Refuses: judging by age or process id. A lock ends with its process,
//! whatever ends it, and only then a partial folder may be swept.
//!
//! ```text
//! environment lock --held through an install---------------------------->
//!   store lock: make partial | build ... | store lock: images, rename |
//! ```

use super::build::remove_tree;
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::layout::{Layout, make_private_dir};
use crate::turn;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Start of a partial folder's name.
pub const PARTIAL: &str = ".partial-";

/// A lock that ends when dropped.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for `.locks/<name>`; says so once when `waiting` is given.
    ///
    /// # Errors
    /// I/O, `read_only`, or `cancelled`.
    pub fn take(
        layout: &Layout,
        name: &str,
        waiting: Option<(&dyn EventSink, &str)>,
        cancel: &Cancel,
    ) -> Result<Self> {
        make_private_dir(&layout.locks())?;
        let path = layout.locks().join(name);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::io("create", &path))?;
        turn::take(&file, &path, waiting, cancel)?;
        Ok(Self { _file: file })
    }

    /// Waits for the store.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn store(layout: &Layout, cancel: &Cancel) -> Result<Self> {
        Self::take(layout, ".store", None, cancel)
    }
}

/// A folder to build in; gone when dropped.
pub struct Partial {
    /// The folder.
    pub path: PathBuf,
    _lock: File,
}

impl Partial {
    /// Sweeps what dead installs left and makes a new folder.
    ///
    /// # Errors
    /// I/O, `read_only`, or `cancelled`.
    pub fn make(layout: &Layout, name: &str, cancel: &Cancel) -> Result<Self> {
        let parent = layout.environments();
        make_private_dir(&parent)?;
        make_private_dir(&layout.images())?;
        let _store = Lock::store(layout, cancel)?;
        for stale in stale_partials(layout)? {
            remove_tree(&stale)?;
        }
        let id = uuid::Uuid::new_v4().simple();
        let path = parent.join(format!("{PARTIAL}{name}-{id}"));
        make_private_dir(&path)?;
        // flock takes a folder too: no file to be lost between making and locking
        let lock = File::open(&path)
            .and_then(|folder| folder.lock().map(|()| folder))
            .map_err(Error::io("lock", &path))?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(%error, "a partial folder stays until the next install");
        }
    }
}

/// Partial folders whose install is gone. The caller holds the store's lock.
///
/// # Errors
/// I/O.
pub fn stale_partials(layout: &Layout) -> Result<Vec<PathBuf>> {
    let mut stale = entries(&layout.environments())?;
    stale.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(PARTIAL) && !is_locked(path)
    });
    Ok(stale)
}

/// Whether somebody holds a lock on the file. In doubt yes: it stays then.
pub fn is_locked(path: &Path) -> bool {
    File::open(path).map_or(true, |file| file.try_lock().is_err())
}

/// The folder's entries, sorted; none when there is no folder.
///
/// # Errors
/// I/O.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = match std::fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", folder)(error)),
    };
    let mut paths = read
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(Error::io("read", folder))?;
    paths.sort();
    Ok(paths)
}
