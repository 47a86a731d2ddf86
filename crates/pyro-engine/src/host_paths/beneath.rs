//! Opening what is below a folder, and following no link on the way.
//!
//! Owns: that no name on the way can be swapped for a link that leads out:
//! the kernel resolves the whole path at once, or, where it cannot (before
//! Linux 5.6, and under filters that do not know the call), each name beside
//! the folder that was opened before it. Refuses: `..` and absolute paths.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

/// Opens `path` below `folder`; an empty path is the folder itself.
///
/// # Errors
/// ELOOP for a link anywhere in it, EXDEV for a path that is not below.
pub fn open(folder: impl AsFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let folder = folder.as_fd();
    let names = names(path)?;
    let path = if names.is_empty() {
        Path::new(".")
    } else {
        path
    };
    let flags = flags | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(folder, path, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => by_name(folder, &names, flags),
        opened => Ok(opened?),
    }
}

/// As [`open`] without that call.
fn by_name(folder: BorrowedFd, names: &[&OsStr], flags: OFlags) -> io::Result<OwnedFd> {
    let Some((last, before)) = names.split_last() else {
        return Ok(rustix::fs::openat(folder, ".", flags, Mode::empty())?);
    };
    let mut way: Option<OwnedFd> = None;
    for name in before {
        let at = way.as_ref().map_or(folder, AsFd::as_fd);
        way = Some(step(at, name)?);
    }
    let at = way.as_ref().map_or(folder, AsFd::as_fd);
    let opened = rustix::fs::openat(at, *last, flags | OFlags::NOFOLLOW, Mode::empty())?;
    // With O_PATH a link itself can be opened.
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode);
    if kind == FileType::Symlink {
        return Err(Errno::LOOP.into());
    }
    Ok(opened)
}

fn step(at: BorrowedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty()).map_err(|error| {
        let found = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW);
        let is_link =
            found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink);
        if is_link { Errno::LOOP } else { error }.into()
    })
}

/// The folder at `path` below `folder`, made with what is missing on the way.
///
/// # Errors
/// As [`open`]; whatever mkdir(2) can say.
pub fn make(folder: OwnedFd, path: &Path, mode: u32) -> io::Result<OwnedFd> {
    let mut at = folder;
    for name in names(path)? {
        at = match step(at.as_fd(), name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(mode)) {
                    Ok(()) | Err(Errno::EXIST) => step(at.as_fd(), name)?,
                    Err(error) => return Err(error.into()),
                }
            }
            found => found?,
        };
    }
    Ok(at)
}

fn names(path: &Path) -> io::Result<Vec<&OsStr>> {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| match part {
            Component::Normal(name) => Ok(name),
            _ => Err(Errno::XDEV.into()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::symlink;

    type Open = fn(BorrowedFd, &Path) -> io::Result<OwnedFd>;

    /// Both ways have to say the same.
    const WAYS: [Open; 2] = [
        |folder, path| open(folder, path, OFlags::PATH),
        |folder, path| by_name(folder, &names(path)?, OFlags::PATH | OFlags::CLOEXEC),
    ];

    #[test]
    fn what_is_below_is_opened_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        std::fs::write(dir.path().join("a/b/file"), "").unwrap();
        for (link, target) in [
            ("out", "/etc"),
            ("file-out", "/etc/passwd"),
            ("up", ".."),
            ("in", "a"),
            ("none", "nowhere"),
            ("magic", "/proc/self/root"),
        ] {
            symlink(target, dir.path().join(link)).unwrap();
        }
        let folder = File::open(dir.path()).unwrap();
        for way in WAYS {
            for good in ["", ".", "a", "a/b/", "./a/./b/file"] {
                way(folder.as_fd(), Path::new(good)).unwrap();
            }
            for link in [
                "out",
                "out/passwd",
                "file-out",
                "up",
                "in/b",
                "none",
                "magic/etc",
            ] {
                let error = way(folder.as_fd(), Path::new(link)).unwrap_err();
                assert_eq!(Errno::from_io_error(&error), Some(Errno::LOOP), "{link}");
            }
            for beside in ["..", "a/../..", "/etc", "a/.."] {
                let error = way(folder.as_fd(), Path::new(beside)).unwrap_err();
                assert_eq!(Errno::from_io_error(&error), Some(Errno::XDEV), "{beside}");
            }
        }
    }

    #[test]
    fn missing_folders_are_made_and_never_behind_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), dir.path().join("link")).unwrap();
        let folder = || OwnedFd::from(File::open(dir.path()).unwrap());
        make(folder(), Path::new("a/b"), 0o700).unwrap();
        make(folder(), Path::new("a/b/c"), 0o700).unwrap();
        assert!(dir.path().join("a/b/c").is_dir());
        let error = make(folder(), Path::new("link/x"), 0o700).unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::LOOP));
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
