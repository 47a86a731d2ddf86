//! A tree in memory that carries patches out.
//!
//! Owns: what a careful writer would do. Refuses: paths through a file.

use crate::patch::{Applied, ApplyError, Node, Outcome, Report, apply, parse};
use std::collections::BTreeMap;

/// Files and symlinks by path; folders are implied.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree(pub(crate) BTreeMap<Vec<u8>, Node>);

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (path, node) in &self.0 {
            write!(f, "\n{}: ", path.escape_ascii())?;
            match node {
                Node::File { bytes, executable } => {
                    write!(f, "{} {executable}", bytes.escape_ascii())?;
                }
                Node::Symlink { target } => write!(f, "-> {}", target.escape_ascii())?,
                other => write!(f, "{other:?}")?,
            }
        }
        Ok(())
    }
}

/// A plain file.
pub(crate) fn file(bytes: impl AsRef<[u8]>) -> Node {
    Node::File {
        bytes: bytes.as_ref().to_vec(),
        executable: false,
    }
}

/// A symlink.
pub(crate) fn link(target: &str) -> Node {
    Node::Symlink {
        target: target.as_bytes().to_vec(),
    }
}

impl Tree {
    pub(crate) fn of<const N: usize>(nodes: [(&str, Node); N]) -> Self {
        let own = |(path, node): (&str, Node)| (path.as_bytes().to_vec(), node);
        Self(nodes.into_iter().map(own).collect())
    }

    pub(crate) fn read(&self, path: &[u8]) -> Option<Node> {
        let below = [path, b"/"].concat();
        let folder = || self.0.keys().any(|key| key.starts_with(&below));
        self.0
            .get(path)
            .cloned()
            .or_else(|| folder().then_some(Node::Folder))
    }

    /// Carries changes out, as a file system would: nothing below a file.
    pub(crate) fn carry_out(&mut self, applied: &Applied) {
        for change in &applied.changes {
            let node = match change.outcome.clone() {
                Outcome::Delete => {
                    assert!(self.0.remove(&change.path).is_some(), "{change:?}");
                    continue;
                }
                Outcome::Write { bytes, executable } => Node::File { bytes, executable },
                Outcome::Symlink { target } => Node::Symlink { target },
            };
            for (at, byte) in change.path.iter().enumerate() {
                let through = *byte == b'/' && self.0.contains_key(&change.path[..at]);
                assert!(!through, "{change:?}");
            }
            self.0.insert(change.path.clone(), node);
        }
    }

    /// Parses and applies; the tree after it.
    pub(crate) fn patched(&self, patch: impl AsRef<[u8]>) -> Result<Self, Report> {
        let applied = self.try_apply(patch)?;
        let mut new = self.clone();
        new.carry_out(&applied);
        Ok(new)
    }

    pub(crate) fn try_apply(&self, patch: impl AsRef<[u8]>) -> Result<Applied, Report> {
        let patch = patch.as_ref();
        let parsed = parse(patch)
            .unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(patch)));
        apply(&parsed, |path| Ok(self.read(path))).map_err(|error| match error {
            ApplyError::Rejected(report) => report,
            ApplyError::Read(error) => panic!("{error}"),
        })
    }
}
