//! Host content into a workspace.
//!
//! ```text
//!   directory --pack--> tar in an unnamed file --.
//!   .tar -------------------------------------- +--> agent unpacks below dest
//!   .tar.gz, .tgz, .tar.zst --decompress-------- '
//! ```
//!
//! Owns: packing a directory as it is: modes, times, links as links, empty
//! directories; sockets and devices are passed over and counted. Refuses: an
//! archive with a member that cannot be, before anything is unpacked; the
//! agent judges each once more.

use super::payloads::{Synced, WorkspaceSync};
use super::{asked, path};
use crate::artifact::absolute;
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink, Meter};
use crate::ext4_image::archive::{Archive, Kept};
use crate::guest::files::asks;
use crate::host_paths::linkless;
use crate::workspaces::Workspaces;
use crate::workspaces::events::Done;
use crate::workspaces::seed::{Kind, Source};
use pyro_proto::messages::files::PutArchive;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::path::Path;

/// Content as a tar.
struct Packed {
    tar: File,
    size: u64,
    mode: &'static str,
    skipped: u64,
}

impl Workspaces {
    /// Puts a host directory or archive below a directory of the guest: adds
    /// and overwrites; with `delete_missing` what the source has not goes.
    ///
    /// # Errors
    /// `source_missing`, `source_kind`, `source_io` naming the file,
    /// `bad_archive`, `invalid_path`; those of [`Workspaces::exec`]. What came
    /// before a refused member stays: reset is the way back.
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
        self.status(wanted)?;
        let mut packed = packed(&source, &self.layout.state)?;
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

/// What has to be written goes into a nameless file in `folder`.
fn packed(source: &Source, folder: &Path) -> Result<Packed> {
    if source.kind == Kind::Directory {
        return directory(&source.path, folder);
    }
    let tar = source.tar(folder)?;
    let share = tar.try_clone().map_err(Error::io("read", &source.path))?;
    // Every member, so that a bad one is refused before the first is unpacked.
    Archive::look(share, &source.path, Kept::Seed)?;
    let size = tar
        .metadata()
        .map_err(Error::io("read", &source.path))?
        .len();
    Ok(Packed {
        tar,
        size,
        mode: source.kind.mode(),
        skipped: 0,
    })
}

fn directory(source: &Path, folder: &Path) -> Result<Packed> {
    let file = tempfile::tempfile_in(folder).map_err(Error::io("make a file in", folder))?;
    let mut builder = tar::Builder::new(BufWriter::new(file));
    builder.follow_symlinks(false);
    let mut skipped = 0;
    below(&mut builder, source, Path::new(""), &mut skipped)?;
    let done = builder
        .into_inner()
        .and_then(|mut writer| writer.flush().map(|()| writer));
    let tar = done
        .map_err(Error::io("pack into", folder))?
        .into_inner()
        .map_err(|error| Error::io("pack into", folder)(error.into_error()))?;
    let size = tar
        .metadata()
        .map_err(Error::io("pack into", folder))?
        .len();
    Ok(Packed {
        tar,
        size,
        mode: Kind::Directory.mode(),
        skipped,
    })
}

fn below(
    builder: &mut tar::Builder<BufWriter<File>>,
    folder: &Path,
    name: &Path,
    skipped: &mut u64,
) -> Result<()> {
    let listed = linkless::entries(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = listed.map_err(Error::io("list", folder))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (from, to) = (folder.join(entry.file_name()), name.join(entry.file_name()));
        let failed = || Error::io("pack", &from);
        // Beside the open folder: no way is looked up again.
        let found = entry.metadata().map_err(failed())?;
        let kind = found.file_type();
        let mut header = tar::Header::new_gnu();
        header.set_metadata(&found);
        header.set_size(0);
        if kind.is_dir() {
            builder
                .append_data(&mut header, &to, std::io::empty())
                .map_err(failed())?;
            below(builder, &from, &to, skipped)?;
        } else if kind.is_symlink() {
            let target = linkless::target(&from).map_err(failed())?;
            builder
                .append_link(&mut header, &to, target)
                .map_err(failed())?;
        } else if kind.is_file() {
            let mut file = linkless::file(&from).map_err(failed())?;
            builder.append_file(&to, &mut file).map_err(failed())?;
        } else {
            *skipped += 1;
        }
    }
    Ok(())
}
