//! What a service writes, kept on the host's disk: the end of it.
//!
//! ```text
//! <name>.stdout.00000000000000000000   each part's name is its first byte's
//! <name>.stdout.00000000000008388608   number, so after a crash the files alone
//! <name>.stdout.00000000000016777216   tell what is there; the oldest goes
//! ```
//!
//! Owns: the bound of each stream, and what of it is there. Refuses: failing a
//! service for a full disk; it costs what was written then, and the next part
//! says by its name how much.

use super::record::{Room, services};
use crate::workspaces::payloads::LogStream;
use crate::workspaces::store::Folder;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Most bytes of one stream that are kept.
pub const KEPT_STREAM_BYTES: u64 = 64 << 20;
/// Bytes of one part.
const PART_BYTES: u64 = 8 << 20;
/// After a write that failed, before the next is tried.
const PAUSE: Duration = Duration::from_secs(1);
const DIGITS: usize = 20;

fn prefix(name: &str, stream: LogStream) -> String {
    format!("{name}.{}.", stream.as_str())
}

/// One stream of one service, written.
pub struct Log {
    room: Room,
    prefix: String,
    total_bytes: u64,
    /// First byte of each part that is there; the last is being written.
    parts: VecDeque<u64>,
    file: Option<File>,
    retry_at: Option<Instant>,
}

impl Log {
    /// An empty one; what an earlier service of the name wrote goes.
    pub fn create(room: Room, folder: &Folder, name: &str, stream: LogStream) -> Self {
        for part in Kept::find(folder, name, stream).parts {
            room.remove(part.path.file_name().unwrap_or_default());
        }
        Self {
            room,
            prefix: prefix(name, stream),
            total_bytes: 0,
            parts: VecDeque::new(),
            file: None,
            retry_at: None,
        }
    }

    /// The next piece.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let count = match self.write(bytes) {
                Some(count) => count,
                // Lost; the next part begins behind it.
                None => bytes.len(),
            };
            self.total_bytes += count as u64;
            bytes = &bytes[count..];
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.retry_at.is_some_and(|at| at > Instant::now()) {
            return None;
        }
        let first = self.parts.back().copied().unwrap_or_default();
        if self.file.is_none() || self.total_bytes - first >= PART_BYTES {
            self.next_part()?;
        }
        let first = self.parts.back().copied().unwrap_or_default();
        let room = usize::try_from(PART_BYTES - (self.total_bytes - first)).ok()?;
        let piece = &bytes[..bytes.len().min(room)];
        loop {
            match self.file.as_mut()?.write(piece) {
                Ok(count @ 1..) => return Some(count),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                _ => return self.give_up(),
            }
        }
    }

    fn next_part(&mut self) -> Option<()> {
        while self.parts.len() as u64 >= KEPT_STREAM_BYTES / PART_BYTES {
            let first = self.parts.pop_front()?;
            self.room.remove(format!("{}{first:0DIGITS$}", self.prefix));
        }
        let name = format!("{}{:0DIGITS$}", self.prefix, self.total_bytes);
        match self.room.create(&name) {
            Ok(file) => {
                self.file = Some(file);
                self.retry_at = None;
                self.parts.push_back(self.total_bytes);
                Some(())
            }
            Err(_) => self.give_up().map(drop),
        }
    }

    fn give_up(&mut self) -> Option<usize> {
        self.file = None;
        self.retry_at = Some(Instant::now() + PAUSE);
        None
    }
}

/// One stream of one service, as far as it is there.
#[derive(Default)]
pub struct Kept {
    parts: Vec<Part>,
}

struct Part {
    first: u64,
    bytes: u64,
    path: PathBuf,
}

impl Part {
    fn end(&self) -> u64 {
        self.first.saturating_add(self.bytes)
    }

    /// As much as was there when it was looked at.
    fn read(&self, from: u64, most: u64) -> std::io::Result<Vec<u8>> {
        use std::os::unix::fs::FileExt;
        let most = most.min(self.end().saturating_sub(from));
        let mut bytes = vec![0; usize::try_from(most).unwrap_or_default()];
        File::open(&self.path)?.read_exact_at(&mut bytes, from - self.first)?;
        Ok(bytes)
    }
}

impl Kept {
    /// What is there of a stream now.
    #[must_use]
    pub fn find(folder: &Folder, name: &str, stream: LogStream) -> Self {
        let prefix = prefix(name, stream);
        let listed = std::fs::read_dir(services(folder)).into_iter().flatten();
        let mut parts: Vec<Part> = listed
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let number = name.to_str()?.strip_prefix(&prefix)?;
                let is_number =
                    number.len() == DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
                Some(Part {
                    first: number.parse().ok().filter(|_| is_number)?,
                    bytes: entry.metadata().ok()?.len().min(PART_BYTES),
                    path: entry.path(),
                })
            })
            .collect();
        parts.sort_unstable_by_key(|part| part.first);
        Self { parts }
    }

    /// Bytes that were written.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.parts.last().map_or(0, Part::end)
    }

    /// Of them, those that are not there.
    #[must_use]
    pub fn dropped_bytes(&self) -> u64 {
        let kept: u64 = self.parts.iter().map(|part| part.bytes).sum();
        self.end().saturating_sub(kept)
    }

    /// The last lines, at most `most_bytes` of them, and whether something is
    /// before them. A line stands for what is missing in between.
    #[must_use]
    pub fn tail(&self, lines: Option<u64>, most_bytes: usize) -> (Vec<u8>, bool) {
        let mut all: VecDeque<Vec<u8>> = VecDeque::new();
        let (mut newlines, mut bytes, mut begin) = (0, 0, self.end());
        for part in self.parts.iter().rev() {
            // The oldest may go while it is read.
            let Ok(read) = part.read(part.first, part.bytes) else {
                break;
            };
            if part.end() < begin {
                let missing = begin - part.end();
                all.push_front(format!("\n[pyro: {missing} bytes were not kept]\n").into_bytes());
            }
            begin = part.first;
            newlines += count_newlines(&read);
            bytes += read.len();
            all.push_front(read);
            if lines.is_some_and(|lines| newlines > lines) || bytes > most_bytes {
                break;
            }
        }
        let mut all = Vec::from(all).concat();
        let start = start_of_tail(&all, lines, most_bytes);
        all.drain(..start);
        (all, start > 0 || begin > 0 || self.dropped_bytes() > 0)
    }

    /// At most `limit` bytes from `offset` on, or from the first that is there
    /// behind it, and where they begin.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read(&self, offset: u64, limit: u64) -> std::io::Result<(u64, Vec<u8>)> {
        let mut parts = self.parts.iter().skip_while(|part| part.end() <= offset);
        let Some(part) = parts.next() else {
            return Ok((offset.min(self.end()), Vec::new()));
        };
        let first = offset.max(part.first);
        let mut bytes = part.read(first, limit)?;
        let mut end = part.end();
        for part in parts {
            let left = limit.saturating_sub(bytes.len() as u64);
            // Not across a gap: the next page begins behind it.
            if left == 0 || part.first != end {
                break;
            }
            bytes.extend(part.read(part.first, left)?);
            end = part.end();
        }
        Ok((first, bytes))
    }
}

fn count_newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Where the last `lines` lines begin, and at most `most_bytes` before the end.
fn start_of_tail(bytes: &[u8], lines: Option<u64>, most_bytes: usize) -> usize {
    let least = bytes.len().saturating_sub(most_bytes);
    let Some(lines) = lines else {
        return least;
    };
    // The newline at the end ends the last line and begins none.
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut found = 0;
    for (at, byte) in body.iter().enumerate().skip(least).rev() {
        if *byte == b'\n' {
            found += 1;
            if found == lines {
                return at + 1;
            }
        }
    }
    least
}

#[cfg(test)]
mod tests;
