//! Clones, kept as bare repositories from which checkouts are made.
//!
//! ```text
//! <cache>/.mirrors/
//! |- <key>.git      what was fetched: mostly one commit of each name
//! |                   refs/pyro/<name's hash>  the last commit of a name
//! `- <key>.lock     held while something is fetched; its age is the mirror's
//!
//!   name --ls-remote--> commit -- known? --> no network for its files
//!                         | no
//!                         `--fetch, of depth 1--> mirror --checkout--> image
//! ```
//!
//! Owns: what is fetched, within a time, and what remains when there is no
//! network. Refuses: prompts, other protocols than the address allows, the
//! filters of the user (files kept elsewhere stay pointers), submodules
//! (folders without files).

use super::FALLBACKS;
use super::address::Address;
use super::commit::Commit;
use super::git::{self, Patience};
use super::remote;
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::layout::{Layout, make_private_dir};
use crate::turn;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Mirrors that nobody used for so long go.
const KEPT_UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);
/// Of all mirrors together.
const MOST_BYTES: u64 = 8 << 30;
/// One that was asked so lately may still be checked out.
const IN_USE: Duration = Duration::from_secs(3600);
/// For what asks a server.
const REMOTE: Patience = Patience {
    silence: Duration::from_secs(120),
    whole: Duration::from_secs(3600),
};

/// The mirrors.
pub struct Mirrors {
    folder: PathBuf,
    patience: Patience,
    most_bytes: u64,
}

impl Mirrors {
    /// Touches nothing.
    pub fn new(layout: &Layout) -> Self {
        Self {
            folder: layout.mirrors(),
            patience: REMOTE,
            most_bytes: MOST_BYTES,
        }
    }

    #[cfg(test)]
    pub fn with_most_bytes(mut self, most_bytes: u64) -> Self {
        self.most_bytes = most_bytes;
        self
    }

    #[cfg(test)]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The commit a branch, tag or id stands for now, fetched unless it is here.
    ///
    /// # Errors
    /// `clone_failed` with git's words, `ref_missing`, `git_missing`,
    /// `git_timeout`, `io`, `cancelled`.
    pub fn commit(
        &self,
        address: &Address,
        reference: Option<&str>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Commit> {
        make_private_dir(&self.folder)?;
        let key = hex::encode(&Sha256::digest(address.identity())[..16]);
        let _lock = self.lock(&key, cancel)?;
        self.tidy();
        let mut mirror = Mirror {
            repository: self.folder.join(format!("{key}.git")),
            address,
            patience: self.patience,
            cancel,
        };
        mirror.mend()?;
        let id = mirror.find(reference, events)?;
        Ok(Commit {
            address: address.clone(),
            id,
            repository: mirror.repository,
        })
    }

    /// Waits for its turn; the lock's file is as old as the last use.
    fn lock(&self, key: &str, cancel: &Cancel) -> Result<File> {
        let path = self.folder.join(format!("{key}.lock"));
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        turn::take(&lock, &path, None, cancel)?;
        // Only its age suffers.
        let _ = lock.set_modified(SystemTime::now());
        Ok(lock)
    }

    /// Removes mirrors that nobody used for long, and the longest unused ones
    /// of too many bytes. The locks stay: one that is gone could be held by
    /// nobody.
    fn tidy(&self) {
        let entries = std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten();
        let mirrors = entries.filter_map(|entry| {
            let path = entry.path();
            path.extension().filter(|kind| *kind == "lock")?;
            let lock = File::open(&path).ok()?;
            let used = lock.metadata().and_then(|found| found.modified()).ok()?;
            let unused = used.elapsed().unwrap_or_default();
            Some((unused, path.with_extension("git"), lock))
        });
        let mut mirrors: Vec<_> = mirrors.collect();
        mirrors.sort_by_key(|(unused, ..)| *unused);
        let mut kept_bytes = 0;
        for (unused, repository, lock) in mirrors {
            let bytes = kept_bytes + pack_bytes(&repository);
            let gone = unused > KEPT_UNUSED || bytes > self.most_bytes && unused > IN_USE;
            if gone && lock.try_lock().is_ok() {
                let _ = std::fs::remove_dir_all(repository);
            } else {
                kept_bytes = bytes;
            }
        }
    }
}

fn pack_bytes(repository: &Path) -> u64 {
    let packs = std::fs::read_dir(repository.join("objects/pack"));
    let packs = packs.into_iter().flatten().flatten();
    packs
        .filter_map(|pack| Some(pack.metadata().ok()?.len()))
        .sum()
}

/// One mirror, whose lock is held.
struct Mirror<'a> {
    repository: PathBuf,
    address: &'a Address,
    patience: Patience,
    cancel: &'a Cancel,
}

impl Mirror<'_> {
    /// Makes it, or takes away what a killed git left.
    fn mend(&self) -> Result<()> {
        if !self.repository.join("HEAD").is_file() {
            self.begin("sha1")?;
        }
        self.unlocked();
        Ok(())
    }

    fn unlocked(&self) {
        for folder in ["", "objects/pack"] {
            unlock(&self.repository.join(folder), false);
        }
        unlock(&self.repository.join("refs"), true);
    }

    /// An empty one, whatever git's own choices are.
    fn begin(&self, hash: &str) -> Result<()> {
        let _ = std::fs::remove_dir_all(&self.repository);
        let mut git = git::command();
        git.env("GIT_DEFAULT_HASH", hash)
            .env("GIT_DEFAULT_REF_FORMAT", "files")
            .args(["init", "--quiet", "--bare", "--template="])
            .arg(&self.repository);
        let made = git::run(&mut git, Patience::LOCAL, self.cancel)?;
        made.output().map_err(|why| self.failed(&why)).map(drop)
    }

    /// Begins anew when this one has ids of another length.
    fn suit(&self, id: &str) -> Result<()> {
        let config = std::fs::read_to_string(self.repository.join("config"));
        let is_long = config.is_ok_and(|config| config.contains("sha256"));
        match (id.len() == 64, is_long) {
            (true, false) => self.begin("sha256"),
            (false, true) => self.begin("sha1"),
            _ => Ok(()),
        }
    }

    fn find(&mut self, reference: Option<&str>, events: &dyn EventSink) -> Result<String> {
        let wanted = reference.unwrap_or("HEAD");
        let hex = wanted.bytes().all(|one| one.is_ascii_hexdigit());
        if hex && [40, 64].contains(&wanted.len()) {
            return self.by_id(&wanted.to_ascii_lowercase(), events);
        }
        let names = match wanted {
            "HEAD" => vec!["HEAD".to_owned()],
            _ if wanted.starts_with("refs/") => vec![wanted.to_owned()],
            _ => vec![
                format!("refs/heads/{wanted}"),
                format!("refs/tags/{wanted}"),
            ],
        };
        let listed = match self.ask(&names) {
            Ok(listed) => listed,
            Err(error) if error.code == "cancelled" => return Err(error),
            Err(error) => {
                let kept = names
                    .iter()
                    .find_map(|name| self.resolved(&kept_name(name)));
                let Some(kept) = kept else { return Err(error) };
                events.event(Event::Notice(format!(
                    "{}; using commit {} of {wanted}, fetched before",
                    error.message,
                    &kept[..12.min(kept.len())]
                )));
                return Ok(kept);
            }
        };
        for name in &names {
            let Some(id) = listed.iter().find(|(_, listed)| listed == name) else {
                continue;
            };
            let peeled = format!("{name}^{{}}");
            let peeled = listed.iter().find(|(_, listed)| *listed == peeled);
            let commit = &peeled.unwrap_or(id).0;
            self.suit(commit)?;
            let kept = kept_name(name);
            if self.has(commit) {
                self.local(&["update-ref", &kept, commit])?;
                return Ok(commit.clone());
            }
            self.fetch(&format!("+{name}:{kept}"), events)?;
            return self
                .resolved(&kept)
                .ok_or_else(|| self.failed(&format!("{wanted} is no commit")));
        }
        if hex && wanted.len() >= 7 {
            if let Some((id, _)) = self.ask(&["HEAD".to_owned()])?.first() {
                self.suit(id)?;
            }
            self.fetch_all(events)?;
            if let Some(id) = self.resolved(wanted) {
                return Ok(id);
            }
        }
        let what = match reference {
            Some(reference) => format!(
                "{} has no branch, tag or commit {reference:?}",
                self.address.shown
            ),
            None => format!("{} has no commit yet", self.address.shown),
        };
        Err(Error::invalid("ref_missing", what).hint(format!(
            "give another --repo-ref, or leave it out; or {FALLBACKS}"
        )))
    }

    fn by_id(&self, id: &str, events: &dyn EventSink) -> Result<String> {
        self.suit(id)?;
        if self.has(id) {
            return Ok(id.to_owned());
        }
        // Not every server hands out what has no name.
        if let Err(error) = self.fetch(&format!("+{id}:{}", kept_name(id)), events) {
            if error.code != "clone_failed" {
                return Err(error);
            }
            self.fetch_all(events)?;
        }
        self.resolved(id).ok_or_else(|| {
            let what = format!("{} has no commit {id}", self.address.shown);
            Error::invalid("ref_missing", what).hint(FALLBACKS)
        })
    }

    /// Ids and names the server has of these.
    fn ask(&self, names: &[String]) -> Result<Vec<(String, String)>> {
        let mut git = remote::command(&self.repository, self.address);
        git.args(["ls-remote", "--", &self.address.url]);
        for name in names {
            git.arg(name).arg(format!("{name}^{{}}"));
        }
        let said = self.done(&mut git)?;
        let lines = said.lines().filter_map(|line| line.split_once('\t'));
        let clean = |id: &str| id.len() >= 40 && id.bytes().all(|one| one.is_ascii_hexdigit());
        Ok(lines
            .filter(|(id, _)| clean(id))
            .map(|(id, name)| (id.to_owned(), name.to_owned()))
            .collect())
    }

    fn fetch(&self, what: &str, events: &dyn EventSink) -> Result<()> {
        events.event(Event::Phase {
            prefix: "workspace",
            name: "clone",
            fields: vec![("from", self.address.shown.clone())],
        });
        let run = |depth: &[&str]| {
            let mut git = remote::command(&self.repository, self.address);
            git.args(["fetch", "--quiet", "--progress", "--no-tags", "--force"])
                .args(["--no-recurse-submodules", "--no-write-fetch-head"])
                .args(depth)
                .args(["--", &self.address.url, what]);
            self.done(&mut git)
        };
        match run(&["--depth=1"]) {
            // A plain web server has files, and no parts of a history.
            Err(error) if error.message.contains("shallow capabilities") => run(&[]),
            other => other,
        }
        .map(drop)
    }

    fn fetch_all(&self, events: &dyn EventSink) -> Result<()> {
        events.event(Event::Phase {
            prefix: "workspace",
            name: "clone",
            fields: vec![("from", self.address.shown.clone())],
        });
        let shallow = self.repository.join("shallow").exists();
        let mut git = remote::command(&self.repository, self.address);
        git.args(["fetch", "--quiet", "--progress", "--no-tags", "--force"])
            .args(["--no-recurse-submodules", "--no-write-fetch-head"])
            .args(shallow.then_some("--unshallow"))
            .args(["--", &self.address.url])
            .args([
                "+refs/heads/*:refs/all/heads/*",
                "+refs/tags/*:refs/all/tags/*",
            ]);
        self.done(&mut git).map(drop)
    }

    /// Whether a commit is here; then so are its files, as packs come whole.
    fn has(&self, id: &str) -> bool {
        self.resolved(id).is_some_and(|found| found == id)
    }

    fn resolved(&self, name: &str) -> Option<String> {
        let name = format!("{name}^{{commit}}");
        let said = self
            .local(&["rev-parse", "--verify", "--quiet", &name])
            .ok()?;
        Some(said.trim().to_owned()).filter(|id| !id.is_empty())
    }

    fn local(&self, words: &[&str]) -> Result<String> {
        let mut git = git::command();
        git.env("GIT_DIR", &self.repository).args(words);
        self.done(&mut git)
    }

    fn done(&self, git: &mut Command) -> Result<String> {
        let said = git::run_guarded(git, self.patience, &self.repository, self.cancel).map_err(
            |error| {
                // What it had written is of no use.
                self.unlocked();
                match error.code {
                    "git_timeout" => Error {
                        message: format!("cannot clone {}: {}", self.address.shown, error.message),
                        ..error
                    },
                    _ => error,
                }
            },
        )?;
        let said = said.output().map_err(|why| self.failed(&why))?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    fn failed(&self, why: &str) -> Error {
        let why = self.address.said(why);
        Error::runtime(
            "clone_failed",
            format!("cannot clone {}: {}", self.address.shown, why),
        )
        .hint(format!(
            "check the address and that git may use it without a prompt; or {FALLBACKS}"
        ))
    }
}

/// Takes away what a killed git left in a folder.
fn unlock(folder: &Path, deep: bool) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if deep {
                unlock(&entry.path(), deep);
            }
        } else if name.ends_with(".lock") || name.starts_with("tmp_") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn kept_name(name: &str) -> String {
    format!("refs/pyro/{}", hex::encode(&Sha256::digest(name)[..16]))
}
