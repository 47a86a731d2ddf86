//! A push's source as a tar.
//!
//! ```text
//!   directory --walk--> tar --.
//!   archive -----------------> spool: room? cancelled? --> tar, its size
//! ```
//!
//! Owns: packing a directory as it is: modes, times, links as links, empty
//! directories; sockets and devices are passed over and counted. Refuses: an
//! archive with a member that cannot be; the agent judges each once more.

use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::host_paths::linkless;
use crate::spool::{Room, Spool, carried};
use crate::start::disk_copy::next_data;
use crate::workspaces::seed::{Kind, Source, changed};
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Smaller files are not worth a look for holes.
const SPARSE_BYTES: u64 = 64 << 10;
/// A guest's file system counts in these.
const BLOCK_BYTES: u64 = 4096;
/// How often a directory that changes while it is packed is packed again.
const TRIES: usize = 3;

/// Content as a tar.
pub(super) struct Packed {
    /// From its beginning.
    pub tar: File,
    /// Of the archive, which the file may be longer than.
    pub size: u64,
    /// Directory or archive, as payloads say it.
    pub mode: &'static str,
    /// Sockets, FIFOs and devices.
    pub skipped: u64,
}

/// Packs a source; what has to be written goes into a nameless file in `folder`.
///
/// # Errors
/// `source_changed`, `bad_archive`, the room's own, `no_space`, `cancelled`, `io`.
pub(super) fn packed(
    source: &Source,
    folder: &Path,
    room: &Room,
    cancel: &Cancel,
) -> Result<Packed> {
    if source.kind == Kind::Directory {
        let mut tries = 1;
        return loop {
            match directory(&source.path, folder, room, cancel) {
                Err(error) if error.code == "source_changed" && tries < TRIES => tries += 1,
                other => break other,
            }
        };
    }
    // Every member, so that a bad one is refused before the first is sent.
    let (tar, size) = source.archive(folder, room, cancel)?.into_tar();
    Ok(Packed {
        tar,
        size,
        mode: source.kind.mode(),
        skipped: 0,
    })
}

fn directory(source: &Path, folder: &Path, room: &Room, cancel: &Cancel) -> Result<Packed> {
    let spool = Spool::new(folder, source, room, cancel)?;
    let mut packing = Packing {
        builder: tar::Builder::new(spool),
        source,
        room,
        data_bytes: 0,
        skipped: 0,
    };
    packing.below(source, Path::new(""))?;
    let tar = packing.builder.into_inner().map_err(failed(folder))?;
    let tar = tar.finish()?;
    let size = tar.metadata().map_err(failed(folder))?.len();
    Ok(Packed {
        tar,
        size,
        mode: Kind::Directory.mode(),
        skipped: packing.skipped,
    })
}

/// What stopped it, with the path at which it was.
fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |error| carried(error).unwrap_or_else(|error| Error::io("pack", &path)(error))
}

struct Packing<'a> {
    builder: tar::Builder<Spool<'a>>,
    source: &'a Path,
    room: &'a Room,
    /// What the files take in the guest.
    data_bytes: u64,
    skipped: u64,
}

impl Packing<'_> {
    fn below(&mut self, folder: &Path, name: &Path) -> Result<()> {
        let listed = linkless::entries(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = listed.map_err(Error::io("list", folder))?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (from, to) = (folder.join(entry.file_name()), name.join(entry.file_name()));
            // Beside the open folder: no way is looked up again.
            let found = entry.metadata().map_err(failed(&from))?;
            let kind = found.file_type();
            let mut header = tar::Header::new_gnu();
            header.set_metadata(&found);
            header.set_size(0);
            if kind.is_dir() {
                self.builder
                    .append_data(&mut header, &to, std::io::empty())
                    .map_err(failed(&from))?;
                self.below(&from, &to)?;
            } else if kind.is_symlink() {
                let target = linkless::target(&from).map_err(failed(&from))?;
                self.builder
                    .append_link(&mut header, &to, target)
                    .map_err(failed(&from))?;
            } else if kind.is_file() {
                self.file(&from, &to)?;
            } else {
                self.skipped += 1;
            }
        }
        Ok(())
    }

    /// A file with exactly the bytes its header says: one more would be taken
    /// for the next header.
    fn file(&mut self, from: &Path, to: &Path) -> Result<()> {
        let mut file = linkless::file(from).map_err(failed(from))?;
        let before = file.metadata().map_err(failed(from))?;
        let size = before.len();
        let is_sparse = size > SPARSE_BYTES
            && before.blocks() * 512 < size
            && next_data(&file, 0, size).is_ok_and(|data| data != Some((0, size)));
        let data = if is_sparse {
            before.blocks() * 512
        } else {
            size
        };
        let data = data.checked_next_multiple_of(BLOCK_BYTES);
        self.data_bytes = self.data_bytes.saturating_add(data.unwrap_or(u64::MAX));
        if self.data_bytes > self.room.bytes {
            return Err(self.room.exceeded(self.source));
        }
        file.rewind().map_err(failed(from))?;
        if is_sparse {
            self.builder
                .append_file(to, &mut file)
                .map_err(failed(from))?;
        } else {
            let mut header = tar::Header::new_gnu();
            header.set_metadata(&before);
            let file = &file;
            let exact = Exact { file, left: size };
            let added = self.builder.append_data(&mut header, to, exact);
            added.map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => changed(from),
                _ => failed(from)(error),
            })?;
        }
        if stat(&before) != stat(&file.metadata().map_err(failed(from))?) {
            return Err(changed(from));
        }
        Ok(())
    }
}

/// So many bytes of a file, no more and no fewer.
struct Exact<'a> {
    file: &'a File,
    left: u64,
}

impl Read for Exact<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self.file.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// What changes when a file does.
fn stat(found: &Metadata) -> (u64, [i64; 4]) {
    let times = [
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ];
    (found.len(), times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_paths::HostPaths;
    use pyro_proto::tar::Reader;
    use std::os::unix::fs::FileExt;

    fn push(path: &Path, disk_bytes: u64, cancel: &Cancel) -> Result<(tempfile::TempDir, Packed)> {
        let state = tempfile::tempdir().unwrap();
        let room = Room {
            bytes: disk_bytes,
            of: "the disk of workspace w".into(),
            code: "push_too_large",
            hint: "larger (--disk-mib)".into(),
        };
        let source = Source::find(&HostPaths::Anywhere, path.to_str().unwrap())?;
        let packed = packed(&source, state.path(), &room, cancel);
        let left = state.path().read_dir().unwrap().count();
        assert_eq!(left, 0, "nameless, or gone");
        packed.map(|packed| (state, packed))
    }

    fn sizes(packed: &Packed) -> Vec<(String, u64)> {
        let mut tar = &packed.tar;
        tar.rewind().unwrap();
        let mut reader = Reader::new(tar.take(packed.size));
        let mut found = Vec::new();
        while let Some(member) = reader.next_member().unwrap() {
            found.push((String::from_utf8(member.name).unwrap(), member.size));
        }
        found
    }

    #[test]
    fn files_whose_size_is_not_what_is_read_do_not_spoil_the_archive() {
        // Their size is 0, and there is something to read all the same.
        let folder = Path::new("/proc/sys/kernel/random");
        let (_state, packed) = push(folder, 1 << 30, &Cancel::default()).unwrap();
        let found = sizes(&packed);
        assert!(found.contains(&("boot_id".into(), 0)), "{found:?}");
        assert!(found.len() > 3);
        // One that became shorter.
        let file = tempfile::tempfile().unwrap();
        file.set_len(10).unwrap();
        let read = |left| {
            let mut file = &file;
            file.rewind().unwrap();
            std::io::copy(&mut Exact { file, left }, &mut std::io::sink())
        };
        assert_eq!(read(4).unwrap(), 4);
        assert_eq!(read(11).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn holes_stay_holes_and_are_not_counted() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create_new(dir.path().join("s")).unwrap();
        file.set_len(8 << 30).unwrap();
        file.write_all_at(b"x", 7 << 30).unwrap();
        std::fs::write(dir.path().join("t"), vec![1; 100_000]).unwrap();
        let (_state, packed) = push(dir.path(), 1 << 20, &Cancel::default()).unwrap();
        let wanted = [("s".into(), 8 << 30), ("t".into(), 100_000)];
        assert_eq!(sizes(&packed), wanted);
        assert!(packed.size < 1 << 20, "{}", packed.size);
    }

    #[test]
    fn more_than_the_disk_has_room_for_is_not_sent() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("d");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("a"), vec![0; 3 << 20]).unwrap();
        let shell = std::process::Command::new("sh")
            .args(["-ec", "tar -cf a.tar d; tar -czf a.tgz d"])
            .current_dir(dir.path())
            .status();
        assert!(shell.unwrap().success());
        for name in ["a.tar", "a.tgz", "d"] {
            let path = dir.path().join(name);
            assert!(push(&path, 4 << 20, &Cancel::default()).is_ok(), "{name}");
            let error = push(&path, 2 << 20, &Cancel::default()).err().unwrap();
            assert_eq!(error.code, "push_too_large", "{error}");
            assert!(error.message.contains(name) && error.message.contains("workspace w"));
            let cancel = Cancel::default();
            cancel.cancel();
            let error = push(&path, 4 << 20, &cancel).err().unwrap();
            assert_eq!(error.code, "cancelled", "{name}: {error}");
        }
    }

    #[test]
    fn what_follows_an_archive_is_not_sent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        let mut builder = tar::Builder::new(File::create_new(&path).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        builder.append_data(&mut header, "f", &b"some"[..]).unwrap();
        builder.into_inner().unwrap().set_len(1 << 40).unwrap();
        let (_state, packed) = push(&path, 1 << 20, &Cancel::default()).unwrap();
        assert_eq!(sizes(&packed), [("f".into(), 4)]);
        assert!(packed.size < 1 << 20, "{}", packed.size);
    }
}
