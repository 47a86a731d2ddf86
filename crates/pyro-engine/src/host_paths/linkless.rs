//! Paths without links, opened without following one.
//!
//! A path whose links are resolved has none. Opened by these, it leads where
//! it led when it was checked, or nowhere: a link that is swapped in, at the
//! end or on the way, is refused.
//!
//! Owns: opening them. Refuses: resolving them ([`super::HostPaths::find`]).

use super::beneath;
use rustix::fs::OFlags;
use std::fs::{File, ReadDir};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Opens a file for reading, without waiting for whoever writes a FIFO.
///
/// # Errors
/// ELOOP for a link anywhere in `path`.
pub fn file(path: &Path) -> io::Result<File> {
    Ok(open(path, OFlags::NONBLOCK | OFlags::NOCTTY)?.into())
}

/// What is in a folder. Names and metadata of the entries are good, their
/// paths are not.
///
/// # Errors
/// ELOOP for a link anywhere in `path`.
pub fn entries(path: &Path) -> io::Result<ReadDir> {
    std::fs::read_dir(own_name(&open(path, OFlags::DIRECTORY)?))
}

/// Where a link leads.
///
/// # Errors
/// ELOOP for a link on the way to it, EINVAL when it is none.
pub fn target(path: &Path) -> io::Result<PathBuf> {
    let folder = open(path.parent().unwrap_or(Path::new("/")), OFlags::PATH)?;
    let name = path.file_name().unwrap_or_default();
    let target = rustix::fs::readlinkat(&folder, name, Vec::new())?;
    Ok(std::ffi::OsString::from_vec(target.into_bytes()).into())
}

pub(super) fn open(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let below = path.strip_prefix("/").map_err(io::Error::other)?;
    beneath::open(File::open("/")?, below, flags)
}

/// A name for a descriptor that other programs of this user can use, too.
pub(super) fn own_name(held: &OwnedFd) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), held.as_raw_fd()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_that_takes_a_name_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (named, outside) = (root.join("named"), root.join("outside"));
        for folder in [&outside, &named] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("file"), folder.to_str().unwrap()).unwrap();
            symlink("where", folder.join("link")).unwrap();
        }
        let read = |path| std::io::read_to_string(file(path).unwrap()).unwrap();
        assert_eq!(read(&named.join("file")), named.to_str().unwrap());
        assert_eq!(entries(&named).unwrap().count(), 2);
        assert_eq!(target(&named.join("link")).unwrap(), Path::new("where"));
        std::fs::rename(&named, root.join("moved")).unwrap();
        symlink(&outside, &named).unwrap();
        assert!(file(&named.join("file")).is_err());
        assert!(entries(&named).is_err());
        assert!(target(&named.join("link")).is_err());
        assert!(file(&outside.join("link")).is_err());
    }
}
