//! The commands of a workspace and what they said.
//!
//! ```text
//! commands/000001.json   one command: written when it begins, and again at its end
//! commands/000001.stdout its output, as it comes, up to a bound
//! commands/000001.stderr
//! ```
//!
//! Owns: these files. An entry without an end runs, as long as the supervisor
//! that began it lives; whoever has the workspace's lock afterwards ends what
//! is left as `lost`. Refuses: an output without bound on the host's disk;
//! knowing whether a supervisor lives.

mod entry;
mod page;
mod recording;
mod tail;

pub use entry::{Ended, Entry, Written};
pub use page::page;
pub(super) use page::{told, whole_characters};
pub use recording::{Recording, begin};
pub use tail::Tail;

use super::payloads::LogStream;
use super::store::Folder;
use crate::error::{Error, Result};
use crate::guest::{Captured, Output};
use recording::save;
use std::fs::File;
use std::path::PathBuf;

/// Bytes of head, and again of tail, that a log shows of each stream.
const SHOWN_BYTES: usize = 256 << 10;

fn commands(folder: &Folder) -> PathBuf {
    folder.file("commands")
}

fn name(sequence: u64, kind: &str) -> String {
    format!("{sequence:06}.{kind}")
}

/// Name of the file with one stream of a command.
#[must_use]
pub fn stream_name(sequence: u64, stream: LogStream) -> String {
    name(sequence, stream.as_str())
}

/// Every command, the first first.
///
/// # Errors
/// `io`; an entry that cannot be read names its file.
pub fn entries(folder: &Folder) -> Result<Vec<Entry>> {
    sequences(folder)?
        .into_iter()
        .filter_map(|sequence| entry(folder, sequence).transpose())
        .collect()
}

/// Every command that can be read, and how many cannot.
///
/// # Errors
/// `io` when the folder cannot be listed.
pub fn readable(folder: &Folder) -> Result<(Vec<Entry>, u64)> {
    let (mut entries, mut unreadable_count) = (Vec::new(), 0);
    for sequence in sequences(folder)? {
        match entry(folder, sequence) {
            Ok(entry) => entries.extend(entry),
            Err(_) => unreadable_count += 1,
        }
    }
    Ok((entries, unreadable_count))
}

fn sequences(folder: &Folder) -> Result<Vec<u64>> {
    let commands = commands(folder);
    let listed = match std::fs::read_dir(&commands) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", &commands)(error)),
    };
    let mut sequences: Vec<u64> = listed
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.strip_suffix(".json")?.parse().ok()
        })
        .collect();
    sequences.sort_unstable();
    Ok(sequences)
}

/// One command; none when there is none of this number.
///
/// # Errors
/// `damaged_record`, `io`.
pub fn entry(folder: &Folder, sequence: u64) -> Result<Option<Entry>> {
    let commands = commands(folder);
    let path = commands.join(name(sequence, "json"));
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    let mut entry: Entry = serde_json::from_slice(&text).map_err(|error| {
        Error::runtime(
            "damaged_record",
            format!("the record {} cannot be read: {error}", path.display()),
        )
    })?;
    if entry.ended.is_none() {
        // What is written so far is told by the files alone.
        let size = |stream| {
            let path = commands.join(stream_name(sequence, stream));
            let kept_bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
            Written {
                total_bytes: kept_bytes,
                kept_bytes,
            }
        };
        entry.stdout = size(LogStream::Stdout);
        entry.stderr = size(LogStream::Stderr);
    }
    Ok(Some(entry))
}

/// Under the workspace's lock, where nothing can run: what has no end is lost.
/// Returns the highest number there is. What cannot be read or written is left.
pub fn end_lost(folder: &Folder, now: f64) -> u64 {
    let sequences = sequences(folder).unwrap_or_default();
    for sequence in &sequences {
        let (Ok(Some(found)), Ok(commands)) =
            (entry(folder, *sequence), File::open(commands(folder)))
        else {
            continue;
        };
        if found.ended.is_none()
            && let Err(error) = save(&commands, &found.at_rest(now))
        {
            tracing::warn!("command {sequence} is not on record as lost: {error}");
        }
    }
    sequences.last().copied().unwrap_or_default()
}

/// Head and tail of one stream; one whose file is gone said nothing.
#[must_use]
pub fn shown(folder: &Folder, entry: &Entry, stream: LogStream) -> Output {
    excerpt(folder, entry, stream, SHOWN_BYTES)
}

/// The same with `most_bytes` of head and again of tail.
#[must_use]
pub fn excerpt(folder: &Folder, entry: &Entry, stream: LogStream, most_bytes: usize) -> Output {
    let path = commands(folder).join(stream_name(entry.sequence, stream));
    let written = entry.written(stream);
    File::open(path)
        .and_then(|file| Captured::of_file(&file, written.kept_bytes, most_bytes))
        .unwrap_or_else(|_| Captured::new(0))
        .finish()
}

/// Forgets every command.
///
/// # Errors
/// `io`.
pub fn clear(folder: &Folder) -> Result<()> {
    let (commands, cleared) = (commands(folder), folder.file("commands.cleared"));
    // Left by one that ended in the middle.
    let _ = std::fs::remove_dir_all(&cleared);
    match std::fs::rename(&commands, &cleared) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("rename", &commands)(error)),
    }
    // A command that just ends may put a file back; the next time takes it.
    let _ = std::fs::remove_dir_all(&cleared);
    Ok(())
}

#[cfg(test)]
mod tests;
