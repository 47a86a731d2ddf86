//! Folders made on the way to a change.
//!
//! Owns: taking them back when the change does not happen. Refuses: removing
//! one that was there before or holds something by then.

use super::place::Root;
use pyro_proto::messages::Failed;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, unlinkat};

/// Folders that go again unless they are kept.
pub struct MadeFolders<'a> {
    root: &'a Root,
    made: Vec<Vec<u8>>,
}

impl<'a> MadeFolders<'a> {
    /// None yet.
    pub fn new(root: &'a Root) -> Self {
        let made = Vec::new();
        Self { root, made }
    }

    /// Opens a folder, and makes it and those above it when missing.
    pub fn open(&mut self, path: &[u8]) -> Result<OwnedFd, Failed> {
        self.root.make_folders(path, &mut self.made)
    }

    /// From here on they stay.
    pub fn keep(&mut self) {
        self.made.clear();
    }
}

impl Drop for MadeFolders<'_> {
    fn drop(&mut self) {
        while let Some(path) = self.made.pop() {
            if let Ok((folder, last)) = self.root.parent(&path) {
                // Fails on one that is in use by now, which is as it should be.
                let _ = unlinkat(&folder, last, AtFlags::REMOVEDIR);
            }
        }
    }
}
