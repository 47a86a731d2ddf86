//! From the kernel's errors to the words of a failure.
//!
//! Owns: which code an errno has, and naming the path. Refuses: errors that
//! are not about files.

use crate::reply::failed;
use pyro_proto::messages::Failed;
use pyro_proto::path::PathText;
use rustix::io::Errno;
use std::io;

/// A failure about one path.
pub fn about(code: &str, path: &[u8], what: &str) -> Failed {
    failed(code, format!("{:?} {what}", PathText::from(path)))
}

/// Makes the kernel's error about `path` a failure.
pub fn at<'a>(doing: &'a str, path: &'a [u8]) -> impl Fn(Errno) -> Failed + 'a {
    move |errno| {
        let code = match errno {
            Errno::NOENT => "not_found",
            Errno::LOOP => return about("symlink", path, "passes through a symbolic link"),
            Errno::XDEV => return about("bad_request", path, "leaves the workspace"),
            Errno::NAMETOOLONG => "bad_request",
            Errno::NOTDIR | Errno::ISDIR | Errno::NOTEMPTY => "wrong_kind",
            Errno::EXIST => "conflict",
            Errno::NOSPC | Errno::DQUOT => "no_space",
            _ => "io",
        };
        let path = PathText::from(path);
        failed(code, format!("{doing} {path:?} failed: {errno}"))
    }
}

/// The same for an error of `std`, which may be one of the host's stream.
pub fn io<'a>(doing: &'a str, path: &'a [u8]) -> impl Fn(io::Error) -> Failed + 'a {
    move |error| match Errno::from_io_error(&error) {
        Some(errno) => at(doing, path)(errno),
        None => {
            let code = match error.kind() {
                io::ErrorKind::UnexpectedEof => "incomplete",
                io::ErrorKind::InvalidInput => "bad_request",
                io::ErrorKind::InvalidData => "archive",
                _ => "io",
            };
            let path = PathText::from(path);
            failed(code, format!("{doing} {path:?} failed: {error}"))
        }
    }
}
