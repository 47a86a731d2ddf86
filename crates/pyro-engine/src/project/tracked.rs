//! The names Git tracks below a work tree, submodules included.
//!
//! Owns: asking git for them, repository by repository. Refuses: looking at
//! the files (workspaces/seed/tracked.rs), and any that are not tracked.

use super::FALLBACKS;
use super::git::{self, Patience};
use super::listing::{self, Entry, Kind};
use crate::error::{Error, Result};
use crate::events::Cancel;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Submodules within submodules.
const MOST_LEVELS: usize = 32;

/// What is tracked.
pub struct Tracked {
    /// In the order of the index; those of a submodule in its place.
    pub entries: Vec<Entry>,
    /// Submodules that are checked out: their folders.
    pub submodules: Vec<Vec<u8>>,
    /// The same again means the same indexes.
    pub print: [u8; 32],
}

impl Tracked {
    /// Files and links, also those that are not there.
    pub fn file_count(&self) -> u64 {
        let leaves = self.entries.iter().filter(|entry| entry.kind == Kind::Leaf);
        leaves.count() as u64
    }
}

/// Lists a work tree by its top level.
///
/// # Errors
/// `git_missing`, `git_timeout`, `project_broken`, `cancelled`.
pub fn list(root: &Path, cancel: &Cancel) -> Result<Tracked> {
    let mut listing = Listing {
        root,
        found: Tracked {
            entries: Vec::new(),
            submodules: Vec::new(),
            print: [0; 32],
        },
        hash: Sha256::new(),
        cancel,
    };
    listing.below(&[], 0)?;
    listing.found.print = listing.hash.finalize().into();
    Ok(listing.found)
}

struct Listing<'a> {
    root: &'a Path,
    found: Tracked,
    hash: Sha256,
    cancel: &'a Cancel,
}

impl Listing<'_> {
    fn below(&mut self, prefix: &[u8], level: usize) -> Result<()> {
        let root = beneath(self.root, prefix);
        if level > MOST_LEVELS {
            return Err(broken(&root, "it is a submodule in too many others"));
        }
        let asked = git::run(
            git::in_work_tree(&root).args(["ls-files", "-t", "-s", "-z"]),
            Patience::LOCAL,
            self.cancel,
        )?;
        let text = asked.output().map_err(|why| broken(&root, &why))?;
        self.hash.update((prefix.len() as u64).to_le_bytes());
        self.hash.update(prefix);
        self.hash.update((text.len() as u64).to_le_bytes());
        self.hash.update(&text);
        for mut entry in listing::parse(&text).map_err(|why| broken(&root, &why))? {
            if !prefix.is_empty() {
                entry.path = [prefix, b"/", &entry.path].concat();
            }
            let nested = entry.kind == Kind::Submodule
                && beneath_without_links(self.root, &entry.path)
                    .is_some_and(|folder| folder.join(".git").exists());
            let path = nested.then(|| entry.path.clone());
            self.found.entries.push(entry);
            if let Some(path) = path {
                self.below(&path, level + 1)?;
                self.found.submodules.push(path);
            }
        }
        Ok(())
    }
}

/// The commit a work tree is at; none before its first one.
///
/// # Errors
/// As [`list`].
pub fn head(root: &Path, cancel: &Cancel) -> Result<Option<String>> {
    let words = ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"];
    let asked = git::run(git::in_work_tree(root).args(words), Patience::LOCAL, cancel)?;
    let text = asked.output().unwrap_or_default();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    Ok((!text.is_empty()).then_some(text))
}

/// A path of the listing on this host.
pub fn beneath(root: &Path, path: &[u8]) -> PathBuf {
    if path.is_empty() {
        return root.to_owned();
    }
    root.join(OsStr::from_bytes(path))
}

/// The same, when every part of it is a folder and not a link to one.
fn beneath_without_links(root: &Path, path: &[u8]) -> Option<PathBuf> {
    let mut at = root.to_owned();
    for part in path.split(|byte| *byte == b'/') {
        at.push(OsStr::from_bytes(part));
        let found = std::fs::symlink_metadata(&at).ok()?;
        found.is_dir().then_some(())?;
    }
    Some(at)
}

fn broken(root: &Path, why: &str) -> Error {
    let first = why.lines().next().unwrap_or_default();
    Error::runtime(
        "project_broken",
        format!(
            "cannot list the files Git tracks in {}: {first}",
            root.display()
        ),
    )
    .hint(FALLBACKS)
}
