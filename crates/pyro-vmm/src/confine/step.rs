//! What the child does, in order, to make a view.
//!
//! Owns: the steps, with every string ready before the fork. Refuses: deciding
//! which ones (`view.rs`, `jail.rs`) and carrying them out (`child.rs`).

use std::ffi::CString;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where the new root is put together. Every Linux has the folder, and no
/// confined program needs what is normally there.
pub(super) const STAGING: &std::ffi::CStr = c"/sys";

/// One step of building the view, below [`STAGING`].
pub(super) enum Step {
    Folder(CString),
    Link {
        target: CString,
        path: CString,
    },
    /// Binds a folder or a file (for which an empty file is made first).
    Bind {
        from: CString,
        path: CString,
        is_file: bool,
    },
    /// A character device, made anew where the level allows it, else bound.
    Device {
        from: CString,
        path: CString,
        number: u64,
    },
    Proc(CString),
    /// A copy of a file that cannot be mounted.
    Copy {
        fd: RawFd,
        length: u64,
        path: CString,
    },
    /// Binds a socket to a name anyone in the view may connect to.
    Listen {
        fd: RawFd,
        path: CString,
    },
    Own {
        path: CString,
        uid: u32,
    },
    /// Tells an inotify instance what is made in a folder.
    Watch {
        fd: RawFd,
        path: CString,
    },
}

/// Where a path of the view is while it is put together.
pub(super) fn staged(name: &Path) -> CString {
    text(&Path::new("/sys").join(name))
}

pub(super) fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}
