//! Packing a file, a link or a directory's children.
//!
//! Owns: what a member says about an entry. Refuses: following links, and
//! letting a file that changes while it is read break the archive: its size
//! is fixed first, a part that went missing becomes zeroes, and it is counted.
//!
//! ```text
//!   walk --> header --> exactly `size` bytes --> looked at again: the same?
//!        `-> device, FIFO, socket: counted only
//!   as a disk: everything an inode has (inode.rs), only sockets are left out
//! ```

use super::channels::Out;
use super::expect::identity;
use super::fault::{about, at, io};
use super::inode::{self, Linked};
use super::place::{Root, file_at, kind};
use super::read::BUFFER_BYTES;
use super::walk::Walk;
use pyro_proto::Stream;
use pyro_proto::messages::Failed;
use pyro_proto::messages::files::{FileKind, GetArchive, Packed};
use pyro_proto::tar::{Map, NewMember, Writer};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Stat, fstat, major, minor, readlinkat};
use rustix::io::Errno;
use std::io::{Read, Seek, SeekFrom, Write};

/// Where a file system keeps what its check found; each has its own.
const LOST_AND_FOUND: &[u8] = b"lost+found";

/// Carries the request out.
pub fn run(root: &Root, wanted: &GetArchive, stream: &Stream) -> Result<Packed, Failed> {
    let path = Root::relative(&wanted.path)?;
    let stat = root
        .look(&path)?
        .ok_or_else(|| about("not_found", &path, "does not exist"))?;
    let kind = kind(&stat);
    let mut pack = Pack {
        writer: Writer::new(Out::new(stream)),
        done: Packed {
            kind,
            entry_count: 0,
            file_bytes: 0,
            skipped_special: 0,
            changed_files: 0,
        },
        buffer: vec![0; BUFFER_BYTES],
        as_disk: wanted.as_disk,
        linked: Linked::default(),
    };
    match kind {
        FileKind::Other => {
            return Err(about(
                "wrong_kind",
                &path,
                "is a device, a FIFO or a socket",
            ));
        }
        FileKind::Directory => {
            let below = root.below(&path)?;
            let mut walk = Walk::new(&below, b"")?;
            while let Some(found) = walk.next()? {
                if wanted.as_disk && found.path == LOST_AND_FOUND {
                    continue;
                }
                pack.entry(walk.folder()?, found.name(), &found.path, &found.stat)?;
                if found.kind == FileKind::Directory {
                    walk.enter(&found)?;
                }
            }
        }
        FileKind::File | FileKind::Symlink => {
            let (folder, last) = root.parent(&path)?;
            pack.entry(&folder, last, last, &stat)?;
        }
    }
    let out = pack.writer.finish().map_err(io("sending", &path))?;
    out.finish()?;
    Ok(pack.done)
}

struct Pack<'a> {
    writer: Writer<Out<'a>>,
    done: Packed,
    buffer: Vec<u8>,
    as_disk: bool,
    linked: Linked,
}

impl Pack<'_> {
    fn entry(
        &mut self,
        folder: &OwnedFd,
        last: &[u8],
        name: &[u8],
        stat: &Stat,
    ) -> Result<(), Failed> {
        let attributes = if self.as_disk {
            inode::attributes(folder, last, name)?
        } else {
            Vec::new()
        };
        let mut member = NewMember {
            name,
            attributes: &attributes,
            ..NewMember::default()
        };
        match kind(stat) {
            FileKind::Other => {
                member.letter = match FileType::from_raw_mode(stat.st_mode) {
                    FileType::CharacterDevice => b'3',
                    FileType::BlockDevice => b'4',
                    FileType::Fifo => b'6',
                    _ => 0,
                };
                if !self.as_disk || member.letter == 0 {
                    self.done.skipped_special += 1;
                    return Ok(());
                }
                member.device = (major(stat.st_rdev), minor(stat.st_rdev));
                self.start(member, stat)
            }
            FileKind::Directory => {
                let mut named = name.to_vec();
                named.push(b'/');
                (member.name, member.letter) = (&named, b'5');
                self.start(member, stat)
            }
            FileKind::Symlink => match readlinkat(folder, last, Vec::new()) {
                Ok(target) => {
                    (member.letter, member.link) = (b'2', target.to_bytes());
                    self.start(member, stat)
                }
                Err(Errno::NOENT | Errno::INVAL) => Ok(()),
                Err(errno) => Err(at("reading the link", name)(errno)),
            },
            FileKind::File => match file_at(folder, last, name) {
                Ok((file, stat)) => self.file(file, member, &stat),
                // Gone or replaced since it was found.
                Err(error) if matches!(&*error.code, "not_found" | "wrong_kind" | "symlink") => {
                    Ok(())
                }
                Err(error) => Err(error),
            },
        }
    }

    fn start(&mut self, member: NewMember<'_>, stat: &Stat) -> Result<(), Failed> {
        self.done.entry_count += 1;
        // Nobody gets the owner's rights from an archive.
        let mode = match (self.as_disk, member.letter) {
            (true, _) => 0o7777,
            (false, b'5') => 0o1777,
            (false, _) => 0o777,
        };
        let member = NewMember {
            mode: stat.st_mode & mode,
            owner: if self.as_disk {
                (stat.st_uid, stat.st_gid)
            } else {
                (0, 0)
            },
            mtime: (stat.st_mtime, stat.st_mtime_nsec as u32),
            ..member
        };
        let name = member.name;
        self.writer.start(&member).map_err(io("sending", name))
    }

    fn file(
        &mut self,
        mut file: std::fs::File,
        member: NewMember<'_>,
        stat: &Stat,
    ) -> Result<(), Failed> {
        let name = member.name;
        let (earlier, holes);
        let mut member = NewMember { ..member };
        if self.as_disk
            && let Some(found) = self.linked.earlier(stat, name)
        {
            earlier = found.to_vec();
            (member.letter, member.link) = (b'1', &earlier);
            return self.start(member, stat);
        }
        member.letter = b'0';
        let size = stat.st_size as u64;
        holes = if self.as_disk {
            inode::holes(&file, stat)
        } else {
            None
        };
        member.sparse = holes.as_ref().map(|map| (size, map));
        let whole = Map::whole(size);
        let map = holes.as_ref().unwrap_or(&whole);
        member.size = map.pieces.iter().map(|piece| piece.length).sum();
        let stored = member.size;
        self.start(member, stat)?;
        for piece in &map.pieces {
            file.seek(SeekFrom::Start(piece.offset))
                .map_err(io("reading", name))?;
            self.bytes(&mut file, piece.length, name)?;
        }
        self.done.file_bytes = self.done.file_bytes.saturating_add(stored);
        let after = fstat(&file).map_err(at("looking at", name))?;
        // The status time also changes with links, which change no contents.
        if identity(stat)[..4] != identity(&after)[..4] {
            self.done.changed_files += 1;
        }
        Ok(())
    }

    /// Exactly so many, whatever is left of the file.
    fn bytes(
        &mut self,
        file: &mut std::fs::File,
        mut left: u64,
        name: &[u8],
    ) -> Result<(), Failed> {
        while left > 0 {
            let most = left.min(self.buffer.len() as u64) as usize;
            let mut count = file
                .read(&mut self.buffer[..most])
                .map_err(io("reading", name))?;
            if count == 0 {
                self.buffer[..most].fill(0);
                count = most;
            }
            let sent = self.writer.get().write_all(&self.buffer[..count]);
            sent.map_err(io("sending", name))?;
            left -= count as u64;
        }
        Ok(())
    }
}
