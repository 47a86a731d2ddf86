//! Workspaces on disk.
//!
//! ```text
//! <state>/workspaces/<id>/
//! |- workspace.json     the record; temp + fsync + rename, written by the lock's holder
//! |- lock               held by the supervisor while it lives, else by whoever mends or removes
//! |- supervisor.sock    the supervisor listens here
//! |- supervisor.log     its stderr, the last start only
//! |- baseline.ext4      what it began with, if anything; another name of a file in <state>/baselines
//! |- scratch.ext4       the disk
//! |- scratch.new        the disk of a reset, until its machine runs
//! |- snapshots/         copies of the disk (snapshots/kept.rs)
//! |- secrets/            values of its secrets (secrets/stored.rs)
//! |- events.jsonl       what was done besides commands (events/)
//! |- commands/          the journal (journal/)
//! |- services/          records and logs of services (services/)
//! `- *.cleared/         what a reset just put away
//! ```
//!
//! Owns: these names, atomic records, finding all workspaces; one damaged
//! record hides no other. Refuses: deciding what a record means (state.rs).

use super::names;
use super::record::{LAYOUT_VERSION, Record};
use super::snapshots::Snapshots;
use crate::error::{Error, Result};
use crate::layout::{Layout, make_private_dir};
use std::fs::{DirEntry, File, Metadata, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// No record comes near this.
const MAX_RECORD_BYTES: u64 = 4 << 20;
const RECORD: &str = "workspace.json";

/// All workspaces of one state folder.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// One workspace's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The workspace.
    pub id: String,
    path: PathBuf,
}

/// A folder and what its record says.
pub struct Entry {
    /// The folder.
    pub folder: Folder,
    /// The record, or why there is none that can be used.
    pub record: Result<Record>,
}

impl Store {
    /// Touches nothing.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            root: layout.workspaces(),
        }
    }

    /// The folder of an id, whether it is there or not.
    #[must_use]
    pub fn folder(&self, id: &str) -> Folder {
        Folder {
            id: id.to_owned(),
            path: self.root.join(id),
        }
    }

    /// Makes the folder of a new workspace with its first record in it.
    ///
    /// # Errors
    /// `no_space`, `read_only`, `io`.
    pub fn create(&self, record: &Record) -> Result<Folder> {
        make_private_dir(&self.root)?;
        let folder = self.folder(&record.workspace_id);
        make_private_dir(&folder.path)?;
        match folder.save(record) {
            Ok(()) => Ok(folder),
            Err(error) => {
                let _ = std::fs::remove_dir_all(&folder.path);
                Err(error)
            }
        }
    }

    /// Every workspace, in no order.
    ///
    /// # Errors
    /// `io` when the folder of all cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let listed = match std::fs::read_dir(&self.root) {
            Ok(listed) => listed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("list", &self.root)(error)),
        };
        let mut entries = Vec::new();
        for entry in listed {
            let name = entry.map_err(Error::io("list", &self.root))?.file_name();
            let Some(id) = name.to_str().filter(|name| names::is_id(name)) else {
                continue;
            };
            let folder = self.folder(id);
            let record = folder.load();
            entries.push(Entry { folder, record });
        }
        Ok(entries)
    }

    /// The folder that an id or a unique name means.
    ///
    /// # Errors
    /// `unknown_workspace`, `ambiguous_name`.
    pub fn find(&self, wanted: &str) -> Result<Folder> {
        let wanted = wanted.trim();
        // By id without looking at the others; also one with a damaged record.
        if names::is_id(wanted) && self.folder(wanted).path.is_dir() {
            return Ok(self.folder(wanted));
        }
        let entries = self.entries()?;
        let known = entries.iter().map(|entry| {
            let name = entry
                .record
                .as_ref()
                .ok()
                .and_then(|record| record.name.as_deref());
            (entry.folder.id.as_str(), name)
        });
        names::find(wanted, known).map(|id| self.folder(&id))
    }
}

impl Folder {
    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The disk.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.file("scratch.ext4")
    }

    /// The image of what it began with.
    #[must_use]
    pub fn baseline(&self) -> PathBuf {
        self.file("baseline.ext4")
    }

    /// What it began with, if that is anything.
    ///
    /// # Errors
    /// `baseline_missing`.
    pub fn open_baseline(&self, record: &Record) -> Result<Option<File>> {
        if record.seed.is_empty() {
            return Ok(None);
        }
        let path = self.baseline();
        File::open(&path).map(Some).map_err(|error| {
            Error::runtime(
                "baseline_missing",
                format!("cannot open the baseline {}: {error}", path.display()),
            )
            .hint("nothing of the workspace can be shown without it; delete it")
        })
    }

    /// The disk of a reset, until its machine runs.
    #[must_use]
    pub fn fresh_scratch(&self) -> PathBuf {
        self.file("scratch.new")
    }

    /// Its snapshots.
    #[must_use]
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(&self.id, self.file("snapshots"))
    }

    /// Bytes the disk and its snapshots take on the host.
    #[must_use]
    pub fn disk_used_bytes(&self) -> u64 {
        let disk = std::fs::metadata(self.scratch()).map_or(0, |metadata| metadata.blocks() * 512);
        disk + self.snapshots().used_bytes()
    }

    /// The record.
    ///
    /// # Errors
    /// `unknown_workspace` when there is no folder, `damaged_record`,
    /// `newer_record`.
    pub fn load(&self) -> Result<Record> {
        let path = self.file(RECORD);
        let damaged = |why: String| {
            Error::runtime(
                "damaged_record",
                format!("the record {} {why}", path.display()),
            )
            .hint(format!(
                "the disk beside it is untouched; pyro workspace delete {} removes both",
                self.id
            ))
        };
        let mut text = String::new();
        match File::open(&path) {
            Ok(file) => file
                .take(MAX_RECORD_BYTES)
                .read_to_string(&mut text)
                .map_err(|error| damaged(format!("cannot be read: {error}")))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !self.path.is_dir() => {
                return Err(Error::invalid(
                    "unknown_workspace",
                    format!("there is no workspace {}", self.id),
                )
                .hint("run pyro workspace list"));
            }
            Err(error) => return Err(damaged(format!("cannot be read: {error}"))),
        };
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| damaged(format!("is no JSON: {error}")))?;
        if value["layout_version"].as_u64() > Some(LAYOUT_VERSION.into()) {
            return Err(Error::runtime(
                "newer_record",
                format!("workspace {} was made by a newer pyro", self.id),
            )
            .hint("use that pyro, or delete the workspace"));
        }
        let record: Record = serde_json::from_value(value)
            .map_err(|error| damaged(format!("does not have its fields: {error}")))?;
        if record.workspace_id != self.id {
            return Err(damaged(format!("is that of {}", record.workspace_id)));
        }
        Ok(record)
    }

    /// Replaces the record; a crash leaves the old one or the new one.
    ///
    /// # Errors
    /// `no_space`, `read_only`, `io`.
    pub fn save(&self, record: &Record) -> Result<()> {
        let path = self.file(RECORD);
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
            serde_json::to_writer_pretty(&mut file, record)?;
            file.flush()?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(Error::io("write", &path))
    }

    /// The lock, or none while another process has it.
    ///
    /// # Errors
    /// `unknown_workspace`, `io`.
    pub fn try_lock(&self) -> Result<Option<File>> {
        let path = self.file("lock");
        let file = match File::options().create(true).append(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return self.load().and(Ok(None));
            }
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        match file.try_lock() {
            // The last holder may have removed the folder since the open.
            Ok(()) if !is_at(&file, &path) => self.load().and(Ok(None)),
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
        }
    }

    /// Removes everything. The lock's holder only: first the folder loses its
    /// name, so that nobody finds a half-removed workspace.
    ///
    /// # Errors
    /// `io`.
    pub fn remove(&self, lock: File) -> Result<()> {
        std::fs::rename(&self.path, self.grave()).map_err(Error::io("rename", &self.path))?;
        drop(lock);
        self.bury()
    }

    /// Where its files are once it is gone, until they are.
    fn grave(&self) -> PathBuf {
        self.path.with_file_name(format!(".deleted-{}", self.id))
    }

    /// Removes what [`Self::remove`] of this or another process has left.
    ///
    /// # Errors
    /// `io`.
    pub fn bury(&self) -> Result<()> {
        let grave = self.grave();
        // Two at once take each other's files away.
        for _ in 0..8 {
            match std::fs::remove_dir_all(&grave) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                other => return other.map_err(Error::io("remove", &grave)),
            }
            if !grave.exists() {
                break;
            }
        }
        Ok(())
    }
}

pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(named)) = (file.metadata(), std::fs::metadata(path)) else {
        return false;
    };
    (held.dev(), held.ino()) == (named.dev(), named.ino())
}

/// Nobody takes so long between making a folder and writing its record.
const RECORD_TIMEOUT: Duration = Duration::from_secs(60);

/// Removes what a crash left of removals, and of creations that had no record
/// yet: nothing else would find those.
pub fn sweep(store: &Store) {
    for entry in std::fs::read_dir(&store.root)
        .into_iter()
        .flatten()
        .flatten()
    {
        if entry.file_name().to_string_lossy().starts_with(".deleted-") {
            let _ = std::fs::remove_dir_all(entry.path());
        } else if has_no_record(&entry) {
            // Fails where somebody else removes it, too.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn has_no_record(entry: &DirEntry) -> bool {
    let is_old = |metadata: Metadata| {
        let age = metadata.modified().ok().and_then(|at| at.elapsed().ok());
        age.is_some_and(|age| age > RECORD_TIMEOUT)
    };
    entry.file_name().to_str().is_some_and(names::is_id)
        && entry.metadata().is_ok_and(is_old)
        && matches!(entry.path().join(RECORD).symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout {
            cache: dir.path().join("cache"),
            state: dir.path().join("state"),
        };
        let store = Store::new(&layout);
        (dir, store)
    }

    #[test]
    fn a_damaged_record_hides_no_other_and_can_be_found_by_its_id() {
        let (_dir, store) = store();
        store.create(&record("00000000000a", Some("good"))).unwrap();
        let bad = store.create(&record("00000000000b", None)).unwrap();
        for (text, code) in [
            ("", "damaged_record"),
            ("{\"layout_version\": 1}", "damaged_record"),
            ("{\"layout_version\": 9}", "newer_record"),
        ] {
            std::fs::write(bad.file(RECORD), text).unwrap();
            let entries = store.entries().unwrap();
            assert_eq!(entries.len(), 2);
            let codes: Vec<_> = entries
                .iter()
                .filter_map(|entry| entry.record.as_ref().err())
                .map(|error| error.code)
                .collect();
            assert_eq!(codes, [code]);
            assert_eq!(store.find("good").unwrap().id, "00000000000a");
            assert_eq!(store.find("00000000000b").unwrap().id, "00000000000b");
        }
        let other = serde_json::to_string(&record("00000000000a", None)).unwrap();
        std::fs::write(bad.file(RECORD), other).unwrap();
        assert_eq!(bad.load().unwrap_err().code, "damaged_record");
    }

    #[test]
    fn the_lock_is_exclusive_and_removal_takes_the_name_first() {
        let (_dir, store) = store();
        let folder = store.create(&record("00000000000a", None)).unwrap();
        let lock = folder.try_lock().unwrap().unwrap();
        assert!(folder.try_lock().unwrap().is_none());
        // Somebody who opened the file before the folder lost its name.
        let late = File::open(folder.file("lock")).unwrap();
        folder.remove(lock).unwrap();
        late.try_lock().unwrap();
        assert!(!is_at(&late, &folder.file("lock")));
        assert_eq!(folder.load().unwrap_err().code, "unknown_workspace");
        assert_eq!(folder.try_lock().unwrap_err().code, "unknown_workspace");
        assert!(store.entries().unwrap().is_empty());
    }
}
