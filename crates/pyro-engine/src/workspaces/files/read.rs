//! Reading a part of a file.
//!
//! Owns: where the part ends: between two characters, so that parts which are
//! read one behind the other are the text.

use super::payloads::FileContent;
use super::{asked, path};
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::guest::files::{Fault, asks};
use crate::redact::Redactor;
use crate::workspaces::Workspaces;
use crate::workspaces::journal::whole_characters;
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

/// Leaves a character that is only begun at the end of a part to the next one.
fn end_between_characters(read: &mut FileRead, bytes: &mut Vec<u8>) {
    if read.offset + read.bytes >= read.size {
        return;
    }
    // A part smaller than a character still gets on.
    if let whole @ 1.. = whole_characters(bytes) {
        bytes.truncate(whole);
        read.bytes = whole as u64;
    }
}

/// The same part with what lies around it, where a secret may reach into it.
fn around(redactor: &Redactor, done: &FileRead, request: &ReadFile) -> Option<ReadFile> {
    let context = redactor.context_bytes() as u64;
    let end = done.offset + done.bytes;
    let is_whole = done.offset == 0 && end >= done.size;
    let offset = done.offset.saturating_sub(context);
    (context > 0 && !is_whole && done.bytes > 0).then(|| ReadFile {
        path: request.path.clone(),
        offset,
        max_bytes: end + context - offset,
        lines: None,
        hash: false,
    })
}

/// `count` bytes at `offset` of a file of which `known` begins at `begin`.
/// Fewer where the file was cut short meanwhile.
fn within(
    redactor: &Redactor,
    known: &[u8],
    begin: u64,
    offset: u64,
    count: u64,
) -> (Vec<u8>, u64) {
    let index = |position: u64| {
        let index = usize::try_from(position.saturating_sub(begin)).unwrap_or(usize::MAX);
        index.min(known.len())
    };
    redactor.range(known, index(offset)..index(offset + count))
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
        let (workspace, (mut done, mut bytes)) =
            self.ask_agent(wanted, events, cancel, |link| fetch(link, &request))?;
        end_between_characters(&mut done, &mut bytes);
        let folder = self.store.folder(&workspace.workspace_id);
        let redactor = self.secrets(&folder)?.redactor();
        let around = around(&redactor, &done, &request);
        let (bytes, redacted) = match &around {
            None => redactor.range(&bytes, 0..bytes.len()),
            Some(around) => {
                let (_, (more, known)) =
                    self.ask_agent(wanted, events, cancel, |link| fetch(link, around))?;
                within(&redactor, &known, more.offset, done.offset, done.bytes)
            }
        };
        let end = done.offset + done.bytes;
        let file = self.shown(&workspace.workspace_id, asked(&file))?;
        Ok(FileContent {
            workspace_id: workspace.workspace_id,
            path: file,
            size_bytes: done.size,
            max_bytes: read.max_bytes,
            offset: done.offset,
            content: String::from_utf8_lossy(&bytes).into_owned(),
            truncated: done.truncated || end < done.size,
            next_offset: (end < done.size).then_some(end),
            total_lines: done.total_lines,
            sha256: done.sha256,
            redacted,
            execution_mode: workspace.execution_mode,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(file: &str, offset: usize, max_bytes: usize) -> (Vec<u8>, u64) {
        let mut bytes = file.as_bytes()[offset..file.len().min(offset + max_bytes)].to_vec();
        let mut read = FileRead {
            size: file.len() as u64,
            mode: 0o644,
            mtime_ns: 0,
            offset: offset as u64,
            bytes: bytes.len() as u64,
            truncated: true,
            total_lines: None,
            sha256: None,
        };
        end_between_characters(&mut read, &mut bytes);
        assert_eq!(read.bytes, bytes.len() as u64);
        (bytes, read.offset + read.bytes)
    }

    #[test]
    fn a_part_ends_between_two_characters() {
        assert_eq!(part("a\u{20ac}b", 0, 3), (b"a".to_vec(), 1));
        assert_eq!(part("a\u{20ac}b", 1, 3), ("\u{20ac}".into(), 4));
        assert_eq!(part("a\u{20ac}b", 4, 3), (b"b".to_vec(), 5));
        // Smaller than a character, and still on.
        assert_eq!(part("a\u{20ac}b", 1, 2).1, 3);
    }
}
