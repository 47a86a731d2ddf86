//! What must be true before a name changes.
//!
//! Owns: comparing a request's expectation with what is there, and noticing
//! that it changed between the check and the change. Refuses: one kind of
//! thing in place of another, unless the request says what is there.

use super::fault::{about, at};
use super::place::{file_at, kind, look_at};
use super::read::sha256;
use crate::reply::failed;
use pyro_proto::Stream;
use pyro_proto::messages::Failed;
use pyro_proto::messages::files::{Expect, FileKind};
use rustix::fd::OwnedFd;
use rustix::fs::{Stat, readlinkat};

/// A name as it was checked.
pub struct Seen {
    /// What was there.
    pub stat: Option<Stat>,
    strict: bool,
}

impl Seen {
    /// Checks that `path`, in its open folder, is as expected and of one of
    /// these kinds, if there is anything.
    pub fn check(
        folder: &OwnedFd,
        last: &[u8],
        path: &[u8],
        expect: &Expect,
        kinds: &[FileKind],
        stream: &Stream,
    ) -> Result<Self, Failed> {
        let stat = look_at(folder, last, path)?;
        match (expect, &stat) {
            (Expect::Absent, Some(_)) => return Err(about("conflict", path, "exists already")),
            (Expect::Sha256(_) | Expect::Link(_), None) => {
                return Err(about("conflict", path, "does not exist"));
            }
            _ => {}
        }
        if let Some(stat) = &stat {
            let kind = kind(stat);
            let named = match expect {
                Expect::Sha256(_) => Some(FileKind::File),
                Expect::Link(_) => Some(FileKind::Symlink),
                Expect::Anything | Expect::Absent => None,
            };
            match named {
                Some(named) if named != kind => {
                    return Err(about("conflict", path, "is of another kind than expected"));
                }
                None if !kinds.contains(&kind) => {
                    return Err(about("wrong_kind", path, refused(kind)));
                }
                _ => {}
            }
        }
        if let Expect::Sha256(wanted) = expect {
            let plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            if wanted.len() != 64 || !wanted.bytes().all(plain) {
                let message = format!("`{wanted}` is no SHA-256 in lower-case hex");
                return Err(failed("bad_request", message));
            }
            let (mut file, _) = file_at(folder, last, path)?;
            let over = || match stream.over() {
                Some(error) => Err(failed("internal", error.to_string())),
                None => Ok(()),
            };
            let found = sha256(&mut file, path, over)?;
            if found != *wanted {
                let what = format!("has SHA-256 {found}, {wanted} was expected");
                return Err(about("conflict", path, &what));
            }
        }
        if let Expect::Link(wanted) = expect {
            let found = readlinkat(folder, last, Vec::new()).map_err(at("reading", path))?;
            if found.as_bytes() != wanted.bytes() {
                let what = format!("is a link to {found:?}, {wanted:?} was expected");
                return Err(about("conflict", path, &what));
            }
        }
        let strict = *expect != Expect::Anything;
        Ok(Self { stat, strict })
    }

    /// Looks again, just before the change: with an expectation it must be the
    /// very same file, else one of the same kind.
    pub fn still(&self, folder: &OwnedFd, last: &[u8], path: &[u8]) -> Result<(), Failed> {
        let now = look_at(folder, last, path)?;
        let same = match (&self.stat, &now) {
            (None, None) => true,
            (Some(then), Some(now)) if self.strict => identity(then) == identity(now),
            (Some(then), Some(now)) => kind(then) == kind(now),
            (None, Some(now)) => !self.strict && kind(now) == FileKind::File,
            (Some(_), None) => !self.strict,
        };
        if same {
            Ok(())
        } else {
            Err(about("conflict", path, "changed meanwhile"))
        }
    }

    /// Whether whatever has the name by then may be replaced.
    pub fn may_replace(&self) -> bool {
        self.stat.is_some() || !self.strict
    }
}

fn refused(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "is a file and is not replaced",
        FileKind::Directory => "is a directory and is not replaced",
        FileKind::Symlink => "is a symbolic link and is not replaced",
        FileKind::Other => "is a device, a FIFO or a socket and is not replaced",
    }
}

/// What changes with every change of a file.
pub fn identity(stat: &Stat) -> [i128; 5] {
    let time = |seconds: i64, nanoseconds: u64| {
        i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
    };
    [
        i128::from(stat.st_dev),
        i128::from(stat.st_ino),
        i128::from(stat.st_size),
        time(stat.st_mtime, stat.st_mtime_nsec),
        time(stat.st_ctime, stat.st_ctime_nsec),
    ]
}
