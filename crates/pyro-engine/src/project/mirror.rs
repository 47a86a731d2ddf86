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
use super::git::{self, Patience};
use super::listing;
use super::tracked::Tracked;
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::layout::{Layout, make_private_dir};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Mirrors that nobody used for so long go.
const KEPT_UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);
/// For what asks a server.
const REMOTE: Patience = Patience {
    silence: Duration::from_secs(120),
    whole: Duration::from_secs(3600),
};
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
    repository: PathBuf,
}

/// The mirrors.
pub struct Mirrors {
    folder: PathBuf,
    patience: Patience,
}

impl Mirrors {
    /// Touches nothing.
    pub fn new(layout: &Layout) -> Self {
        Self {
            folder: layout.mirrors(),
            patience: REMOTE,
        }
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
        self.tidy();
        let key = hex::encode(&Sha256::digest(address.identity())[..16]);
        let _lock = self.lock(&key, cancel)?;
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
        while lock.try_lock().is_err() {
            if cancel.is_cancelled() {
                return Err(Error::runtime(
                    "cancelled",
                    "cancelled while another clone ran",
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // Only its age suffers.
        let _ = lock.set_modified(SystemTime::now());
        Ok(lock)
    }

    /// Removes mirrors that nobody used for long. The locks stay: one that is
    /// gone could be held by nobody.
    fn tidy(&self) {
        let entries = std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten();
        for entry in entries {
            let path = entry.path();
            let Some(lock) = path
                .extension()
                .filter(|kind| *kind == "lock")
                .and_then(|_| File::open(&path).ok())
            else {
                continue;
            };
            let age = lock.metadata().and_then(|found| found.modified());
            let old = age.is_ok_and(|age| age.elapsed().is_ok_and(|age| age > KEPT_UNUSED));
            if old && lock.try_lock().is_ok() {
                let _ = std::fs::remove_dir_all(path.with_extension("git"));
            }
        }
    }
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
            let _ = std::fs::remove_dir_all(&self.repository);
            let mut git = git::command();
            git.args(["init", "--quiet", "--bare", "--template="])
                .arg(&self.repository);
            let made = git::run(&mut git, Patience::LOCAL, self.cancel)?;
            made.output().map_err(|why| self.failed(&why))?;
        }
        for folder in ["", "objects/pack", "refs/pyro"] {
            let entries = std::fs::read_dir(self.repository.join(folder));
            for entry in entries.into_iter().flatten().flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if name.ends_with(".lock") || name.starts_with("tmp_") {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        }
        Ok(())
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
        let mut git = self.remote();
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
            let mut git = self.remote();
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
        let mut git = self.remote();
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

    /// A command that asks the server: with the user's own configuration,
    /// which knows proxies and credentials, but never a prompt.
    fn remote(&self) -> Command {
        let mut git = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                git.env_remove(name);
            }
        }
        git.env_remove("SSH_ASKPASS")
            .env("LC_ALL", "C")
            .env("GIT_DIR", &self.repository)
            .env("GIT_ALLOW_PROTOCOL", &self.address.protocols)
            .env(
                "GIT_SSH_COMMAND",
                "ssh -oBatchMode=yes -oConnectTimeout=30 -oControlMaster=no -oControlPath=none",
            )
            .env("GCM_INTERACTIVE", "never")
            .current_dir(&self.repository)
            .args([
                "-c",
                "core.askPass=",
                "-c",
                "http.lowSpeedLimit=1",
                "-c",
                "http.lowSpeedTime=120",
            ]);
        git::harden(&mut git);
        if let Some((origin, header)) = &self.address.header {
            git.env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", format!("http.{origin}.extraHeader"))
                .env("GIT_CONFIG_VALUE_0", header);
        }
        git
    }

    fn done(&self, git: &mut Command) -> Result<String> {
        let said = git::run(git, self.patience, self.cancel).map_err(|error| match error.code {
            "git_timeout" => Error {
                message: format!("cannot clone {}: {}", self.address.shown, error.message),
                ..error
            },
            _ => error,
        })?;
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

fn kept_name(name: &str) -> String {
    format!("refs/pyro/{}", hex::encode(&Sha256::digest(name)[..16]))
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
        let said = git::run(&mut git, CHECKOUT, cancel)?;
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
