//! The record of a command that runs.
//!
//! Owns: writing its entry and its output. Refuses: to fail a command for a
//! full disk; it costs the log.

use super::{Ended, Entry, Written, commands, name, stream_name};
use crate::error::{Error, Result};
use crate::layout::make_private_dir;
use crate::vms::payloads::ExecutionMode;
use crate::workspaces::payloads::{LogStream, WORKSPACE_PATH};
use crate::workspaces::store::Folder;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Bytes of one stream of one command that are kept on the host's disk.
pub const KEPT_STREAM_BYTES: u64 = 64 << 20;
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
pub(super) fn save(commands: &File, entry: &Entry) -> std::io::Result<()> {
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
