//! A stopped workspace's disk as one image.
//!
//! ```text
//!   reader packs / --> tar in an unnamed file --> tree --> ext4 without a name --link--> output
//! ```
//!
//! Owns: that the image is whole, sparse and of the workspace's size. Refuses:
//! giving out the layers themselves, which nothing but pyro could read.

use super::payloads::DiskExported;
use super::{Stopped, path};
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink, Meter};
use crate::ext4_image::archive::{Archive, Kept};
use crate::ext4_image::{Shape, write};
use crate::host_paths::Output;
use crate::spool::Room;
use crate::workspaces::Workspaces;
use crate::workspaces::files::export::warn;
use crate::workspaces::files::new_file::NewFile;
use pyro_proto::messages::files::GetArchive;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const FORMAT: &str = "ext4";
const PREFIX: &str = "workspace-disk-export";
/// Most bytes of what is on a disk, holes not counted: the largest disk.
const MAX_ARCHIVE_BYTES: u64 = 256 << 30;

impl Workspaces {
    /// Writes the root file system, with the workspace at `/workspace`, as one
    /// ext4 image to `output`, which must not exist.
    ///
    /// # Errors
    /// `wrong_state`, `busy`, `invalid_output`, `output_exists`,
    /// `output_in_git`, `disk_content` naming what cannot be in the image,
    /// `no_space`, and everything that can happen to a machine. Nothing is at
    /// `output` then.
    pub fn export_disk(
        &self,
        wanted: &str,
        output: &str,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<DiskExported> {
        let output = self.output(wanted, output)?;
        let stopped = self.stopped(wanted, cancel)?;
        self.export_stopped(&stopped, &output, events, cancel)
            .map_err(|error| output.told(error))
    }

    fn export_stopped(
        &self,
        stopped: &Stopped,
        output: &Output,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<DiskExported> {
        let parent = output.parent();
        let tar = tempfile::tempfile_in(parent).map_err(Error::io("make a file in", parent))?;
        phase(events, stopped, "read");
        let skipped = self.pack(stopped, &tar, parent, events, cancel)?;
        phase(events, stopped, "write");
        let scratch = stopped.folder.scratch();
        let mut archive =
            Archive::look(tar, &scratch, Kept::Disk, &room(), cancel).map_err(refused)?;
        // It may hold what only its owner should read.
        let new = NewFile::beside(output, 0o600)?;
        let shape = Shape::disk(stopped.record.spec.disk_mib << 20);
        let file = new.file();
        write(&mut archive, &shape, file, new.path(), events, cancel).map_err(refused)?;
        let path = &output.path;
        file.sync_all().map_err(Error::io("write", path))?;
        let written = file.metadata().map_err(Error::io("read", path))?;
        let found_secrets = self.secrets(&stopped.folder)?.in_disk(file, path)?;
        new.appear(output)?;
        warn(&found_secrets, output, events);
        Ok(DiskExported {
            workspace_id: stopped.folder.id.clone(),
            output_path: path.display().to_string(),
            disk_format: FORMAT.into(),
            bytes_written: written.len(),
            allocated_bytes: written.blocks() * 512,
            skipped,
            found_secrets,
        })
    }

    /// The whole root as a tar; how many sockets it leaves out.
    fn pack(
        &self,
        stopped: &Stopped,
        tar: &File,
        parent: &Path,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<u64> {
        let reader = self.reader(stopped, events, cancel)?;
        let request = GetArchive {
            path: path::request(b""),
            as_disk: true,
        };
        let mut out = std::io::BufWriter::with_capacity(256 << 10, tar);
        let mut meter = Meter::new("reading the disk", None, events);
        let take = |bytes: &[u8]| {
            meter.add(bytes.len() as u64);
            out.write_all(bytes)
                .map_err(Error::io("write below", parent))
        };
        let packed = reader.get_archive(&request, MAX_ARCHIVE_BYTES, take, cancel)?;
        out.flush().map_err(Error::io("write below", parent))?;
        drop(out);
        let mut tar = tar;
        tar.rewind().map_err(Error::io("read below", parent))?;
        Ok(packed.skipped_special)
    }
}

fn phase(events: &dyn EventSink, stopped: &Stopped, name: &'static str) {
    events.event(Event::Phase {
        prefix: PREFIX,
        name,
        fields: vec![("workspace_id", stopped.folder.id.clone())],
    });
}

/// What an image may hold.
pub(super) fn room() -> Room {
    Room {
        bytes: MAX_ARCHIVE_BYTES,
        of: "a disk".into(),
        code: "seed_too_large",
        hint: String::new(),
    }
}

/// What a seed's code says of its source is about the disk here.
fn refused(error: Error) -> Error {
    match error.code {
        "bad_archive" | "bad_source" | "seed_image" | "seed_too_large" => {
            Error::runtime("disk_content", error.message).hint(
                "start the workspace, rename or remove what is named, stop it, then export again",
            )
        }
        _ => error,
    }
}
