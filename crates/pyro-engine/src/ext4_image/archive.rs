//! An archive as a tree.
//!
//! Owns: what each member may become; the archive is read twice, once for
//! the names and once for the contents, and nothing of it ever becomes a path
//! of the host. Refuses: devices and FIFOs unless it is to be a disk, names that leave the tree, a way
//! through a link, a hard link to nothing.

use super::tree::{Attributes, File as Inode, Meta, Node, Special, Tree, clean};
use super::{Contents, Fill};
use crate::error::{Error, Result};
use pyro_proto::tar::{Kind, Member, Piece, Reader};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

/// An archive that was looked at.
pub struct Archive {
    tar: File,
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
    /// `bad_archive` naming the member, `io`.
    pub fn look(tar: File, path: &Path, kept: Kept) -> Result<Self> {
        let modified = tar.metadata().and_then(|found| found.modified());
        let since_epoch = modified.ok().and_then(|time| {
            time.duration_since(std::time::SystemTime::UNIX_EPOCH)
                .ok()
                .and_then(|time| i64::try_from(time.as_secs()).ok())
        });
        let mut archive = Self {
            tar,
            path: path.to_owned(),
            kept,
            tree: Tree::new(Meta {
                mode: 0o755,
                owner: (0, 0),
                mtime: (since_epoch.unwrap_or(0), 0),
            }),
        };
        let mut reader = archive.reader()?;
        while let Some(member) = reader
            .next_member()
            .map_err(|error| archive.broken(&error))?
        {
            archive
                .member(&member, &reader)
                .map_err(|why| archive.refused(&member, &why))?;
        }
        Ok(archive)
    }

    fn reader(&self) -> Result<Reader<BufReader<File>>> {
        let failed = Error::io("read", &self.path);
        let opened = self.tar.try_clone().and_then(|mut tar| {
            tar.rewind()?;
            Ok(Reader::new(BufReader::with_capacity(256 << 10, tar)))
        });
        opened.map_err(failed)
    }

    fn broken(&self, error: &std::io::Error) -> Error {
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
                Node::File(self.tree.add_file(file))
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
            self.tree.set_attributes(&path, attributes);
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
        let mut reader = self.reader()?;
        let mut number = 0;
        while let Some(member) = reader.next_member().map_err(|error| self.broken(&error))? {
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
