//! What a seed or a sync is taken from: a directory or an archive of the host.
//!
//! Owns: which paths are accepted, and what is between an archive and its
//! plain tar. Refuses: judging its members (ext4_image/archive.rs).

use super::zstd_frames::Frames;
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::ext4_image::archive::{Archive, Kept};
use crate::host_paths::{HostPaths, linkless};
use crate::spool::{Room, Spool};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

const HINT: &str = "name a directory, or a .tar, .tar.gz, .tgz or .tar.zst file of this host";

/// A path that was found to be one of the kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Absolute, links resolved.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
}

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory, taken as it is.
    Directory,
    /// A tar.
    Tar,
    /// A tar in a gzip.
    Gzip,
    /// A tar in zstd frames.
    Zstd,
}

impl Kind {
    /// As payloads say it.
    #[must_use]
    pub fn mode(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            _ => "tar_archive",
        }
    }
}

impl Source {
    /// Looks at a path as a person writes it.
    ///
    /// # Errors
    /// `source_missing`, `source_kind`, `path_not_allowed`.
    pub fn find(host: &HostPaths, text: &str) -> Result<Self> {
        let path = host.find(text).map_err(|error| error.or_hint(HINT))?;
        let kind = kind(&path).ok_or_else(|| {
            Error::invalid(
                "source_kind",
                format!("{} is neither a directory nor an archive", path.display()),
            )
            .hint(HINT)
        })?;
        Ok(Self { path, kind })
    }

    /// The archive, looked at, without its compression; what has to be
    /// unpacked goes into a nameless file in `folder` while it is looked at.
    ///
    /// # Errors
    /// `io` naming the archive, `bad_archive` naming what is wrong with it, the
    /// room's own, `no_space`, `cancelled`; nothing is left then.
    pub fn archive(&self, folder: &Path, room: &Room, cancel: &Cancel) -> Result<Archive> {
        let file = linkless::file(&self.path).map_err(Error::io("open", &self.path))?;
        let packed = Packed {
            file: file.try_clone().map_err(Error::io("read", &self.path))?,
            cancel,
        };
        let packed = BufReader::with_capacity(64 << 10, packed);
        let stream: &mut dyn Read = match self.kind {
            Kind::Directory | Kind::Tar => {
                return Archive::look(file, &self.path, Kept::Seed, room, cancel);
            }
            Kind::Gzip => &mut flate2::bufread::MultiGzDecoder::new(packed),
            Kind::Zstd => &mut Frames::new(packed),
        };
        let spool = Spool::new(folder, &self.path, room, cancel)?;
        Archive::unpack(stream, spool, file, &self.path, room, cancel)
    }
}

/// A compressed file: much of it can be read for nothing that comes out.
struct Packed<'a> {
    file: File,
    cancel: &'a Cancel,
}

impl Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(std::io::Error::other("cancelled"));
        }
        self.file.read(buffer)
    }
}

fn kind(path: &Path) -> Option<Kind> {
    if path.is_dir() {
        return Some(Kind::Directory);
    }
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let endings = [
        (".tar", Kind::Tar),
        (".tar.gz", Kind::Gzip),
        (".tgz", Kind::Gzip),
        (".tar.zst", Kind::Zstd),
    ];
    let known = endings.iter().find(|(ending, _)| name.ends_with(ending));
    known.filter(|_| path.is_file()).map(|(_, kind)| *kind)
}
