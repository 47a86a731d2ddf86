//! What a guest's answer about a path may be.
//!
//! Owns: that names are plain, below what was asked for, and in order; that
//! kinds, sizes and targets fit each other. Refuses: repairing anything.
//!
//! ```text
//!   asked "a"   ok "a/b", "a/b/c", "a/d"    not "b", "a/../b", "/a/b", "a//b", "a/b" twice
//! ```

use super::exchange::lie;
use crate::error::Result;
use pyro_proto::messages::files::{Entry, FileKind};
use pyro_proto::path::{PathText, components};

/// Whether a name is plain and `top` or below it.
pub fn name(path: &PathText, top: &[u8]) -> Result<()> {
    let bytes = path.bytes();
    let plain = !bytes.is_empty()
        && bytes[0] != b'/'
        && !bytes.contains(&0)
        && components(bytes).is_some_and(|joined| joined == bytes);
    if plain && (bytes == top || below(bytes, top)) {
        Ok(())
    } else {
        Err(lie(format!("it names {path:?}")))
    }
}

/// Whether `path` is strictly below `top`.
pub fn below(path: &[u8], top: &[u8]) -> bool {
    top.is_empty() || (path.starts_with(top) && path.get(top.len()) == Some(&b'/'))
}

/// Checks a listing's entries one after the other.
pub struct Listing {
    /// What was asked for.
    pub top: Vec<u8>,
    /// Whether it was asked for with everything below.
    pub recursive: bool,
    /// The entry before.
    pub last: Option<Vec<u8>>,
}

impl Listing {
    /// The next one.
    pub fn check(&mut self, entry: &Entry) -> Result<()> {
        name(&entry.path, &self.top)?;
        let path = entry.path.bytes();
        let inside = &path[self.top.len()..];
        let deep = inside.strip_prefix(b"/").unwrap_or(inside).contains(&b'/');
        let bad = |what: &str| Err(lie(format!("{:?} {what}", entry.path)));
        if !self.recursive && deep {
            return bad("is deeper than was asked for");
        }
        if self.last.as_ref().is_some_and(|last| !before(last, path)) {
            return bad("is out of order");
        }
        let target = entry
            .target
            .as_ref()
            .map(|target| target.bytes().len() as u64);
        let size_fits = match entry.kind {
            FileKind::File => entry.size <= i64::MAX as u64,
            FileKind::Symlink => target == Some(entry.size),
            FileKind::Directory | FileKind::Other => entry.size == 0,
        };
        let is_link = entry.kind == FileKind::Symlink;
        if !size_fits || target.is_some() != is_link || entry.mode > 0o7777 {
            return bad("does not fit together");
        }
        self.last = Some(path.to_vec());
        Ok(())
    }
}

/// The order of a walk: component by component.
pub fn before(a: &[u8], b: &[u8]) -> bool {
    a.split(|byte| *byte == b'/')
        .lt(b.split(|byte| *byte == b'/'))
}

/// Whether it is a SHA-256 in lower-case hex.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
