//! What was done to a workspace besides its commands, for who reviews it.
//!
//! ```text
//! events.jsonl   {"dropped":7}                                   only after it was shortened
//!                {"reset_count":1,"recorded_at":…,"kind":"file_write",…}   one line each
//! ```
//!
//! Owns: this file. Whoever did something appends to it, in one write, under
//! the file's own lock. A line of an earlier reset is no line of this session,
//! so a reset that was cut short shows nothing old. Refuses: contents, growth
//! without bound, and failing what was already done because it could not be
//! written down.

mod lines;
#[cfg(test)]
mod tests;

use super::files::payloads::{Exported, PatchEntry, PatchSummary, WorkspaceSync};
use super::services::payloads::{ServiceState, ServiceStopReason};
use super::store::Folder;
use super::unix_now;
use crate::artifact::ArtifactType;
use crate::error::{Error, Result};
use crate::events::{Event, EventSink};
pub use lines::History;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

const FILE: &str = "events.jsonl";
/// Most bytes of the file; then its older half goes.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// Most paths that a patch's event names, and most bytes of them.
const NAMED_PATHS: usize = 20;
const NAMED_PATHS_BYTES: usize = 4096;
/// Nobody holds the lock for longer than a write takes.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReviewEvent {
    /// Unix time in seconds.
    pub recorded_at: f64,
    /// What it was.
    #[serde(flatten)]
    pub done: Done,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Done {
    /// Host content was put in.
    SyncPush {
        /// `directory` or `tar_archive`.
        mode: String,
        /// Host path.
        source_path: String,
        /// Path in the guest.
        destination: String,
        /// Files, directories and links.
        entry_count: u64,
        /// Bytes of regular files.
        bytes_written: u64,
        /// What was deleted because the source has it not.
        deleted_count: u64,
    },
    /// A file was written.
    FileWrite {
        /// Path in the guest.
        path: String,
        /// Bytes of the whole file.
        size_bytes: u64,
        /// Of the whole file, lower-case hex.
        sha256: String,
        /// Whether it was new.
        created: bool,
    },
    /// A patch was applied.
    PatchApply {
        /// Files it changed.
        total: u64,
        /// New files.
        added: u64,
        /// Changed files.
        modified: u64,
        /// Removed files.
        deleted: u64,
        /// The first of their paths in the guest, sorted.
        paths: Vec<String>,
    },
    /// Files, or the patch of what changed, were copied to the host.
    Export {
        /// Path in the guest.
        workspace_path: String,
        /// Host path.
        output_path: String,
        /// What it is.
        artifact_type: ArtifactType,
        /// Whether it is the patch.
        patch: bool,
        /// Bytes of regular files, or of the patch.
        bytes_written: u64,
    },
    /// A service was started, and became ready or failed.
    ServiceStart {
        /// Its name.
        service_name: String,
        /// What came of it.
        state: ServiceState,
        /// Why it does not run.
        stop_reason: Option<ServiceStopReason>,
    },
    /// A service was stopped.
    ServiceStop {
        /// Its name.
        service_name: String,
        /// What came of it.
        state: ServiceState,
        /// How.
        stop_reason: Option<ServiceStopReason>,
        /// Its exit code, when it ended with one.
        exit_code: Option<i32>,
    },
    /// A snapshot was made.
    SnapshotCreate {
        /// Its name.
        snapshot_name: String,
        /// Bytes it took on the host.
        bytes_written: u64,
    },
    /// A snapshot was removed.
    SnapshotDelete {
        /// Its name.
        snapshot_name: String,
    },
}

impl Done {
    /// Of a sync.
    pub fn sync(sync: &WorkspaceSync) -> Self {
        Self::SyncPush {
            mode: sync.mode.clone(),
            source_path: sync.source_path.clone(),
            destination: sync.destination.clone(),
            entry_count: sync.entry_count,
            bytes_written: sync.bytes_written,
            deleted_count: sync.deleted.len() as u64,
        }
    }

    /// Of a patch: counts and the first paths.
    pub fn patch(summary: &PatchSummary, entries: &[PatchEntry]) -> Self {
        let mut bytes = 0;
        let paths = entries.iter().map(|entry| entry.path.clone());
        let named = paths.take(NAMED_PATHS).take_while(|path| {
            bytes += path.len();
            bytes <= NAMED_PATHS_BYTES
        });
        Self::PatchApply {
            total: summary.total,
            added: summary.added,
            modified: summary.modified,
            deleted: summary.deleted,
            paths: named.collect(),
        }
    }

    /// Of an export, or of one of the patch.
    pub fn export(exported: &Exported, patch: bool) -> Self {
        Self::Export {
            workspace_path: exported.workspace_path.clone(),
            output_path: exported.output_path.clone(),
            artifact_type: exported.artifact_type,
            patch,
            bytes_written: exported.bytes_written,
        }
    }
}

/// Writes down what was just done. What cannot be written is said and lost.
pub fn record(folder: &Folder, reset_count: u64, done: Done, sink: &dyn EventSink) {
    let event = ReviewEvent {
        recorded_at: unix_now(),
        done,
    };
    if let Err(error) = append(folder, reset_count, &event) {
        sink.event(Event::Notice(format!(
            "this is done, but the workspace's summary will not show it: {error}"
        )));
    }
}

fn append(folder: &Folder, reset_count: u64, event: &ReviewEvent) -> Result<()> {
    let path = folder.file(FILE);
    let failed = |error| Error::io("write", &path)(error);
    let line = lines::line(reset_count, event);
    let mut file = locked(&path).map_err(failed)?;
    let mut size = file.seek(SeekFrom::End(0)).map_err(failed)?;
    if size + line.len() as u64 > MAX_FILE_BYTES {
        file = shortened(folder, &mut file, &path).map_err(failed)?;
        size = file.seek(SeekFrom::End(0)).map_err(failed)?;
    }
    let mut bytes = Vec::with_capacity(line.len() + 1);
    // A line that was cut short must not take this one along.
    if size > 0 && !ends_its_line(&mut file, size).map_err(failed)? {
        bytes.push(b'\n');
    }
    bytes.extend(line);
    file.write_all(&bytes).map_err(|error| {
        // The disk is full: half a line helps nobody.
        let _ = file.set_len(size);
        failed(error)
    })
}

/// The file that is at `path` now, locked until it is closed.
fn locked(path: &Path) -> std::io::Result<File> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        let file = File::options()
            .create(true)
            .append(true)
            .read(true)
            .open(path)?;
        match file.try_lock() {
            // Shortened or cleared since the open.
            Ok(()) if !super::store::is_at(&file, path) => {}
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(std::io::Error::other("another process holds its lock"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// A new file in its place, with the newer half of its lines, locked as well.
fn shortened(folder: &Folder, old: &mut File, path: &Path) -> std::io::Result<File> {
    let mut bytes = Vec::new();
    old.rewind()?;
    old.take(2 * MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    let mut made = tempfile::NamedTempFile::new_in(folder.path())?;
    made.write_all(&lines::newer_half(&bytes, MAX_FILE_BYTES / 2))?;
    made.as_file().lock()?;
    made.persist(path).map_err(|error| error.error)
}

fn ends_its_line(file: &mut File, size: u64) -> std::io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::Start(size - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// What was done since the last reset, the first first.
///
/// # Errors
/// `io` when the file is there and cannot be read.
pub fn history(folder: &Folder, reset_count: u64) -> Result<History> {
    let path = folder.file(FILE);
    let mut bytes = Vec::new();
    match File::open(&path) {
        Ok(file) => {
            let read = file.take(2 * MAX_FILE_BYTES).read_to_end(&mut bytes);
            read.map_err(Error::io("read", &path))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("read", &path)(error)),
    }
    Ok(lines::history(&bytes, reset_count))
}

/// Forgets everything.
///
/// # Errors
/// `io`.
pub fn clear(folder: &Folder) -> Result<()> {
    let path = folder.file(FILE);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", &path)(error))
        }
        _ => Ok(()),
    }
}
