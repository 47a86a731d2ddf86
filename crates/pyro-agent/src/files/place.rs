//! Where files are: one root, and every name resolved beneath it.
//!
//! Owns: opening folders and files below the root. Refuses: following any
//! symbolic link, leaving the root, and opening what is no regular file: a
//! FIFO would wait, a device might do something.
//!
//! ```text
//!   request --path::beneath--> "a/b/c" --openat2(beneath, no links)--> folder "a/b"
//!                                                    statat, openat(no link) "c"
//! ```

use super::fault::{about, at};
use crate::reply::failed;
use pyro_proto::messages::Failed;
use pyro_proto::messages::files::FileKind;
use pyro_proto::path::{PathText, beneath};
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, mkdirat, openat, openat2, statat,
};
use rustix::io::Errno;
use std::fs::File;
use std::path::Path;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);
/// How often a resolution that raced with renames is tried again.
const TRIES: usize = 32;

/// A folder beneath which everything happens.
pub struct Root {
    fd: OwnedFd,
}

impl From<OwnedFd> for Root {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl Root {
    /// Opens the workspace.
    pub fn open(path: &Path) -> Result<Self, Failed> {
        match rustix::fs::open(path, FOLDER, Mode::empty()) {
            Ok(fd) => Ok(Self { fd }),
            Err(errno) => {
                let message = format!("the workspace {} did not open: {errno}", path.display());
                Err(failed("io", message))
            }
        }
    }

    /// What a request's path means below the root.
    pub fn relative(path: &PathText) -> Result<Vec<u8>, Failed> {
        beneath(path.bytes()).map_err(|error| failed("bad_request", error.to_string()))
    }

    /// Opens a folder; the root for an empty name.
    pub fn folder(&self, name: &[u8]) -> Result<OwnedFd, Failed> {
        self.try_folder(name).map_err(at("opening", name))
    }

    fn try_folder(&self, name: &[u8]) -> Result<OwnedFd, Errno> {
        let name = if name.is_empty() { b"." } else { name };
        for _ in 0..TRIES {
            match openat2(&self.fd, name, FOLDER, Mode::empty(), BENEATH) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                done => return done,
            }
        }
        Err(Errno::AGAIN)
    }

    /// The folder of a name that is not empty, and its last component.
    pub fn parent<'a>(&self, name: &'a [u8]) -> Result<(OwnedFd, &'a [u8]), Failed> {
        let (folder, last) = split(name);
        if last.is_empty() {
            return Err(failed("wrong_kind", "the workspace itself is a directory"));
        }
        match self.try_folder(folder) {
            Ok(fd) => Ok((fd, last)),
            // The caller knows the name it asked for, not where it broke.
            Err(errno) => Err(at("opening the folder of", name)(errno)),
        }
    }

    /// A new root that is one of this one's folders.
    pub fn below(&self, name: &[u8]) -> Result<Self, Failed> {
        let fd = self.folder(name)?;
        Ok(Self { fd })
    }

    /// What is there; none when there is nothing.
    pub fn look(&self, name: &[u8]) -> Result<Option<Stat>, Failed> {
        if name.is_empty() {
            return fstat(&self.fd).map(Some).map_err(at("looking at", name));
        }
        match self.parent(name) {
            Ok((folder, last)) => look_at(&folder, last, name),
            Err(error) if error.code == "not_found" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a regular file for reading.
    pub fn file(&self, name: &[u8]) -> Result<(File, Stat), Failed> {
        let (folder, last) = self.parent(name)?;
        file_at(&folder, last, name)
    }

    /// Makes a folder and those above it; what it made goes to `made`.
    pub fn make_folders(&self, name: &[u8], made: &mut Vec<Vec<u8>>) -> Result<OwnedFd, Failed> {
        match self.try_folder(name) {
            Err(Errno::NOENT) => {}
            done => return done.map_err(at("opening", name)),
        }
        // One component after the other: a path may have thousands of them.
        let mut folder = self.folder(b"")?;
        let mut end = 0;
        for last in name.split(|byte| *byte == b'/') {
            end += last.len() + usize::from(end > 0);
            let here = &name[..end];
            let flags = FOLDER | OFlags::NOFOLLOW;
            folder = match openat(&folder, last, flags, Mode::empty()) {
                Err(Errno::NOENT) => {
                    match mkdirat(&folder, last, Mode::from_raw_mode(0o755)) {
                        Ok(()) => made.push(here.to_vec()),
                        Err(Errno::EXIST) => {}
                        Err(errno) => return Err(at("making", here)(errno)),
                    }
                    openat(&folder, last, flags, Mode::empty())
                }
                done => done,
            }
            .map_err(at("opening", here))?;
        }
        Ok(folder)
    }
}

/// The folder's name and the last component.
pub fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (b"", name),
    }
}

/// What a folder's entry is; none when there is none.
pub fn look_at(folder: &OwnedFd, last: &[u8], name: &[u8]) -> Result<Option<Stat>, Failed> {
    match statat(folder, last, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(at("looking at", name)(errno)),
    }
}

/// Opens a folder's entry for reading if it is a regular file.
pub fn file_at(folder: &OwnedFd, last: &[u8], name: &[u8]) -> Result<(File, Stat), Failed> {
    let stat =
        look_at(folder, last, name)?.ok_or_else(|| about("not_found", name, "does not exist"))?;
    want_file(&stat, name)?;
    // It may be another thing by now: hence no waiting, and a second look.
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = openat(folder, last, flags, Mode::empty()).map_err(at("opening", name))?;
    let stat = fstat(&fd).map_err(at("looking at", name))?;
    want_file(&stat, name)?;
    Ok((File::from(fd), stat))
}

fn want_file(stat: &Stat, name: &[u8]) -> Result<(), Failed> {
    let what = match kind(stat) {
        FileKind::File => return Ok(()),
        FileKind::Directory => "is a directory",
        FileKind::Symlink => "is a symbolic link",
        FileKind::Other => "is a device, a FIFO or a socket",
    };
    Err(about("wrong_kind", name, what))
}

/// What an entry is.
pub fn kind(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    }
}

/// Nanoseconds since the epoch, at the ends of what fits.
pub fn mtime_ns(stat: &Stat) -> i64 {
    let seconds = stat.st_mtime.saturating_mul(1_000_000_000);
    seconds.saturating_add(stat.st_mtime_nsec as i64)
}
