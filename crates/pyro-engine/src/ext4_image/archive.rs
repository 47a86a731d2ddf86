//! An archive as a tree.
//!
//! Owns: what each member may become; the archive is read twice, once for
//! the names and once for the contents, and nothing of it ever becomes a path
//! of the host. Refuses: devices and FIFOs unless it is to be a disk, names that leave the tree, a way
//! through a link, a hard link to nothing, and more than there is room for,
//! which is looked at member by member while it comes.
//!
//! ```text
//!   a tar          --> names --> tree
//!   compressed one --> names --> tree     what was read goes into a spool, and
//!                        `-----> spool    is what the contents are read from
//! ```

use super::tree::{Attributes, File as Inode, MAX_ENTRIES, Meta, Node, Special, Tree, clean};
use super::{Contents, Fill};
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::spool::{Room, Spool, carried, go_on};
use pyro_proto::tar::{Kind, Member, Piece, Reader};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 256 << 10;

/// An archive that was looked at.
pub struct Archive {
    tar: File,
    /// Of the file, up to the archive's end and little more.
    tar_bytes: u64,
    path: PathBuf,
    tree: Tree,
    kept: Kept,
}

/// What of a member is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// What a seed lends: no owner, no rights, no devices.
    Seed,
    /// Everything an inode of a disk has.
    Disk,
}

impl Archive {
    /// Looks at every member of `tar`, which came from `path`.
    ///
    /// # Errors
    /// `bad_archive` naming the member, the room's own, `cancelled`, `io`.
    pub fn look(tar: File, path: &Path, kept: Kept, room: &Room, cancel: &Cancel) -> Result<Self> {
        let mut archive = Self::of(tar, path, kept);
        let watched = Watched::new(archive.again()?, path, room, cancel);
        let mut reader = Reader::new(BufReader::with_capacity(BUFFER_BYTES, watched));
        archive.names(&mut reader, room)?;
        archive.tar_bytes = reader.into_rest().into_inner().count;
        Ok(archive)
    }

    /// The same of a stream, which is read to its end, and kept in `spool`.
    /// Its tree is as old as `source`.
    ///
    /// # Errors
    /// As [`Self::look`]; `no_space`.
    pub fn unpack(
        stream: &mut dyn Read,
        spool: Spool<'_>,
        source: File,
        path: &Path,
        room: &Room,
        cancel: &Cancel,
    ) -> Result<Self> {
        let mut archive = Self::of(source, path, Kept::Seed);
        let mut watched = Watched::new(stream, path, room, cancel);
        watched.spool = Some(spool);
        let mut reader = Reader::new(BufReader::with_capacity(BUFFER_BYTES, watched));
        archive.names(&mut reader, room)?;
        let mut watched = reader.into_rest().into_inner();
        let spool = watched.spool.take();
        archive.tar_bytes = watched.count;
        // What follows the end is not kept, but a damaged end is found.
        io::copy(&mut watched, &mut io::sink()).map_err(|error| archive.broken(error))?;
        if let Some(spool) = spool {
            archive.tar = spool.finish()?;
        }
        Ok(archive)
    }

    fn of(tar: File, path: &Path, kept: Kept) -> Self {
        let modified = tar.metadata().and_then(|found| found.modified());
        let since_epoch = modified.ok().and_then(|time| {
            time.duration_since(std::time::SystemTime::UNIX_EPOCH)
                .ok()
                .and_then(|time| i64::try_from(time.as_secs()).ok())
        });
        Self {
            tar,
            tar_bytes: 0,
            path: path.to_owned(),
            kept,
            tree: Tree::new(Meta {
                mode: 0o755,
                owner: (0, 0),
                mtime: (since_epoch.unwrap_or(0), 0),
            }),
        }
    }

    fn names<R: Read>(&mut self, reader: &mut Reader<R>, room: &Room) -> Result<()> {
        let mut members = 0;
        while let Some(member) = reader.next_member().map_err(|error| self.broken(error))? {
            members += 1;
            let few = || format!("there are over {MAX_ENTRIES} members");
            (members <= MAX_ENTRIES)
                .then_some(())
                .ok_or_else(few)
                .and_then(|()| self.member(&member, reader))
                .map_err(|why| self.refused(&member, &why))?;
            if self.tree.data_bytes() > room.bytes {
                return Err(room.exceeded(&self.path));
            }
        }
        Ok(())
    }

    /// The plain tar, and how much of it is the archive.
    #[must_use]
    pub fn into_tar(self) -> (File, u64) {
        (self.tar, self.tar_bytes)
    }

    /// The tar, from its beginning.
    fn again(&self) -> Result<File> {
        let opened = self.tar.try_clone().and_then(|mut tar| {
            tar.rewind()?;
            Ok(tar)
        });
        opened.map_err(Error::io("read", &self.path))
    }

    fn broken(&self, error: io::Error) -> Error {
        let error = match carried(error) {
            Ok(error) => return error,
            Err(error) => error,
        };
        Error::invalid(
            "bad_archive",
            format!("cannot read {}: {error}", self.path.display()),
        )
        .hint("make the archive anew")
    }

    fn refused(&self, member: &Member, why: &str) -> Error {
        Error::invalid(
            "bad_archive",
            format!(
                "the member {:?} of {} is refused: {why}",
                String::from_utf8_lossy(&member.name),
                self.path.display()
            ),
        )
        .hint("leave it out of the archive")
    }

    fn member<R: Read>(&mut self, member: &Member, reader: &Reader<R>) -> Result<(), String> {
        let path = clean(&member.name)?;
        if self.kept == Kept::Disk && path.split(|byte| *byte == b'/').next() == Some(b"lost+found")
        {
            return Err("the image has one of its own".into());
        }
        let meta = match self.kept {
            // As a sync: an archive lends nobody rights.
            Kept::Seed => Meta {
                mode: (member.mode & 0o1777) as u16,
                owner: (0, 0),
                mtime: member.mtime,
            },
            Kept::Disk => Meta {
                mode: (member.mode & 0o7777) as u16,
                owner: member.owner,
                mtime: member.mtime,
            },
        };
        let node = match &member.kind {
            Kind::Folder if path.is_empty() => {
                self.tree.root = meta;
                return Ok(());
            }
            Kind::Folder => Node::Folder(meta),
            Kind::Symlink(target) if target.is_empty() || target.contains(&0) => {
                return Err("its target is no path".into());
            }
            Kind::Symlink(target) => Node::Symlink(meta, target.clone()),
            Kind::HardLink(target) => match self.tree.get(&clean(target)?) {
                Some(Node::File(number)) => Node::File(*number),
                _ => return Err("it is a hard link to no earlier file".into()),
            },
            Kind::File => {
                let file = Inode::new(meta, member.size, reader.map());
                Node::File(self.tree.add_file(file)?)
            }
            Kind::Other(letter) if self.kept == Kept::Disk => {
                Node::Special(meta, special(*letter, member.device)?)
            }
            Kind::Other(_) => return Err("it is a device, a FIFO or unknown".into()),
        };
        if path.is_empty() {
            return Err("it has no name".into());
        }
        self.tree.put(&path, node)?;
        if self.kept == Kept::Disk {
            let attributes = match &member.kind {
                // They are the inode's, whichever name the image has first.
                Kind::HardLink(target) => self.tree.attributes(&clean(target)?).to_vec(),
                _ => attributes(&member.attributes)?,
            };
            self.tree.set_attributes(&path, attributes)?;
        }
        Ok(())
    }
}

fn special(letter: u8, (major, minor): (u32, u32)) -> Result<Special, String> {
    if major > 0xfff || minor > 0xf_ffff {
        return Err("there is no device of these numbers".into());
    }
    match letter {
        b'3' => Ok(Special::Character(major, minor)),
        b'4' => Ok(Special::Block(major, minor)),
        b'6' => Ok(Special::Fifo),
        _ => Err("it is of an unknown kind".into()),
    }
}

fn attributes(found: &[(Vec<u8>, Vec<u8>)]) -> Result<Attributes, String> {
    let named = found.iter().map(|(name, value)| {
        let name = String::from_utf8(name.clone());
        name.map(|name| (name, value.clone()))
            .map_err(|_| "an attribute's name is not UTF-8".to_owned())
    });
    named.collect()
}

impl Contents for Archive {
    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn each(&mut self, fill: &mut Fill<'_>) -> Result<()> {
        let used = self.tree.used_files();
        let tar = BufReader::with_capacity(BUFFER_BYTES, self.again()?);
        let mut reader = Reader::new(tar);
        let mut number = 0;
        while let Some(member) = reader.next_member().map_err(|error| self.broken(error))? {
            if member.kind != Kind::File {
                continue;
            }
            let (Some(file), Some(used)) = (self.tree.files().get(number), used.get(number)) else {
                return Err(changed(&self.path));
            };
            // One that a later member of the same name replaced is passed over.
            if *used {
                fill(number, &mut Covered::new(&mut reader, &file.data))?;
            }
            number += 1;
        }
        if number == self.tree.files().len() {
            Ok(())
        } else {
            Err(changed(&self.path))
        }
    }
}

fn changed(path: &Path) -> Error {
    Error::runtime(
        "source_changed",
        format!("{} changed while it was read", path.display()),
    )
    .hint("try again when nothing writes there")
}

/// What an archive is read from: it may be hostile, or have no end.
struct Watched<'a, R> {
    input: R,
    path: &'a Path,
    room: &'a Room,
    cancel: &'a Cancel,
    /// Gets what is read.
    spool: Option<Spool<'a>>,
    /// What was read.
    count: u64,
}

impl<'a, R> Watched<'a, R> {
    fn new(input: R, path: &'a Path, room: &'a Room, cancel: &'a Cancel) -> Self {
        Self {
            input,
            path,
            room,
            cancel,
            spool: None,
            count: 0,
        }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let going_on = || go_on(self.cancel, "reading", self.path).map_err(io::Error::other);
        going_on()?;
        // A decoder has its own words for it when its input was cancelled.
        let count = self
            .input
            .read(buffer)
            .map_err(|error| going_on().err().unwrap_or(error))?;
        self.count = self.count.saturating_add(count as u64);
        let exceeded = self.count > self.room.archive_bytes();
        match &mut self.spool {
            Some(spool) => spool.take(&buffer[..count]),
            None if exceeded => Err(self.room.exceeded(self.path)),
            None => Ok(()),
        }
        .map_err(io::Error::other)?;
        Ok(count)
    }
}

/// A member's data in whole blocks: what lies between its pieces reads as zeros.
struct Covered<'a, R> {
    reader: &'a mut Reader<R>,
    wanted: &'a [Piece],
    /// Where it stands in the file.
    at: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were not given out, and where they belong.
    held: std::ops::Range<usize>,
    held_at: u64,
    ended: bool,
}

impl<'a, R: Read> Covered<'a, R> {
    fn new(reader: &'a mut Reader<R>, wanted: &'a [Piece]) -> Self {
        Self {
            reader,
            at: wanted.first().map_or(0, |piece| piece.offset),
            wanted,
            buffer: vec![0; 64 << 10],
            held: 0..0,
            held_at: 0,
            ended: false,
        }
    }
}

impl<R: Read> Read for Covered<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let Some(piece) = self.wanted.first() else {
            return Ok(0);
        };
        if self.held.is_empty() && !self.ended {
            match self.reader.data(&mut self.buffer)? {
                Some((offset, count)) => (self.held_at, self.held) = (offset, 0..count),
                None => self.ended = true,
            }
        }
        let end = piece.offset + piece.length;
        let zeros_to = if self.held.is_empty() {
            end
        } else {
            self.held_at.min(end)
        };
        let room = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX).min(out.len());
        let count = if self.at < zeros_to {
            let count = room(zeros_to - self.at);
            out[..count].fill(0);
            count
        } else {
            let count = room(end - self.at).min(self.held.len());
            let from = self.held.start..self.held.start + count;
            out[..count].copy_from_slice(&self.buffer[from]);
            self.held.start += count;
            self.held_at += count as u64;
            count
        };
        self.at += count as u64;
        if self.at == end {
            self.wanted = &self.wanted[1..];
            if let Some(next) = self.wanted.first() {
                self.at = next.offset;
            }
        }
        Ok(count)
    }
}
