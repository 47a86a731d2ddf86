//! A commit that was cloned, as files.
//!
//! Owns: checking it out of its mirror. Refuses: the network, and filters:
//! files kept elsewhere stay pointers.

use super::FALLBACKS;
use super::address::Address;
use super::git::{self, Patience};
use super::listing;
use super::tracked::Tracked;
use crate::error::{Error, Result};
use crate::events::Cancel;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// `clone_failed`, `git_timeout`, `cancelled`.
    pub fn check_out(&self, to: &Path, index: &Path, cancel: &Cancel) -> Result<Tracked> {
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
        let said = git::run_guarded(&mut git, CHECKOUT, cancel)?;
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
