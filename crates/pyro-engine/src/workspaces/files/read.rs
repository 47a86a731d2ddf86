//! Reading a part of a file.

use super::payloads::FileContent;
use super::{asked, path};
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::guest::files::{Fault, asks};
use crate::workspaces::Workspaces;
use pyro_proto::Link;
use pyro_proto::messages::files::{FileRead, ReadFile};
use pyro_proto::path::PathText;

/// Least and most bytes of one call.
pub const MAX_BYTES_RANGE: std::ops::RangeInclusive<u64> = 1..=1_048_576;

/// What to read.
#[derive(Clone, Debug)]
pub struct Read {
    /// A path below `/workspace`.
    pub path: String,
    /// Most bytes, [`MAX_BYTES_RANGE`].
    pub max_bytes: u64,
    /// First byte; 0 with lines.
    pub offset: u64,
    /// First line, from 1.
    pub first_line: Option<u64>,
    /// Last line, included; to the end without it.
    pub last_line: Option<u64>,
    /// Whether to hash the whole file.
    pub hash: bool,
}

impl Read {
    fn lines(&self) -> Result<Option<(u64, u64)>> {
        if self.first_line.is_none() && self.last_line.is_none() {
            return Ok(None);
        }
        let (first, last) = (
            self.first_line.unwrap_or(1),
            self.last_line.unwrap_or(u64::MAX),
        );
        if self.offset > 0 {
            return Err(
                Error::invalid("conflict", "an offset and lines cannot be given at once")
                    .hint("give --offset, or --first-line and --last-line"),
            );
        }
        if first == 0 || last < first {
            return Err(Error::invalid(
                "out_of_range",
                format!("lines {first} to {last} are none"),
            )
            .hint("lines count from 1, and the last is not before the first"));
        }
        Ok(Some((first, last)))
    }
}

/// A file's bytes, at most `max_bytes` of them, with the hash of all of it.
pub(super) fn whole(
    link: &Link,
    path: &PathText,
    max_bytes: u64,
) -> Result<(FileRead, Vec<u8>), Fault> {
    let request = ReadFile {
        path: path.clone(),
        offset: 0,
        max_bytes,
        lines: None,
        hash: true,
    };
    fetch(link, &request)
}

fn fetch(link: &Link, request: &ReadFile) -> Result<(FileRead, Vec<u8>), Fault> {
    let mut bytes = Vec::new();
    let read = asks::read(link, request, |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok((read, bytes))
}

impl Workspaces {
    /// Reads a part of a regular file.
    ///
    /// # Errors
    /// `invalid_path`, `out_of_range`, `conflict`, `file_not_found`,
    /// `file_kind`, `file_symlink`; those of [`Workspaces::exec`].
    pub fn read_file(
        &self,
        wanted: &str,
        read: &Read,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<FileContent> {
        crate::vms::checks::within("max_bytes", read.max_bytes, &MAX_BYTES_RANGE)?;
        let file = path(&read.path)?;
        let request = ReadFile {
            path: file.clone(),
            offset: read.offset,
            max_bytes: read.max_bytes,
            lines: read.lines()?,
            hash: read.hash,
        };
        let (workspace, (done, bytes)) =
            self.ask_agent(wanted, events, cancel, |link| fetch(link, &request))?;
        Ok(FileContent {
            workspace_id: workspace.workspace_id,
            path: asked(&file),
            size_bytes: done.size,
            max_bytes: read.max_bytes,
            offset: done.offset,
            content: String::from_utf8_lossy(&bytes).into_owned(),
            truncated: done.truncated || done.offset + done.bytes < done.size,
            total_lines: done.total_lines,
            sha256: done.sha256,
            execution_mode: workspace.execution_mode,
        })
    }
}
