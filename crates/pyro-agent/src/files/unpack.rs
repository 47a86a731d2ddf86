//! Unpacking an archive over what is there.
//!
//! Owns: what each member may become. Refuses: names that are absolute or
//! hold `..`, devices and FIFOs, passing through a symbolic link, one kind of
//! thing in place of another, hard links to anything but a file below the
//! destination, and rights lent by setuid and setgid. A link's own target is
//! data: it may say anything, since nobody here follows it.
//!
//! ```text
//!   file      over nothing, file      beside it, then renamed
//!   folder    over nothing, folder    mode and time set when its members are done
//!   symlink   over nothing, symlink   likewise renamed; all else: conflict
//! ```

use super::channels::{Contents, Out};
use super::fault::{about, at, io};
use super::folders::MadeFolders;
use super::place::{Root, kind, look_at, split};
use super::prune::{self, Named};
use super::read::BUFFER_BYTES;
use super::stage::Temporary;
use pyro_proto::Stream;
use pyro_proto::messages::Failed;
use pyro_proto::messages::files::{FileKind, PutArchive, Unpacked};
use pyro_proto::path::components;
use pyro_proto::tar::{Kind, Member, Reader};
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Mode, Timespec, Timestamps, UTIME_OMIT, fchmod, futimens, linkat, mkdirat, utimensat,
};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

/// Carries the request out.
pub fn run(root: &Root, wanted: &PutArchive, stream: &Stream) -> Result<Unpacked, Failed> {
    let path = Root::relative(&wanted.destination)?;
    let mut made = MadeFolders::new(root);
    made.open(&path)?;
    // A refused archive stays where it got to; the folder is its place.
    made.keep();
    let destination = root.below(&path)?;
    let mut unpack = Unpack {
        root: &destination,
        folder: None,
        open: Vec::new(),
        named: wanted.delete_missing.then(Named::default),
        done: Unpacked {
            entry_count: 0,
            bytes_written: 0,
            deleted: 0,
        },
        buffer: vec![0; BUFFER_BYTES],
    };
    let mut reader = Reader::new(Contents::new(stream, wanted.size));
    while let Some(member) = reader
        .next_member()
        .map_err(io("reading the archive for", &path))?
    {
        unpack.member(&member, &mut reader)?;
    }
    unpack.finish_folders(None)?;
    let mut rest = reader.into_rest();
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(io("reading the archive for", &path))?;
    let mut done = unpack.done;
    if let Some(named) = unpack.named {
        let mut out = Out::new(stream);
        done.deleted = prune::run(&destination, &path, named, &mut out)?;
        out.finish()?;
    }
    Ok(done)
}

struct Unpack<'a> {
    root: &'a Root,
    /// The folder of the last member.
    folder: Option<(Vec<u8>, Rc<OwnedFd>)>,
    /// Folders whose members may still come: name, mode, time.
    open: Vec<(Vec<u8>, u32, (i64, u32))>,
    named: Option<Named>,
    done: Unpacked,
    buffer: Vec<u8>,
}

impl Unpack<'_> {
    fn member(&mut self, member: &Member, reader: &mut Reader<Contents<'_>>) -> Result<(), Failed> {
        let name = inside(&member.name)
            .ok_or_else(|| about("archive", &member.name, "is no name inside an archive"))?;
        self.done.entry_count += 1;
        if name.is_empty() {
            // The destination itself, whose mode is not the archive's to set.
            return match member.kind {
                Kind::Folder => Ok(()),
                _ => Err(about("archive", &member.name, "is no directory")),
            };
        }
        self.finish_folders(Some(&name))?;
        let (above, last) = split(&name);
        let folder = self.folder(above)?;
        if let Some(named) = &mut self.named {
            named.add(&name);
        }
        match &member.kind {
            Kind::Folder => self.make_folder(&folder, last, name.clone(), member),
            Kind::File => self.file(&folder, last, &name, member, reader),
            Kind::Symlink(target) => link(&folder, last, &name, target, member),
            Kind::HardLink(target) => self.hard_link(&folder, last, &name, target),
            Kind::Other(letter) => {
                let what = match letter {
                    b'3' | b'4' => "is a device, which is not unpacked".into(),
                    b'6' => "is a FIFO, which is not unpacked".into(),
                    other => format!("is of type {:?}, which is unknown", char::from(*other)),
                };
                Err(about("archive", &name, &what))
            }
        }
    }

    fn folder(&mut self, above: &[u8]) -> Result<Rc<OwnedFd>, Failed> {
        if let Some((path, folder)) = &self.folder
            && path == above
        {
            return Ok(folder.clone());
        }
        let folder = Rc::new(self.root.make_folders(above, &mut Vec::new())?);
        if let Some(named) = &mut self.named {
            let mut path = above;
            while !path.is_empty() {
                named.add(path);
                path = split(path).0;
            }
        }
        self.folder = Some((above.to_vec(), folder.clone()));
        Ok(folder)
    }

    fn make_folder(
        &mut self,
        folder: &OwnedFd,
        last: &[u8],
        name: Vec<u8>,
        member: &Member,
    ) -> Result<(), Failed> {
        match look_at(folder, last, &name)?.map(|stat| kind(&stat)) {
            None => mkdirat(folder, last, Mode::RWXU).map_err(at("making", &name))?,
            Some(FileKind::Directory) => {}
            Some(other) => return Err(conflict(&name, other)),
        }
        self.open.push((name, member.mode & 0o1777, member.mtime));
        Ok(())
    }

    /// Sets mode and time of the folders that `next` is not below.
    fn finish_folders(&mut self, next: Option<&[u8]>) -> Result<(), Failed> {
        while let Some((path, mode, mtime)) = self.open.pop_if(|(path, ..)| {
            next.is_none_or(|next| !(next.starts_with(path) && next.get(path.len()) == Some(&b'/')))
        }) {
            let folder = self.root.folder(&path)?;
            fchmod(&folder, Mode::from_raw_mode(mode)).map_err(at("setting the mode of", &path))?;
            futimens(&folder, &times(mtime)).map_err(at("setting the time of", &path))?;
        }
        Ok(())
    }

    fn file(
        &mut self,
        folder: &Rc<OwnedFd>,
        last: &[u8],
        name: &[u8],
        member: &Member,
        reader: &mut Reader<Contents<'_>>,
    ) -> Result<(), Failed> {
        free(folder, last, name, FileKind::File)?;
        let (temporary, file) = Temporary::file(folder, name)?;
        while let Some((offset, count)) = reader
            .data(&mut self.buffer)
            .map_err(io("receiving", name))?
        {
            file.write_all_at(&self.buffer[..count], offset)
                .map_err(io("writing", name))?;
        }
        // A file may end in a hole.
        file.set_len(member.size).map_err(io("writing", name))?;
        fchmod(&file, Mode::from_raw_mode(member.mode & 0o777))
            .map_err(at("setting the mode of", name))?;
        futimens(&file, &times(member.mtime)).map_err(at("setting the time of", name))?;
        temporary.place(last, true, name)?;
        self.done.bytes_written = self.done.bytes_written.saturating_add(member.size);
        Ok(())
    }

    fn hard_link(
        &self,
        folder: &Rc<OwnedFd>,
        last: &[u8],
        name: &[u8],
        target: &[u8],
    ) -> Result<(), Failed> {
        let old = inside(target)
            .filter(|old| !old.is_empty())
            .ok_or_else(|| about("archive", target, "is no name inside an archive"))?;
        let (old_folder, old_last) = self.root.parent(&old)?;
        let stat = look_at(&old_folder, old_last, &old)?
            .filter(|stat| kind(stat) == FileKind::File)
            .ok_or_else(|| about("archive", &old, "is linked to but is no file"))?;
        free(folder, last, name, FileKind::File)?;
        if let Some(there) = look_at(folder, last, name)?
            && (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino)
        {
            // rename(2) leaves both names of one file, so nothing is to be done.
            return Ok(());
        }
        let (temporary, ()) = Temporary::make(folder, name, |free| {
            linkat(&old_folder, old_last, folder, free, AtFlags::empty())
        })?;
        temporary.place(last, true, name)
    }
}

fn link(
    folder: &Rc<OwnedFd>,
    last: &[u8],
    name: &[u8],
    target: &[u8],
    member: &Member,
) -> Result<(), Failed> {
    if target.is_empty() || target.contains(&0) {
        return Err(about("archive", name, "is a symbolic link to nothing"));
    }
    free(folder, last, name, FileKind::Symlink)?;
    let temporary = Temporary::link(folder, name, target)?;
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    utimensat(folder, temporary.name(), &times(member.mtime), flags)
        .map_err(at("setting the time of", name))?;
    temporary.place(last, true, name)
}

/// A member's name below the destination; none when it leads elsewhere.
fn inside(name: &[u8]) -> Option<Vec<u8>> {
    if name.is_empty() || name[0] == b'/' || name.contains(&0) {
        return None;
    }
    components(name)
}

/// Whether the name is free for this kind.
fn free(folder: &OwnedFd, last: &[u8], name: &[u8], wanted: FileKind) -> Result<(), Failed> {
    match look_at(folder, last, name)?.map(|stat| kind(&stat)) {
        Some(other) if other != wanted => Err(conflict(name, other)),
        _ => Ok(()),
    }
}

fn conflict(name: &[u8], there: FileKind) -> Failed {
    let what = match there {
        FileKind::File => "is a file here and something else in the archive",
        FileKind::Directory => "is a directory here and something else in the archive",
        FileKind::Symlink => "is a symbolic link here and something else in the archive",
        FileKind::Other => "is a device, a FIFO or a socket here",
    };
    about("conflict", name, what)
}

fn times((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: i64::from(nanoseconds),
        },
    }
}
