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

mod page;
mod tail;

pub use page::page;
pub use tail::Tail;

use super::payloads::{CommandState, LogStream, WORKSPACE_PATH};
use super::store::Folder;
use crate::error::{Error, Result};
use crate::guest::{Captured, Output};
use crate::layout::make_private_dir;
use crate::vms::payloads::ExecutionMode;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bytes of one stream of one command that are kept on the host's disk.
pub const KEPT_STREAM_BYTES: u64 = 64 << 20;
/// Bytes of head, and again of tail, that a log shows of each stream.
const SHOWN_BYTES: usize = 256 << 10;

/// One command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub sequence: u64,
    pub command: String,
    pub cwd: String,
    pub execution_mode: ExecutionMode,
    /// Unix time in seconds, as all times here.
    pub started_at: f64,
    pub stdout: Written,
    pub stderr: Written,
    /// None while it runs.
    pub ended: Option<Ended>,
}

/// How much a command wrote to one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    pub total_bytes: u64,
    /// Of them, on the host's disk.
    pub kept_bytes: u64,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    pub at: f64,
    pub state: CommandState,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub timed_out: bool,
    pub duration_ms: u64,
    /// Why there is no exit code.
    pub error: Option<String>,
}

impl Ended {
    /// Without an exit code.
    #[must_use]
    pub fn unknown(state: CommandState, started_at: f64, at: f64, error: String) -> Self {
        Self {
            at,
            state,
            exit_code: None,
            signal: None,
            timed_out: false,
            duration_ms: millis(at - started_at),
            error: Some(error),
        }
    }
}

impl Entry {
    /// How much it wrote to one stream.
    #[must_use]
    pub fn written(&self, stream: LogStream) -> Written {
        match stream {
            LogStream::Stdout => self.stdout,
            LogStream::Stderr => self.stderr,
        }
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> CommandState {
        self.ended
            .as_ref()
            .map_or(CommandState::Running, |ended| ended.state)
    }

    /// Milliseconds it ran; of a running one, until `now`.
    #[must_use]
    pub fn duration_ms(&self, now: f64) -> u64 {
        self.ended
            .as_ref()
            .map_or_else(|| millis(now - self.started_at), |ended| ended.duration_ms)
    }

    /// As it is when nobody runs it: one without an end is lost.
    #[must_use]
    pub fn at_rest(mut self, now: f64) -> Self {
        if self.ended.is_none() {
            self.ended = Some(Ended::unknown(
                CommandState::Lost,
                self.started_at,
                now,
                "the supervisor or the host ended while it ran".into(),
            ));
        }
        self
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn millis(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1000.0) as u64
}

/// A command under way.
pub struct Recording {
    entry: Entry,
    stdout: Kept,
    stderr: Kept,
    /// Open, because a reset takes the folder away under a command that ends late.
    commands: File,
}

struct Kept {
    file: File,
    full: bool,
}

impl Kept {
    fn create(path: &Path) -> Result<Self> {
        Ok(Self {
            file: File::create(path).map_err(Error::io("create", path))?,
            full: false,
        })
    }

    /// A full disk costs the log, not the command.
    fn push(&mut self, bytes: &[u8], written: &mut Written) {
        written.total_bytes += bytes.len() as u64;
        let room = usize::try_from(KEPT_STREAM_BYTES - written.kept_bytes).unwrap_or(usize::MAX);
        let mut left = &bytes[..bytes.len().min(room)];
        while !self.full && !left.is_empty() {
            match self.file.write(left) {
                Ok(count @ 1..) => {
                    written.kept_bytes += count as u64;
                    left = &left[count..];
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // What comes later would stand in the wrong place.
                _ => self.full = true,
            }
        }
    }
}

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

/// Begins the record of command `sequence`.
///
/// # Errors
/// `no_space`, `io`.
pub fn begin(
    folder: &Folder,
    sequence: u64,
    command: &str,
    execution_mode: ExecutionMode,
    started_at: f64,
) -> Result<Recording> {
    let commands = commands(folder);
    make_private_dir(&commands)?;
    let recording = Recording {
        stdout: Kept::create(&commands.join(stream_name(sequence, LogStream::Stdout)))?,
        stderr: Kept::create(&commands.join(stream_name(sequence, LogStream::Stderr)))?,
        commands: File::open(&commands).map_err(Error::io("open", &commands))?,
        entry: Entry {
            sequence,
            command: command.to_owned(),
            cwd: WORKSPACE_PATH.into(),
            execution_mode,
            started_at,
            stdout: Written::default(),
            stderr: Written::default(),
            ended: None,
        },
    };
    let record = commands.join(name(sequence, "json"));
    save(&recording.commands, &recording.entry).map_err(Error::io("write", &record))?;
    Ok(recording)
}

impl Recording {
    /// A piece of standard output.
    pub fn stdout(&mut self, bytes: &[u8]) {
        self.stdout.push(bytes, &mut self.entry.stdout);
    }

    /// A piece of standard error.
    pub fn stderr(&mut self, bytes: &[u8]) {
        self.stderr.push(bytes, &mut self.entry.stderr);
    }

    /// As it is now.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The command ended. What cannot be written is not on record at all, so
    /// that nobody takes it for running.
    ///
    /// # Errors
    /// Why it could not be written.
    pub fn end(&mut self, ended: Ended) -> std::io::Result<()> {
        self.entry.ended = Some(ended);
        save(&self.commands, &self.entry).inspect_err(|_| {
            let record = name(self.entry.sequence, "json");
            let _ = rustix::fs::unlinkat(&self.commands, record, rustix::fs::AtFlags::empty());
        })
    }
}

/// A crash leaves the old record or the new one.
fn save(commands: &File, entry: &Entry) -> std::io::Result<()> {
    let text = serde_json::to_vec_pretty(entry)?;
    let (temporary, record) = (
        name(entry.sequence, "partial"),
        name(entry.sequence, "json"),
    );
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = rustix::fs::openat(commands, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
    File::from(file).write_all(&text)?;
    rustix::fs::renameat(commands, &temporary, commands, &record)?;
    Ok(())
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
    let path = commands(folder).join(stream_name(entry.sequence, stream));
    let written = entry.written(stream);
    File::open(path)
        .and_then(|file| Captured::of_file(&file, written.kept_bytes, SHOWN_BYTES))
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
