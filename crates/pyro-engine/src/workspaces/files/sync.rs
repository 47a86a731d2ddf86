//! Host content into a workspace.
//!
//! ```text
//!   directory --pack--> tar in an unnamed file --.
//!   .tar -------------------------------------- +--> agent unpacks below dest
//!   .tar.gz, .tgz --unpack the gzip------------ '
//! ```
//!
//! Owns: packing a directory as it is: modes, times, links as links, empty
//! directories; sockets and devices are passed over and counted. Refuses:
//! reading an archive's members on the host; the agent judges them.

use super::payloads::{Synced, WorkspaceSync};
use super::{absolute, asked, path};
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::guest::files::asks;
use crate::layout::expand_home;
use crate::workspaces::Workspaces;
use pyro_proto::messages::files::PutArchive;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

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
        // Before the packing, which may take long.
        self.status(wanted)?;
        let source = resolved(source)?;
        let mut packed = packed(&source)?;
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
                    .map_err(Error::io("read the packed", &source))?;
                let mut deleted = Vec::new();
                let unpacked = asks::put(link, &request, &mut packed.tar, |gone| {
                    deleted.push(absolute(gone.path.bytes()));
                    Ok(())
                })?;
                Ok((unpacked, deleted))
            })?;
        deleted.sort();
        Ok(Synced {
            workspace_id: workspace.workspace_id,
            execution_mode: workspace.execution_mode,
            workspace_sync: WorkspaceSync {
                mode: packed.mode.to_owned(),
                source_path: source.display().to_string(),
                destination: asked(&destination),
                entry_count: unpacked.entry_count,
                bytes_written: unpacked.bytes_written,
                deleted,
                skipped: packed.skipped,
            },
        })
    }
}

fn resolved(source: &str) -> Result<PathBuf> {
    let expanded = expand_home(source);
    expanded.canonicalize().map_err(|error| {
        Error::invalid(
            "source_missing",
            format!("cannot find the source {}: {error}", expanded.display()),
        )
        .hint("name a directory, or a .tar, .tar.gz or .tgz file of this host")
    })
}

fn packed(source: &Path) -> Result<Packed> {
    let name = source
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if source.is_dir() {
        return directory(source);
    }
    let file = File::open(source).map_err(Error::io("open", source))?;
    let tar = if ends(&[".tar"]) {
        file
    } else if ends(&[".tar.gz", ".tgz"]) {
        let mut tar =
            tempfile::tempfile().map_err(Error::io("make a file in", &std::env::temp_dir()))?;
        std::io::copy(
            &mut flate2::bufread::MultiGzDecoder::new(BufReader::new(file)),
            &mut tar,
        )
        .map_err(Error::io("decompress", source))?;
        tar
    } else {
        return Err(Error::invalid(
            "source_kind",
            format!("{} is neither a directory nor an archive", source.display()),
        )
        .hint("name a directory, or a .tar, .tar.gz or .tgz file of this host"));
    };
    let size = tar.metadata().map_err(Error::io("read", source))?.len();
    Ok(Packed {
        tar,
        size,
        mode: "tar_archive",
        skipped: 0,
    })
}

fn directory(source: &Path) -> Result<Packed> {
    let place = std::env::temp_dir();
    let file = tempfile::tempfile().map_err(Error::io("make a file in", &place))?;
    let mut builder = tar::Builder::new(BufWriter::new(file));
    builder.follow_symlinks(false);
    let mut skipped = 0;
    below(&mut builder, source, Path::new(""), &mut skipped)?;
    let done = builder
        .into_inner()
        .and_then(|mut writer| writer.flush().map(|()| writer));
    let tar = done
        .map_err(Error::io("pack into", &place))?
        .into_inner()
        .map_err(|error| Error::io("pack into", &place)(error.into_error()))?;
    let size = tar
        .metadata()
        .map_err(Error::io("pack into", &place))?
        .len();
    Ok(Packed {
        tar,
        size,
        mode: "directory",
        skipped,
    })
}

fn below(
    builder: &mut tar::Builder<BufWriter<File>>,
    folder: &Path,
    name: &Path,
    skipped: &mut u64,
) -> Result<()> {
    let listed = std::fs::read_dir(folder).and_then(|listed| listed.collect::<Result<Vec<_>, _>>());
    let mut entries = listed.map_err(Error::io("list", folder))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (from, to) = (entry.path(), name.join(entry.file_name()));
        let kind = entry.file_type().map_err(Error::io("read", &from))?;
        if kind.is_socket() || kind.is_fifo() || kind.is_block_device() || kind.is_char_device() {
            *skipped += 1;
            continue;
        }
        builder
            .append_path_with_name(&from, &to)
            .map_err(Error::io("pack", &from))?;
        if kind.is_dir() {
            below(builder, &from, &to, skipped)?;
        }
    }
    Ok(())
}
