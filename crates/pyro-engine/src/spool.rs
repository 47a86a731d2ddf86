//! A nameless file for bytes on their way, and what stops them.
//!
//! ```text
//!   foreign bytes --> cancelled? over what may come? room on the disk? --> file
//! ```
//!
//! Owns: that each piece is looked at before it is written. Refuses: filling
//! the host's disk, for a full one halts the guests that run. Nothing is left
//! when it is dropped.

use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::start::disk_copy::{self, ROOM};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

/// How much is written between two looks at the free space; less is not worth
/// one.
pub const LOOK_BYTES: u64 = 16 << 20;

/// What may come of a source.
#[derive(Clone, Debug)]
pub struct Room {
    /// Bytes of all files, in whole blocks.
    pub bytes: u64,
    /// What has this room, for example `the disk of workspace 0123abcd`.
    pub of: String,
    /// Code of the refusal.
    pub code: &'static str,
    /// What to do about one that is larger.
    pub hint: String,
}

impl Room {
    /// Bytes of an archive of such files: its headers are no data. An inode
    /// takes as much of a disk as its headers, but for hard links.
    #[must_use]
    pub fn archive_bytes(&self) -> u64 {
        self.bytes
            .saturating_add(self.bytes / 8)
            .saturating_add(1 << 30)
    }

    /// The refusal of a source that is larger.
    #[must_use]
    pub fn exceeded(&self, source: &Path) -> Error {
        Error::invalid(
            self.code,
            format!(
                "{} holds more than the {} MiB of {}",
                source.display(),
                self.bytes >> 20,
                self.of
            ),
        )
        .hint(self.hint.clone())
    }
}

/// Ends what reads or writes when the caller wants no more of it.
///
/// # Errors
/// `cancelled` naming `path`.
pub fn go_on(cancel: &Cancel, doing: &str, path: &Path) -> Result<()> {
    if cancel.is_cancelled() {
        let what = format!("cancelled while {doing} {}", path.display());
        return Err(Error::runtime("cancelled", what));
    }
    Ok(())
}

/// The engine's error in an I/O error, where [`io::Error::other`] put one.
///
/// # Errors
/// The I/O error itself when there is none.
pub fn carried(error: io::Error) -> std::result::Result<Error, io::Error> {
    error.downcast::<Error>()
}

/// The file.
pub struct Spool<'a> {
    file: io::BufWriter<File>,
    folder: PathBuf,
    source: &'a Path,
    room: &'a Room,
    cancel: &'a Cancel,
    written: u64,
    /// Where the free space is looked at next.
    look_at: u64,
}

impl<'a> Spool<'a> {
    /// An empty one in `folder` for what comes of `source`.
    ///
    /// # Errors
    /// `no_space`, `io` naming `folder`.
    pub fn new(
        folder: &Path,
        source: &'a Path,
        room: &'a Room,
        cancel: &'a Cancel,
    ) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(Error::io("make a file in", folder))?;
        Ok(Self::within(file, folder, source, room, cancel))
    }

    fn within(
        file: File,
        folder: &Path,
        source: &'a Path,
        room: &'a Room,
        cancel: &'a Cancel,
    ) -> Self {
        Self {
            file: io::BufWriter::with_capacity(1 << 20, file),
            folder: folder.to_owned(),
            source,
            room,
            cancel,
            written: 0,
            look_at: LOOK_BYTES,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// `cancelled`, the room's own, `no_space`, `io`.
    pub fn take(&mut self, bytes: &[u8]) -> Result<()> {
        go_on(self.cancel, "unpacking", self.source)?;
        self.written = self.written.saturating_add(bytes.len() as u64);
        if self.written > self.room.archive_bytes() {
            return Err(self.room.exceeded(self.source));
        }
        if self.written > self.look_at {
            let what = format!("the next part of what {} holds", self.source.display());
            disk_copy::leave_room(self.file.get_ref(), LOOK_BYTES, &self.folder, &what)?;
            self.look_at = self.written + LOOK_BYTES;
        }
        self.file
            .write_all(bytes)
            .map_err(|error| failed(error, &self.folder))
    }

    /// The file with all of it, at its beginning.
    ///
    /// # Errors
    /// `no_space`, `io`.
    pub fn finish(self) -> Result<File> {
        let folder = self.folder;
        let written = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error);
        let rewound = written.and_then(|mut file| file.rewind().map(|()| file));
        rewound.map_err(|error| failed(error, &folder))
    }
}

impl Write for Spool<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(error: io::Error, folder: &Path) -> Error {
    let error = Error::io("write into", folder)(error);
    match error.code {
        "no_space" => error.hint(ROOM),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(bytes: u64) -> Room {
        Room {
            bytes,
            of: "this test".into(),
            code: "seed_too_large",
            hint: "less".into(),
        }
    }

    #[test]
    fn a_full_disk_is_one_error_with_a_next_step() {
        let (room, cancel) = (room(1 << 30), Cancel::default());
        let full = File::options().write(true).open("/dev/full").unwrap();
        let folder = std::env::temp_dir();
        let mut spool = Spool::within(full, &folder, Path::new("a.tgz"), &room, &cancel);
        let piece = vec![1; 64 << 10];
        let error = (0..100).find_map(|_| spool.take(&piece).err()).unwrap();
        assert_eq!(
            (error.code, error.hint.as_deref()),
            ("no_space", Some(ROOM))
        );
    }

    #[test]
    fn it_ends_where_its_room_does_and_when_it_is_cancelled() {
        let (room, cancel) = (room(0), Cancel::default());
        let dir = tempfile::tempdir().unwrap();
        let source = Path::new("/some/a.tgz");
        let mut spool = Spool::new(dir.path(), source, &room, &cancel).unwrap();
        spool.take(b"some").unwrap();
        cancel.cancel();
        assert_eq!(spool.take(b"more").unwrap_err().code, "cancelled");
        let carrying = spool.write(b"more").unwrap_err();
        assert_eq!(carried(carrying).unwrap().code, "cancelled");
        let cancel = Cancel::default();
        let mut spool = Spool::new(dir.path(), source, &room, &cancel).unwrap();
        spool.written = room.archive_bytes();
        let error = spool.take(b"m").unwrap_err();
        assert_eq!(error.code, "seed_too_large");
        assert!(error.message.contains("/some/a.tgz"), "{error}");
        drop(spool);
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    }
}
