//! The commands of a workspace and what they said.
//!
//! ```text
//! commands/000001.json   one command, written at its end
//! commands/000001.stdout its output, as it comes, up to a bound
//! commands/000001.stderr
//! ```
//!
//! Owns: these files. Refuses: an output without bound on the host's disk.

use super::payloads::{LastCommand, LogEntry};
use super::store::Folder;
use crate::error::{Error, Result};
use crate::guest::Captured;
use crate::layout::make_private_dir;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

/// Bytes of one stream of one command that are kept on the host's disk.
pub const KEPT_STREAM_BYTES: u64 = 64 << 20;
/// Bytes of head, and again of tail, that a log shows of each stream.
const SHOWN_BYTES: usize = 256 << 10;

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    command: LastCommand,
    recorded_at: f64,
}

/// A command under way.
pub struct Recording {
    stdout: Kept,
    stderr: Kept,
    record: PathBuf,
}

struct Kept {
    file: File,
    room: u64,
}

impl Kept {
    fn create(path: PathBuf) -> Result<Self> {
        Ok(Self {
            file: File::create(&path).map_err(Error::io("create", &path))?,
            room: KEPT_STREAM_BYTES,
        })
    }

    /// A full disk costs the log, not the command.
    fn push(&mut self, bytes: &[u8]) {
        let count = bytes
            .len()
            .min(usize::try_from(self.room).unwrap_or(usize::MAX));
        if self.file.write_all(&bytes[..count]).is_err() {
            self.room = 0;
        }
        self.room -= self.room.min(count as u64);
    }
}

/// Begins the record of command `sequence`.
///
/// # Errors
/// `no_space`, `io`.
pub fn begin(folder: &Folder, sequence: u64) -> Result<Recording> {
    let commands = folder.file("commands");
    make_private_dir(&commands)?;
    let file = |kind: &str| commands.join(format!("{sequence:06}.{kind}"));
    Ok(Recording {
        stdout: Kept::create(file("stdout"))?,
        stderr: Kept::create(file("stderr"))?,
        record: file("json"),
    })
}

impl Recording {
    /// A piece of standard output.
    pub fn stdout(&mut self, bytes: &[u8]) {
        self.stdout.push(bytes);
    }

    /// A piece of standard error.
    pub fn stderr(&mut self, bytes: &[u8]) {
        self.stderr.push(bytes);
    }

    /// The command ended.
    ///
    /// # Errors
    /// `no_space`, `io`.
    pub fn finish(self, command: LastCommand, recorded_at: f64) -> Result<()> {
        let text = serde_json::to_vec_pretty(&Entry {
            command,
            recorded_at,
        })
        .map_err(|error| Error::runtime("encode", error.to_string()))?;
        let temporary = self.record.with_extension("partial");
        std::fs::write(&temporary, text)
            .and_then(|()| std::fs::rename(&temporary, &self.record))
            .map_err(Error::io("write", &self.record))
    }
}

/// Every finished command, the first first.
///
/// # Errors
/// `io`; an entry that cannot be read names its file.
pub fn entries(folder: &Folder) -> Result<Vec<LogEntry>> {
    let commands = folder.file("commands");
    let mut names: Vec<_> = match std::fs::read_dir(&commands) {
        Ok(listed) => listed.flatten().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", &commands)(error)),
    };
    names.retain(|path| path.extension().is_some_and(|kind| kind == "json"));
    names.sort();
    names.into_iter().map(entry).collect()
}

fn entry(path: PathBuf) -> Result<LogEntry> {
    let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let Entry {
        command,
        recorded_at,
    } = serde_json::from_slice(&text).map_err(|error| {
        Error::runtime(
            "damaged_record",
            format!("the record {} cannot be read: {error}", path.display()),
        )
    })?;
    let name = |kind: &str| format!("{:06}.{kind}", command.sequence);
    let (stdout_file, stderr_file) = (name("stdout"), name("stderr"));
    Ok(LogEntry {
        stdout: shown(&path.with_extension("stdout")),
        stderr: shown(&path.with_extension("stderr")),
        sequence: command.sequence,
        command: command.command,
        cwd: command.cwd,
        exit_code: command.exit_code,
        duration_ms: command.duration_ms,
        execution_mode: command.execution_mode,
        recorded_at,
        stdout_file,
        stderr_file,
    })
}

/// Head and tail of a file; one that is gone said nothing.
fn shown(path: &std::path::Path) -> String {
    let mut captured = Captured::new(SHOWN_BYTES);
    if let Ok(mut file) = File::open(path) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = file.read(&mut buffer) {
            captured.push(&buffer[..count]);
        }
    }
    captured.finish().text
}

/// Forgets every command.
///
/// # Errors
/// `io`.
pub fn clear(folder: &Folder) -> Result<()> {
    let commands = folder.file("commands");
    match std::fs::remove_dir_all(&commands) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", &commands)(error))
        }
        _ => Ok(()),
    }
}
