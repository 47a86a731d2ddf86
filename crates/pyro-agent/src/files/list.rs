//! Listing.
//!
//! Owns: what is said about an entry. Refuses: nothing of what is there: a
//! device or socket is an entry like any other.

use super::channels::Out;
use super::fault::{about, at};
use super::place::{Root, kind, mtime_ns};
use super::walk::Walk;
use crate::reply::failed;
use pyro_proto::Stream;
use pyro_proto::messages::Failed;
use pyro_proto::messages::files::{Entry, FileKind, ListFiles, Listed};
use pyro_proto::path::PathText;
use rustix::fd::OwnedFd;
use rustix::fs::{Stat, readlinkat};
use rustix::io::Errno;

/// Lists, line by line.
pub fn run(root: &Root, wanted: &ListFiles, stream: &Stream) -> Result<Listed, Failed> {
    if wanted.limit == 0 {
        return Err(failed("bad_request", "a listing of 0 entries says nothing"));
    }
    let path = Root::relative(&wanted.path)?;
    let stat = root
        .look(&path)?
        .ok_or_else(|| about("not_found", &path, "does not exist"))?;
    let mut out = Out::new(stream);
    let mut listed = Listed {
        entries: 0,
        truncated: false,
    };
    if kind(&stat) != FileKind::Directory {
        let (folder, last) = root.parent(&path)?;
        if let Some(entry) = entry(&folder, last, &path, &stat)? {
            out.line(&entry)?;
            listed.entries = 1;
        }
        out.finish()?;
        return Ok(listed);
    }
    let mut walk = Walk::new(root, &path)?;
    while let Some(found) = walk.next()? {
        if listed.entries == wanted.limit {
            listed.truncated = true;
            break;
        }
        if let Some(entry) = entry(walk.folder()?, found.name(), &found.path, &found.stat)? {
            out.line(&entry)?;
            listed.entries += 1;
        }
        if wanted.recursive && found.kind == FileKind::Directory {
            walk.enter(&found)?;
        }
    }
    out.finish()?;
    Ok(listed)
}

/// None for a link that is gone by now.
fn entry(folder: &OwnedFd, last: &[u8], path: &[u8], stat: &Stat) -> Result<Option<Entry>, Failed> {
    let kind = kind(stat);
    let target = match kind {
        FileKind::Symlink => match readlinkat(folder, last, Vec::new()) {
            Ok(target) => Some(target.into_bytes()),
            Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
            Err(errno) => return Err(at("reading the link", path)(errno)),
        },
        _ => None,
    };
    let size = match (kind, &target) {
        (FileKind::File, _) => stat.st_size as u64,
        (FileKind::Symlink, Some(target)) => target.len() as u64,
        _ => 0,
    };
    Ok(Some(Entry {
        path: path.into(),
        kind,
        size,
        mode: stat.st_mode & 0o7777,
        mtime_ns: mtime_ns(stat),
        target: target.map(PathText),
    }))
}
