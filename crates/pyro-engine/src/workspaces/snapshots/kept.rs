//! Snapshots on disk.
//!
//! ```text
//! <workspace>/snapshots/
//! |- <name>.ext4          the copy of the disk
//! |- <name>.json          its facts; written last, removed first: with it the snapshot exists
//! `- <name>.*.partial     being written
//! ```
//!
//! Owns: these names, and that a crash leaves a snapshot whole or none.
//! Refuses: hiding a damaged one. Whoever holds the workspace's lock writes;
//! anybody reads.

use super::name::{BASELINE, SnapshotName};
use super::payloads::{DamagedSnapshot, Snapshot, SnapshotKind};
use crate::error::{Error, Result};
use crate::layout::make_private_dir;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

#[cfg(test)]
mod tests;

/// No facts come near this.
const MAX_FACTS_BYTES: u64 = 64 << 10;
const DISK: &str = "ext4";
const FACTS: &str = "json";
const PARTIAL: &str = "partial";

/// `<name>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Unix time in seconds.
    pub created_at: f64,
    /// Files, directories and links written since the machine was made.
    pub entry_count: u64,
    /// Bytes the copy takes on the host.
    pub bytes_written: u64,
    /// Virtual size of the disk.
    pub disk_bytes: u64,
}

/// The snapshots of one workspace.
#[derive(Clone, Debug)]
pub struct Snapshots {
    workspace_id: String,
    root: PathBuf,
}

impl Snapshots {
    /// Touches nothing.
    #[must_use]
    pub fn new(workspace_id: &str, root: PathBuf) -> Self {
        Self {
            workspace_id: workspace_id.to_owned(),
            root,
        }
    }

    fn file(&self, name: &SnapshotName, kind: &str) -> PathBuf {
        self.root.join(format!("{name}.{kind}"))
    }

    /// The copy of the disk.
    #[must_use]
    pub fn disk(&self, name: &SnapshotName) -> PathBuf {
        self.file(name, DISK)
    }

    /// Where to write the copy of a new one, whose name must be free.
    ///
    /// # Errors
    /// `duplicate_snapshot`; `io` when there can be no folder.
    pub fn begin(&self, name: &SnapshotName) -> Result<PathBuf> {
        make_private_dir(&self.root)?;
        if self.file(name, FACTS).exists() {
            return Err(Error::invalid(
                "duplicate_snapshot",
                format!(
                    "workspace {} has a snapshot {name} already",
                    self.workspace_id
                ),
            )
            .hint(format!(
                "use another name, or delete it: pyro workspace snapshot delete {} {name}",
                self.workspace_id
            )));
        }
        self.sweep();
        Ok(self.file(name, DISK).with_added_extension(PARTIAL))
    }

    /// The copy at [`Self::begin`]'s place is complete and synced: makes it a snapshot.
    ///
    /// # Errors
    /// `no_space`, `io`.
    pub fn complete(&self, name: &SnapshotName, facts: &Facts) -> Result<Snapshot> {
        let disk = self.disk(name);
        let path = self.file(name, FACTS);
        let partial = path.with_added_extension(PARTIAL);
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&partial)?;
            serde_json::to_writer_pretty(&mut file, facts)?;
            file.flush()?;
            file.sync_all()?;
            std::fs::rename(disk.with_added_extension(PARTIAL), &disk)?;
            // The disk's name must be there when that of the facts is.
            File::open(&self.root)?.sync_all()?;
            std::fs::rename(&partial, &path)?;
            File::open(&self.root)?.sync_all()
        };
        if let Err(error) = write() {
            let _ = std::fs::remove_file(&path);
            self.sweep();
            return Err(Error::io("write", &path)(error));
        }
        Ok(self.shown(name, facts))
    }

    /// One that can be used.
    ///
    /// # Errors
    /// `unknown_snapshot`, naming those there are; `damaged_snapshot`.
    pub fn load(&self, name: &SnapshotName) -> Result<Facts> {
        let path = self.file(name, FACTS);
        let damaged = |why: String| {
            Error::runtime(
                "damaged_snapshot",
                format!("snapshot {name} of workspace {} {why}", self.workspace_id),
            )
            .hint(format!(
                "delete it: pyro workspace snapshot delete {} {name}",
                self.workspace_id
            ))
        };
        let mut text = String::new();
        match File::open(&path) {
            Ok(file) => file
                .take(MAX_FACTS_BYTES)
                .read_to_string(&mut text)
                .map_err(|error| damaged(format!("cannot be read: {error}")))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(self.unknown(name));
            }
            Err(error) => return Err(damaged(format!("cannot be read: {error}"))),
        };
        let facts: Facts = serde_json::from_str(&text)
            .map_err(|error| damaged(format!("has no facts in {}: {error}", path.display())))?;
        match std::fs::metadata(self.disk(name)) {
            Ok(disk) if disk.len() == facts.disk_bytes => Ok(facts),
            Ok(disk) => Err(damaged(format!(
                "has a disk of {} bytes instead of {}",
                disk.len(),
                facts.disk_bytes
            ))),
            Err(error) => Err(damaged(format!("has no disk: {error}"))),
        }
    }

    fn unknown(&self, name: &SnapshotName) -> Error {
        let mut names = vec![BASELINE.to_owned()];
        names.extend(self.names().iter().map(SnapshotName::to_string));
        Error::invalid(
            "unknown_snapshot",
            format!(
                "workspace {} has no snapshot {name}; it has {}",
                self.workspace_id,
                names.join(", ")
            ),
        )
        .hint(format!(
            "pyro workspace snapshot list {}",
            self.workspace_id
        ))
    }

    /// Removes one, however damaged it is.
    ///
    /// # Errors
    /// `unknown_snapshot`, `io`.
    pub fn remove(&self, name: &SnapshotName) -> Result<()> {
        let path = self.file(name, FACTS);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(self.unknown(name));
            }
            Err(error) => return Err(Error::io("remove", &path)(error)),
        }
        // From here on it is only a leftover.
        self.sweep();
        Ok(())
    }

    /// The newest first; the damaged ones with their reason.
    ///
    /// # Errors
    /// `io` when the folder cannot be read.
    pub fn all(&self) -> Result<(Vec<Snapshot>, Vec<DamagedSnapshot>)> {
        match std::fs::read_dir(&self.root) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("list", &self.root)(error));
            }
            _ => {}
        }
        let (mut good, mut damaged) = (Vec::new(), Vec::new());
        for name in self.names() {
            match self.load(&name) {
                Ok(facts) => good.push(self.shown(&name, &facts)),
                // Deleted since its name was read.
                Err(error) if error.code == "unknown_snapshot" => {}
                Err(error) => damaged.push(DamagedSnapshot {
                    snapshot_name: name.to_string(),
                    reason: error.message,
                }),
            }
        }
        // Times are positive, so their bits are in their order.
        good.sort_by_key(|one| (Reverse(one.created_at.to_bits()), one.snapshot_name.clone()));
        Ok((good, damaged))
    }

    /// Bytes the copies take on the host.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.entries()
            .filter_map(|entry| entry.metadata().ok())
            .map(|metadata| metadata.blocks() * 512)
            .sum()
    }

    /// Whether another one of so many bytes may be: all of them together take
    /// at most what the disk may.
    ///
    /// # Errors
    /// `snapshot_quota`.
    pub fn room_for(&self, more_bytes: u64, disk_bytes: u64) -> Result<()> {
        let used_bytes = self.used_bytes();
        if used_bytes.saturating_add(more_bytes) <= disk_bytes {
            return Ok(());
        }
        let [used, more, most] = [used_bytes, more_bytes, disk_bytes].map(|bytes| bytes >> 20);
        Err(Error::runtime(
            "snapshot_quota",
            format!(
                "the snapshots of workspace {} take {used} MiB, another {more} MiB would be more than its disk's {most} MiB",
                self.workspace_id
            ),
        )
        .hint(format!(
            "delete one: pyro workspace snapshot list {0}, pyro workspace snapshot delete {0} NAME",
            self.workspace_id
        )))
    }

    /// Removes what was not completed, and what is left of a removal. The
    /// lock's holder only, and not while it copies.
    pub fn sweep(&self) {
        for entry in self.entries() {
            let path = entry.path();
            let left = match path.extension().and_then(|kind| kind.to_str()) {
                Some(PARTIAL) => true,
                Some(DISK) => !path.with_extension(FACTS).exists(),
                _ => false,
            };
            if left {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// Names of those that exist, sorted.
    fn names(&self) -> Vec<SnapshotName> {
        let mut names: Vec<_> = self
            .entries()
            .filter_map(|entry| {
                let file = entry.file_name();
                let name = file.to_str()?.strip_suffix(FACTS)?.strip_suffix('.')?;
                SnapshotName::parse(name).ok()
            })
            .collect();
        names.sort();
        names
    }

    fn entries(&self) -> impl Iterator<Item = std::fs::DirEntry> {
        let listed = std::fs::read_dir(&self.root);
        listed.into_iter().flatten().flatten()
    }

    fn shown(&self, name: &SnapshotName, facts: &Facts) -> Snapshot {
        Snapshot {
            workspace_id: self.workspace_id.clone(),
            snapshot_name: name.to_string(),
            kind: SnapshotKind::Named,
            created_at: facts.created_at,
            entry_count: facts.entry_count,
            bytes_written: facts.bytes_written,
            deletable: true,
        }
    }
}
