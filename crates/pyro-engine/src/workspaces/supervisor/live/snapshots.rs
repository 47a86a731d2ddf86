//! Copies of the disk, and the disk of a reset.
//!
//! ```text
//!   create: freeze --> copy --> thaw --> sync --> facts       any failure: thaw, nothing left
//!   reset:  scratch.new = new disk, or copy of a snapshot     the old machine still runs
//! ```
//!
//! Owns: when the disk is held still, what a copy counts as. Refuses: a copy
//! of a disk that moved meanwhile.

use super::{Live, leaving, lock};
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink, Meter};
use crate::guest::Guest;
use crate::start::Scratch;
use crate::start::disk_copy::{allocated_bytes, copy_disk, write_back};
use crate::vms::payloads::ExecutionMode;
use crate::workspaces::payloads::WORKSPACE_PATH;
use crate::workspaces::snapshots::kept::Facts;
use crate::workspaces::snapshots::payloads::{
    CreatedSnapshot, DeletedSnapshot, SnapshotKind, WorkspaceReset,
};
use crate::workspaces::snapshots::{BASELINE, SnapshotName};
use crate::workspaces::unix_now;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

impl Live {
    pub(in crate::workspaces::supervisor) fn create_snapshot(
        &self,
        name: &SnapshotName,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<CreatedSnapshot> {
        let _life = lock(&self.life);
        self.still_here()?;
        let guest = self.guest().ok_or_else(leaving)?;
        guest.go_on()?;
        let snapshots = self.folder.snapshots();
        let path = snapshots.begin(name)?;
        let created = self
            .copy_held_still(&guest, &path, events, cancel)
            .and_then(|(copy, entry_count)| {
                copy.sync_all().map_err(Error::io("write", &path))?;
                not_cancelled(cancel)?;
                let found = self.secrets.in_disk(&copy, &path)?;
                let facts = Facts {
                    created_at: unix_now(),
                    entry_count,
                    bytes_written: allocated_bytes(&path)?,
                    disk_bytes: self.disk_mib() << 20,
                };
                Ok((snapshots.complete(name, &facts)?, found))
            });
        if created.is_err() {
            let _ = std::fs::remove_file(&path);
        }
        let (snapshot, found_secrets) = created?;
        if let Some(notice) = found_secrets.notice(&format!("snapshot {name}")) {
            events.event(Event::Notice(notice));
        }
        self.touch();
        let machine = lock(&self.record).machine.clone();
        Ok(CreatedSnapshot {
            workspace_id: self.folder.id.clone(),
            snapshot,
            found_secrets,
            execution_mode: machine
                .map_or(ExecutionMode::Pending, |machine| machine.execution_mode),
        })
    }

    /// The copy, and how many entries the guest says it has.
    fn copy_held_still(
        &self,
        guest: &Guest,
        path: &Path,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<(File, u64)> {
        let began = Instant::now();
        write_back(&self.folder.scratch(), path);
        let mut frozen = guest.freeze_disk(cancel)?;
        let still = Instant::now();
        // The guest has given back what it freed: that much is the copy.
        let more_bytes = allocated_bytes(&self.folder.scratch())?;
        let disk_bytes = self.disk_mib() << 20;
        self.folder.snapshots().room_for(more_bytes, disk_bytes)?;
        let mut meter = Meter::new(self.copying(), None, events);
        let copy = copy_disk(&self.folder.scratch(), path, &mut |done, total| {
            not_cancelled(cancel)?;
            frozen.still_copying()?;
            meter.of(total).at(done);
            Ok(())
        })?;
        let thawed = frozen.thaw()?;
        tracing::debug!(
            "snapshot: still after {:.1?}, held for {:.1?}, {} bytes given back before",
            still - began,
            still.elapsed(),
            thawed.trimmed_bytes
        );
        Ok((copy, thawed.entry_count))
    }

    fn copying(&self) -> String {
        format!("copying the disk of workspace {}", self.folder.id)
    }

    pub(in crate::workspaces::supervisor) fn delete_snapshot(
        &self,
        name: &SnapshotName,
    ) -> Result<DeletedSnapshot> {
        let _life = lock(&self.life);
        self.folder.snapshots().remove(name)?;
        self.touch();
        Ok(DeletedSnapshot {
            workspace_id: self.folder.id.clone(),
            snapshot_name: name.to_string(),
            deleted: true,
        })
    }

    /// The disk of a reset, where the old one is not.
    pub(super) fn new_disk(
        &self,
        snapshot: Option<&SnapshotName>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<(Scratch, WorkspaceReset)> {
        let path = self.folder.fresh_scratch();
        // Left by a reset that ended in the middle.
        let _ = std::fs::remove_file(&path);
        let reset = |name: &str, kind, entry_count, bytes_written| WorkspaceReset {
            snapshot_name: name.to_owned(),
            kind,
            destination: WORKSPACE_PATH.into(),
            entry_count,
            bytes_written,
        };
        let Some(name) = snapshot else {
            let scratch = Scratch::create_at(&self.layout, self.disk_mib(), &path)
                .inspect_err(|_| drop(std::fs::remove_file(&path)))?;
            let seed = lock(&self.record).seed.clone();
            let (entries, bytes) = (seed.entry_count, seed.bytes_written);
            let reset = reset(BASELINE, SnapshotKind::Baseline, entries, bytes);
            return Ok((scratch, reset));
        };
        let snapshots = self.folder.snapshots();
        let facts = snapshots.load(name)?;
        let mut meter = Meter::new(self.copying(), None, events);
        copy_disk(&snapshots.disk(name), &path, &mut |done, total| {
            not_cancelled(cancel)?;
            meter.of(total).at(done);
            Ok(())
        })?;
        let (entries, bytes) = (facts.entry_count, facts.bytes_written);
        let reset = reset(name.as_str(), SnapshotKind::Named, entries, bytes);
        Ok((Scratch::open(&path)?, reset))
    }
}

fn not_cancelled(cancel: &Cancel) -> Result<()> {
    if cancel.is_cancelled() {
        return Err(Error::runtime(
            "cancelled",
            "cancelled while the disk was copied",
        ));
    }
    Ok(())
}
