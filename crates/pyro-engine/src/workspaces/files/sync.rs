//! Host content into a workspace.
//!
//! ```text
//!   directory --pack.rs--> tar in an unnamed file --.
//!   .tar ----------------------------------------- +--> agent unpacks below dest
//!   .tar.gz, .tgz, .tar.zst --decompress----------- '
//! ```
//!
//! Owns: sending it, and what is said of it. Refuses: more than the
//! workspace's disk has room for, before anything is sent.

use super::payloads::{Synced, WorkspaceSync};
use super::{asked, pack, path};
use crate::artifact::absolute;
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink, Meter};
use crate::guest::files::asks;
use crate::spool::Room;
use crate::workspaces::Workspaces;
use crate::workspaces::events::Done;
use crate::workspaces::payloads::Workspace;
use crate::workspaces::seed::Source;
use pyro_proto::messages::files::PutArchive;
use std::fs::File;
use std::io::{Read, Seek};

impl Workspaces {
    /// Puts a host directory or archive below a directory of the guest: adds
    /// and overwrites; with `delete_missing` what the source has not goes.
    ///
    /// # Errors
    /// `source_missing`, `source_kind`, `source_changed`, `io` naming the file,
    /// `bad_archive`, `push_too_large`, `no_space`, `invalid_path`; those of
    /// [`Workspaces::exec`]. What came before a refused member stays: reset is
    /// the way back.
    pub fn sync_push(
        &self,
        wanted: &str,
        source: &str,
        dest: &str,
        delete_missing: bool,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Synced> {
        let destination = path(dest)?;
        let source = Source::find(&self.host, source)?;
        // Before the packing, which may take long.
        let room = room(&self.status(wanted)?);
        let mut packed = pack::packed(&source, &self.layout.state, &room, cancel)?;
        let request = PutArchive {
            destination: destination.clone(),
            size: packed.size,
            delete_missing,
        };
        let (workspace, (unpacked, mut deleted)) =
            self.ask_agent(wanted, events, cancel, |link| {
                packed
                    .tar
                    .rewind()
                    .map_err(Error::io("read the packed", &source.path))?;
                let mut deleted = Vec::new();
                let mut archive = Metered {
                    archive: &packed.tar,
                    meter: Meter::new("sending", Some(packed.size), events),
                };
                let unpacked = asks::put(link, &request, &mut archive, |gone| {
                    deleted.push(absolute(gone.path.bytes()));
                    Ok(())
                })?;
                Ok((unpacked, deleted))
            })?;
        deleted.sort();
        let workspace_sync = WorkspaceSync {
            mode: packed.mode.to_owned(),
            source_path: source.path.display().to_string(),
            destination: asked(&destination),
            entry_count: unpacked.entry_count,
            bytes_written: unpacked.bytes_written,
            deleted,
            skipped: packed.skipped,
        };
        self.record(&workspace, Done::sync(&workspace_sync), events);
        let synced = Synced {
            workspace_id: workspace.workspace_id.clone(),
            execution_mode: workspace.execution_mode,
            workspace_sync,
        };
        self.shown(&workspace.workspace_id, synced)
    }
}

/// An archive on its way.
struct Metered<'a> {
    archive: &'a File,
    meter: Meter<'a>,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.archive.read(buffer)?;
        self.meter.add(count as u64);
        Ok(count)
    }
}

/// What a push may bring.
fn room(workspace: &Workspace) -> Room {
    Room {
        bytes: workspace.disk_mib << 20,
        of: format!("the disk of workspace {}", workspace.workspace_id),
        code: "push_too_large",
        hint: "leave large files out, or create a workspace with a larger disk (--disk-mib)".into(),
    }
}
