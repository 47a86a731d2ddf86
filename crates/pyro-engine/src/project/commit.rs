//! A commit that was cloned, as files.
//!
//! Owns: checking it out of its mirror. Refuses: the network, filters (files
//! kept elsewhere stay pointers), and more files than a seed or the disk holds.

use super::FALLBACKS;
use super::address::Address;
use super::git::{self, Patience};
use super::listing;
use super::tracked::Tracked;
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::ext4_image::tree::MAX_ENTRIES;
use crate::spool::LOOK_BYTES;
use crate::start::BASELINE_DRIVE_BYTES;
use crate::start::disk_copy::leave_room;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file system counts in these.
const BLOCK_BYTES: u64 = 4096;

/// For what writes files of this host without a word.
const CHECKOUT: Patience = Patience {
    silence: Duration::from_secs(1800),
    whole: Duration::from_secs(1800),
};

/// A commit that is here.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Where it came from.
    pub address: Address,
    /// Its id, as hex digits.
    pub id: String,
    /// The mirror it is in.
    pub(super) repository: PathBuf,
}

impl Commit {
    /// When it was committed, Unix seconds: the time of all its files.
    ///
    /// # Errors
    /// `clone_failed`.
    pub fn time(&self, cancel: &Cancel) -> Result<i64> {
        let text = self.ask(&["cat-file", "commit", &self.id], None, cancel)?;
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find(|line| line.starts_with("committer "));
        let seconds = line.and_then(|line| line.rsplit(' ').nth(1)?.parse().ok());
        Ok(seconds.unwrap_or(0))
    }

    /// Writes its files into the empty folder `to`, and lists them; `index` is
    /// a file that is made beside.
    ///
    /// # Errors
    /// `clone_failed`, `seed_too_large`, `no_space`, `git_timeout`, `git_answer`,
    /// `cancelled`.
    pub fn check_out(&self, to: &Path, index: &Path, cancel: &Cancel) -> Result<Tracked> {
        self.measure(to, cancel)?;
        let places = Some((to, index));
        self.ask(&["read-tree", &self.id], places, cancel)?;
        self.ask(&["checkout-index", "--all", "--quiet"], places, cancel)?;
        let text = self.ask(&["ls-files", "-t", "-s", "-z"], places, cancel)?;
        Ok(Tracked {
            entries: listing::parse(&text).map_err(|why| self.broken(&why))?,
            submodules: Vec::new(),
            print: Sha256::digest(&text).into(),
        })
    }

    /// Whether its files may be a seed and fit the disk of `to`: a few trees
    /// that name each other over and over are a file system full of files.
    fn measure(&self, to: &Path, cancel: &Cancel) -> Result<()> {
        let words = ["ls-tree", "-r", "-l", "-z", "--full-tree", &self.id];
        let text = self.ask(&words, None, cancel)?;
        let (mut entries, mut bytes) = (0, 0u64);
        for line in text
            .split(|byte| *byte == 0)
            .filter(|line| !line.is_empty())
        {
            entries += 1;
            let facts = line.split(|byte| *byte == b'\t').next().unwrap_or_default();
            let size = facts.rsplit(|byte| *byte == b' ').next();
            // A submodule has none.
            let size = size.and_then(decimal).unwrap_or(0);
            bytes = bytes.saturating_add(size).saturating_add(BLOCK_BYTES - 1) / BLOCK_BYTES
                * BLOCK_BYTES;
        }
        if entries > MAX_ENTRIES || bytes > BASELINE_DRIVE_BYTES {
            let what = format!(
                "the commit {} of {} has {entries} files of {} MiB; a seed has at most {MAX_ENTRIES} of {} MiB",
                self.id,
                self.address.shown,
                bytes >> 20,
                BASELINE_DRIVE_BYTES >> 20
            );
            return Err(Error::invalid("seed_too_large", what).hint(FALLBACKS));
        }
        if bytes > LOOK_BYTES {
            let held = File::open(to).map_err(Error::io("open", to))?;
            leave_room(&held, bytes, to, "a checkout")?;
        }
        Ok(())
    }

    fn ask(
        &self,
        words: &[&str],
        places: Option<(&Path, &Path)>,
        cancel: &Cancel,
    ) -> Result<Vec<u8>> {
        let mut git = git::command();
        git.env("GIT_DIR", &self.repository).args(words);
        if let Some((tree, index)) = places {
            git.env("GIT_WORK_TREE", tree)
                .env("GIT_INDEX_FILE", index)
                .current_dir(tree);
        }
        let fills = places.map_or(self.repository.as_path(), |(tree, _)| tree);
        let said = git::run_guarded(&mut git, CHECKOUT, fills, cancel)?;
        said.output().map_err(|why| self.broken(&why))
    }

    fn broken(&self, why: &str) -> Error {
        let why = self.address.said(why);
        let what = format!(
            "cannot check out {} of {}: {why}",
            self.id, self.address.shown
        );
        Error::runtime("clone_failed", what).hint(format!(
            "remove {} to clone anew; or {FALLBACKS}",
            self.repository.display()
        ))
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
