//! Snapshots: copies of a workspace's whole disk, and going back to one.
//!
//! ```text
//!   create --> supervisor: hold the disk still, copy it (supervisor/live/snapshots.rs)
//!   reset  --> supervisor: copy it back, boot from the copy, swap
//!   list, delete           the folder (kept.rs), in any state
//! ```
//!
//! Owns: what a client does for these. Refuses: copying; the supervisor is
//! the disk's only writer.

pub mod kept;
mod name;
pub mod payloads;

pub use kept::Snapshots;
pub use name::{BASELINE, SnapshotName};

use super::events::{self, Done};
use super::reach::decode;
use super::store::Folder;
use super::supervisor::wire::Request;
use super::{Workspaces, unix_now};
use crate::error::Result;
use crate::events::{Cancel, EventSink};
use payloads::{
    CreatedSnapshot, DeletedSnapshot, ResetWorkspace, Snapshot, SnapshotKind, SnapshotList,
};

impl Workspaces {
    /// Copies the whole disk as it is at one moment; a workspace that was
    /// stopped by nobody's wish is started first.
    ///
    /// # Errors
    /// `invalid_name`, `reserved_name`, `duplicate_snapshot`, `wrong_state`,
    /// `snapshot_quota`, `no_space`, `cancelled`; nothing is left then.
    pub fn create_snapshot(
        &self,
        wanted: &str,
        name: &str,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<CreatedSnapshot> {
        let name = SnapshotName::parse(name)?;
        let folder = self.store.find(wanted)?;
        let request = Request::SnapshotCreate { name };
        let called = self.on_machine(&folder, events, cancel, |session| {
            session.call(&request, None, events, cancel)
        })?;
        let created: CreatedSnapshot = decode(called.value)?;
        let done = Done::SnapshotCreate {
            snapshot_name: created.snapshot.snapshot_name.clone(),
            bytes_written: created.snapshot.bytes_written,
        };
        Self::record_snapshot(&folder, done, events);
        Ok(created)
    }

    fn record_snapshot(folder: &Folder, done: Done, sink: &dyn EventSink) {
        // One that is gone meanwhile has no summary.
        if let Ok(record) = folder.load() {
            events::record(folder, record.reset_count, done, sink);
        }
    }

    /// The baseline and every snapshot.
    ///
    /// # Errors
    /// As [`Self::status`]; `io` when the folder cannot be read.
    pub fn list_snapshots(&self, wanted: &str) -> Result<SnapshotList> {
        let folder = self.store.find(wanted)?;
        let record = folder.load()?;
        let (named, damaged) = folder.snapshots().all()?;
        let mut snapshots = vec![Snapshot {
            workspace_id: folder.id.clone(),
            snapshot_name: BASELINE.into(),
            kind: SnapshotKind::Baseline,
            created_at: record.created_at,
            entry_count: record.seed.entry_count,
            bytes_written: record.seed.bytes_written,
            deletable: false,
        }];
        snapshots.extend(named);
        Ok(SnapshotList {
            workspace_id: folder.id,
            count: snapshots.len(),
            snapshots,
            damaged,
        })
    }

    /// Removes a snapshot, in any state of the workspace.
    ///
    /// # Errors
    /// `invalid_name`, `reserved_name`, `unknown_snapshot`.
    pub fn delete_snapshot(
        &self,
        wanted: &str,
        name: &str,
        sink: &dyn EventSink,
    ) -> Result<DeletedSnapshot> {
        let name = SnapshotName::parse(name)?;
        let folder = self.store.find(wanted)?;
        let request = Request::SnapshotDelete { name: name.clone() };
        let deleted: DeletedSnapshot = self.somehow(&folder, &request, || {
            let mut record = folder.load()?;
            folder.snapshots().remove(&name)?;
            record.last_activity_at = unix_now();
            folder.save(&record)?;
            Ok(DeletedSnapshot {
                workspace_id: folder.id.clone(),
                snapshot_name: name.to_string(),
                deleted: true,
            })
        })?;
        let done = Done::SnapshotDelete {
            snapshot_name: deleted.snapshot_name.clone(),
        };
        Self::record_snapshot(&folder, done, sink);
        Ok(deleted)
    }

    /// Gives it a machine as new, or the disk of a snapshot.
    ///
    /// # Errors
    /// `invalid_name`, `unknown_snapshot`, `damaged_snapshot`, `no_space`: the
    /// workspace goes on as it was. As [`Self::create`]: it is stopped, with
    /// its old disk.
    pub fn reset(
        &self,
        wanted: &str,
        snapshot: &str,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<ResetWorkspace> {
        let snapshot = SnapshotName::or_baseline(snapshot)?;
        let folder = self.store.find(wanted)?;
        self.at_rest(&folder)?;
        if let Some(name) = &snapshot {
            // Before a supervisor is started for nothing.
            folder.snapshots().load(name)?;
        }
        decode(
            self.reach(&folder, &Request::Reset { snapshot }, events, cancel)?
                .value,
        )
    }
}
