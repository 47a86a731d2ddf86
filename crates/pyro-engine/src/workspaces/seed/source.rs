//! What a seed or a sync is taken from: a directory or an archive of the host.
//!
//! Owns: which paths are accepted, and an archive as a plain tar. Refuses:
//! reading an archive's members; whoever needs them does.

use crate::error::{Error, Result};
use crate::host_paths::{HostPaths, linkless};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
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

    /// The archive without its compression, at its beginning; what has to be
    /// unpacked goes into a nameless file in `folder`.
    ///
    /// # Errors
    /// `io` naming the archive, `bad_archive` when its compression is damaged.
    pub fn tar(&self, folder: &Path) -> Result<File> {
        let file = linkless::file(&self.path).map_err(Error::io("open", &self.path))?;
        let input = BufReader::new(&file);
        match self.kind {
            Kind::Directory | Kind::Tar => Ok(file),
            Kind::Gzip => self.unpacked(&mut flate2::bufread::MultiGzDecoder::new(input), folder),
            Kind::Zstd => self.unpacked(&mut Frames::new(input), folder),
        }
    }

    fn unpacked(&self, input: &mut impl Read, folder: &Path) -> Result<File> {
        let file = tempfile::tempfile_in(folder).map_err(Error::io("make a file in", folder))?;
        let mut output = BufWriter::with_capacity(1 << 20, file);
        let mut buffer = vec![0; 256 << 10];
        loop {
            let count = match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => {
                    return Err(Error::invalid(
                        "bad_archive",
                        format!("cannot decompress {}: {error}", self.path.display()),
                    )
                    .hint("make the archive anew"));
                }
            };
            output
                .write_all(&buffer[..count])
                .map_err(Error::io("unpack into", folder))?;
        }
        let mut file = output
            .into_inner()
            .map_err(|error| Error::io("unpack into", folder)(error.into_error()))?;
        file.rewind().map_err(Error::io("unpack into", folder))?;
        Ok(file)
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

/// Zstd frames one after the other, as parallel compressors write them.
struct Frames<R: Read> {
    input: Option<R>,
    frame: Option<ruzstd::decoding::StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>,
}

impl<R: std::io::BufRead> Frames<R> {
    fn new(input: R) -> Self {
        Self {
            input: Some(input),
            frame: None,
        }
    }
}

impl<R: std::io::BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let count = frame.read(buffer)?;
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
            }
            if let Some(frame) = self.frame.take() {
                self.input = Some(frame.into_inner());
            }
            let Some(mut input) = self.input.take() else {
                return Ok(0);
            };
            if input.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let frame = ruzstd::decoding::StreamingDecoder::new(input)
                .map_err(|error| std::io::Error::other(error.to_string()))?;
            self.frame = Some(frame);
        }
    }
}
