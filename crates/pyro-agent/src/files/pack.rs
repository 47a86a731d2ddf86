//! Packing a file, a link or a directory's children.
//!
//! Owns: what a member says about an entry. Refuses: following links, and
//! letting a file that changes while it is read break the archive: its size
//! is fixed first, a part that went missing becomes zeroes, and it is counted.
//!
//! ```text
//!   walk --> header --> exactly `size` bytes --> looked at again: the same?
//!        `-> device, FIFO, socket: counted only
//! ```

use super::channels::Out;
use super::expect::identity;
use super::fault::{about, at, io};
use super::place::{Root, file_at, kind};
use super::read::BUFFER_BYTES;
use super::walk::Walk;
use pyro_proto::Stream;
use pyro_proto::messages::Failed;
use pyro_proto::messages::files::{FileKind, GetArchive, Packed};
use pyro_proto::tar::{NewMember, Writer};
use rustix::fd::OwnedFd;
use rustix::fs::{Stat, fstat, readlinkat};
use rustix::io::Errno;
use std::io::{Read, Write};

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
}

impl Pack<'_> {
    fn entry(
        &mut self,
        folder: &OwnedFd,
        last: &[u8],
        name: &[u8],
        stat: &Stat,
    ) -> Result<(), Failed> {
        match kind(stat) {
            FileKind::Other => {
                self.done.skipped_special += 1;
                Ok(())
            }
            FileKind::Directory => {
                let mut named = name.to_vec();
                named.push(b'/');
                self.start(&named, b'5', b"", stat, 0)
            }
            FileKind::Symlink => match readlinkat(folder, last, Vec::new()) {
                Ok(target) => self.start(name, b'2', target.to_bytes(), stat, 0),
                Err(Errno::NOENT | Errno::INVAL) => Ok(()),
                Err(errno) => Err(at("reading the link", name)(errno)),
            },
            FileKind::File => match file_at(folder, last, name) {
                Ok((file, stat)) => self.file(file, name, &stat),
                // Gone or replaced since it was found.
                Err(error) if matches!(&*error.code, "not_found" | "wrong_kind" | "symlink") => {
                    Ok(())
                }
                Err(error) => Err(error),
            },
        }
    }

    fn start(
        &mut self,
        name: &[u8],
        letter: u8,
        link: &[u8],
        stat: &Stat,
        size: u64,
    ) -> Result<(), Failed> {
        self.done.entry_count += 1;
        // Nobody gets the owner's rights from an archive.
        let mode = stat.st_mode & if letter == b'5' { 0o1777 } else { 0o777 };
        let member = NewMember {
            name,
            letter,
            link,
            mode,
            mtime: (stat.st_mtime, stat.st_mtime_nsec as u32),
            size,
        };
        self.writer.start(&member).map_err(io("sending", name))
    }

    fn file(&mut self, mut file: std::fs::File, name: &[u8], stat: &Stat) -> Result<(), Failed> {
        let size = stat.st_size as u64;
        self.start(name, b'0', b"", stat, size)?;
        let mut left = size;
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
        self.done.file_bytes = self.done.file_bytes.saturating_add(size);
        let after = fstat(&file).map_err(at("looking at", name))?;
        // The status time also changes with links, which change no contents.
        if identity(stat)[..4] != identity(&after)[..4] {
            self.done.changed_files += 1;
        }
        Ok(())
    }
}
