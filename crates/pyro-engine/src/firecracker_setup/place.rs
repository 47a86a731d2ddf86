//! Where an installed Firecracker lies, and how it gets there.
//!
//! Owns: `<cache>/.firecracker/`: the lock, the partial folders, `source.json`.
//! Refuses: a half install. What is seen under the final name was written,
//! synced and only then renamed; a VM that runs keeps the program it began with.
//!
//! ```text
//! <cache>/.firecracker/
//! |- linux-x86_64/           renamed into place
//! |  |- firecracker   0755
//! |  |- jailer        0755   where the source has one
//! |  `- source.json          version, checksums, where from, when
//! `- .partial-*              a setup under way, or what a killed one left
//!
//! <cache>/.locks/.firecracker   held by the one setup that may write
//!
//!   absent --publish--> installed --file changed--> altered --publish--> installed
//! ```

use super::archive::BOUNDS;
use super::source;
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::layout::{Layout, make_private_dir};
use crate::turn;
use rustix::fs::{CWD, RenameFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Names of the files.
pub const FIRECRACKER: &str = "firecracker";
pub const JAILER: &str = "jailer";
const SOURCE: &str = "source.json";
const PARTIAL: &str = ".partial-";
const LOCK: &str = ".firecracker";
/// Nothing that pyro writes comes near this.
const MAX_RECORD: u64 = 64 << 10;

/// `source.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub version: String,
    /// SHA-256 of firecracker.
    pub sha256: String,
    /// SHA-256 of the jailer, if there is one.
    pub jailer_sha256: Option<String>,
    /// Where they came from, without secrets.
    pub source: String,
    /// SHA-256 of the file they came in.
    pub source_sha256: String,
    /// Unix time in seconds.
    pub installed_at: f64,
}

/// What is in the final place.
pub enum Found {
    /// Nothing.
    Absent,
    /// What was installed, byte by byte.
    Whole(Record),
    /// Something else: why.
    Altered(String),
}

/// The right to write; ends when dropped.
pub struct Place {
    root: PathBuf,
    folder: PathBuf,
    _lock: File,
}

impl Place {
    /// Waits for other setups, saying so once, and sweeps what killed ones left.
    ///
    /// # Errors
    /// I/O, `read_only`, `cancelled`.
    pub fn enter(layout: &Layout, events: &dyn EventSink, cancel: &Cancel) -> Result<Self> {
        let folder = layout.firecracker();
        let root = layout.cache.join(".firecracker");
        make_private_dir(&root)?;
        make_private_dir(&layout.locks())?;
        let path = layout.locks().join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::io("create", &path))?;
        let notice = "another `pyro setup firecracker` is at work; waiting for it";
        turn::take(&lock, &path, Some((events, notice)), cancel)?;
        let place = Self {
            root,
            folder,
            _lock: lock,
        };
        place.sweep()?;
        Ok(place)
    }

    /// Removes the partial folders: whose lock this is, nobody else works in one.
    fn sweep(&self) -> Result<()> {
        let entries = std::fs::read_dir(&self.root).map_err(Error::io("read", &self.root))?;
        for entry in entries {
            let path = entry.map_err(Error::io("read", &self.root))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(PARTIAL) {
                std::fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Path of a file in the final place.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Reads what is there, every byte of it.
    pub fn find(&self) -> Found {
        if std::fs::symlink_metadata(&self.folder).is_err() {
            return Found::Absent;
        }
        let record = match read_record(&self.path(SOURCE)) {
            Ok(record) => record,
            Err(why) => return Found::Altered(why),
        };
        let programs = [
            (FIRECRACKER, Some(&record.sha256)),
            (JAILER, record.jailer_sha256.as_ref()),
        ];
        for (name, expected) in programs {
            let Some(expected) = expected else { continue };
            match source::read(&self.path(name), BOUNDS.program) {
                Ok(bytes) if sha256(&bytes) == *expected => {}
                Ok(_) => return Found::Altered(format!("{name} has other content")),
                Err(error) => return Found::Altered(error.message),
            }
            if !pyro_vmm::program::is_executable(&self.path(name)) {
                return Found::Altered(format!("{name} is not executable"));
            }
        }
        Found::Whole(record)
    }

    /// A folder to work in; gone when dropped.
    ///
    /// # Errors
    /// I/O.
    pub fn partial(&self) -> Result<TempDir> {
        tempfile::Builder::new()
            .prefix(PARTIAL)
            .tempdir_in(&self.root)
            .map_err(Error::io("create a folder in", &self.root))
    }

    /// Puts a prepared folder in place of whatever is there. It lies in
    /// `partial`, where the old one goes, to vanish with it.
    ///
    /// # Errors
    /// I/O.
    pub fn publish(&self, partial: &Path, prepared: &Path, record: &Record) -> Result<()> {
        let text = serde_json::to_vec_pretty(record).map_err(|error| {
            Error::runtime("io", format!("cannot write {SOURCE}: {error}")).source(error)
        })?;
        write(&prepared.join(SOURCE), &text, 0o644)?;
        sync_folder(prepared)?;
        let folder = &self.folder;
        let done = if std::fs::symlink_metadata(folder).is_ok() {
            rustix::fs::renameat_with(CWD, prepared, CWD, folder, RenameFlags::EXCHANGE).or_else(
                |_| {
                    // Not every file system exchanges.
                    std::fs::rename(folder, partial.join("old"))?;
                    std::fs::rename(prepared, folder)
                },
            )
        } else {
            std::fs::rename(prepared, folder)
        };
        done.map_err(Error::io("create", folder))?;
        sync_folder(&self.root)
    }
}

fn read_record(path: &Path) -> Result<Record, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{SOURCE} cannot be used: {why}");
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_RECORD).read_to_string(&mut text))
        .map_err(|error| wrong(&error))?;
    serde_json::from_str(&text).map_err(|error| wrong(&error))
}

/// Writes a new file and waits until it is on disk.
///
/// # Errors
/// I/O.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let put = || -> std::io::Result<()> {
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        // The mode of a new file is less what the umask takes.
        file.set_permissions(PermissionsExt::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    put().map_err(Error::io("write", path))
}

fn sync_folder(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io("sync", path))
}

/// In lowercase hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
