//! Reading a part of one file.
//!
//! Owns: which bytes belong to the range, lines included, and the hash of the
//! whole. Refuses: holding the file: it passes through one buffer, once.
//!
//! ```text
//!   bytes   seek to offset ........ at most max_bytes        (hash: whole file)
//!   lines   scan: 1 LF 2 LF [first LF .. last LF] .. end -> total_lines
//! ```

use super::channels::Out;
use super::fault::{about, io};
use super::place::{Root, mtime_ns};
use crate::reply::failed;
use pyro_proto::Stream;
use pyro_proto::messages::Failed;
use pyro_proto::messages::files::{FileRead, ReadFile};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

/// What one read(2) asks for.
pub const BUFFER_BYTES: usize = 64 * 1024;

/// Sends the range and says what it was.
pub fn run(root: &Root, wanted: &ReadFile, stream: &Stream) -> Result<FileRead, Failed> {
    let path = Root::relative(&wanted.path)?;
    if let Some((first, last)) = wanted.lines {
        if first == 0 || last < first {
            let message = format!("lines {first} to {last} are no range; they count from 1");
            return Err(failed("bad_request", message));
        }
        if wanted.offset != 0 {
            let message = "a range of lines starts at its first line, not at an offset";
            return Err(failed("bad_request", message));
        }
    }
    let (mut file, stat) = root.file(&path)?;
    let size = stat.st_size as u64;
    let whole = wanted.hash || wanted.lines.is_some();
    if !whole {
        let start = SeekFrom::Start(wanted.offset.min(size));
        file.seek(start).map_err(io("reading", &path))?;
    }
    let mut scan = Scan {
        at: if whole { 0 } else { wanted.offset.min(size) },
        line: 1,
        start: None,
        sent: 0,
        truncated: false,
        last_byte: None,
    };
    let mut hash = wanted.hash.then(Sha256::new);
    let mut out = Out::new(stream);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let left = wanted.max_bytes - scan.sent;
        if !whole && left == 0 {
            break;
        }
        let most = if whole {
            BUFFER_BYTES as u64
        } else {
            left.min(BUFFER_BYTES as u64)
        };
        let count = file
            .read(&mut buffer[..most as usize])
            .map_err(io("reading", &path))?;
        if count == 0 {
            break;
        }
        let piece = &buffer[..count];
        if let Some(hash) = &mut hash {
            hash.update(piece);
        }
        scan.take(wanted, piece, &mut out)
            .map_err(|error| failed("internal", error.to_string()))?;
        out.wanted()?;
    }
    out.finish()?;
    if whole && scan.at != size {
        return Err(about("changed", &path, "changed while it was read"));
    }
    let end = scan.at;
    let lines = scan.line - 1 + u64::from(scan.last_byte.is_some_and(|byte| byte != b'\n'));
    Ok(FileRead {
        size,
        mode: stat.st_mode & 0o7777,
        mtime_ns: mtime_ns(&stat),
        offset: scan.start.unwrap_or(match wanted.lines {
            Some(_) => end,
            None => wanted.offset.min(size),
        }),
        bytes: scan.sent,
        truncated: match wanted.lines {
            Some(_) => scan.truncated,
            None => wanted.offset.saturating_add(scan.sent) < size,
        },
        total_lines: wanted.lines.map(|_| lines),
        sha256: hash.map(|hash| hex::encode(hash.finalize())),
    })
}

struct Scan {
    at: u64,
    line: u64,
    start: Option<u64>,
    sent: u64,
    truncated: bool,
    last_byte: Option<u8>,
}

impl Scan {
    fn take(&mut self, wanted: &ReadFile, piece: &[u8], out: &mut Out<'_>) -> std::io::Result<()> {
        let Some((first, last)) = wanted.lines else {
            let skip = wanted
                .offset
                .saturating_sub(self.at)
                .min(piece.len() as u64);
            let from = self.at + skip;
            self.at += piece.len() as u64;
            if skip < piece.len() as u64 {
                self.send(wanted, from, &piece[skip as usize..], out)?;
            }
            return Ok(());
        };
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if (first..=last).contains(&self.line) {
                self.send(wanted, self.at, part, out)?;
            }
            self.at += part.len() as u64;
            self.last_byte = part.last().copied();
            self.line += u64::from(self.last_byte == Some(b'\n'));
        }
        Ok(())
    }

    fn send(
        &mut self,
        wanted: &ReadFile,
        from: u64,
        part: &[u8],
        out: &mut Out<'_>,
    ) -> std::io::Result<()> {
        self.start.get_or_insert(from);
        let left = wanted.max_bytes - self.sent;
        let count = left.min(part.len() as u64);
        self.truncated |= count < part.len() as u64;
        self.sent += count;
        out.write_all(&part[..count as usize])
    }
}

/// The SHA-256 of a whole file, in hex. `wanted` is asked between pieces
/// whether anybody still waits for it.
pub fn sha256(
    file: &mut File,
    path: &[u8],
    wanted: impl Fn() -> Result<(), Failed>,
) -> Result<String, Failed> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        wanted()?;
        match file.read(&mut buffer).map_err(io("reading", path))? {
            0 => return Ok(hex::encode(hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}
