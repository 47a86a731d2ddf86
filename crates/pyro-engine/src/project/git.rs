//! The `git` program, asked about repositories that nobody vouches for.
//!
//! ```text
//!   of the environment   PATH, and no GIT_*
//!   of configuration     the repository's own, without what would run
//!                        something: monitor, hooks, lazy fetches, prompts
//!   of time              a silence and a whole, and the caller's Cancel;
//!                        then the whole process group is killed; with a
//!                        guard also when pyro is killed
//! ```
//!
//! Owns: starting it and its end. Refuses: commands that apply filters or
//! look for untracked files; what those run cannot be turned off by name.

use crate::error::{Error, Result};
use crate::events::Cancel;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Most of an answer: names of millions of files.
const MOST_BYTES: u64 = 1 << 30;
/// Most of what it complains.
const MOST_WORDS_BYTES: u64 = 1 << 20;
/// What is left in the pipes of a program that has ended comes at once, unless
/// somebody else has them.
const LEFTOVERS: Duration = Duration::from_secs(2);

/// How long a command may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Without a word of it.
    pub silence: Duration,
    /// In all.
    pub whole: Duration,
}

impl Patience {
    /// For what only looks at files of this host.
    pub const LOCAL: Self = Self {
        silence: Duration::from_secs(60),
        whole: Duration::from_secs(60),
    };
}

/// What it said.
#[derive(Debug)]
pub struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// Its output.
    pub stdout: Vec<u8>,
    /// Its complaints, without progress.
    pub stderr: String,
}

/// A command that reads nothing but the repository, and starts nothing.
pub fn command() -> Command {
    let mut git = Command::new("git");
    git.env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        // A partial clone would ask its remote, by any protocol.
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_ALLOW_PROTOCOL", "none");
    harden(&mut git);
    git
}

/// What holds for every command.
pub fn harden(git: &mut Command) {
    git.env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_PAGER", "cat")
        .args(["-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null"])
        .args(["-c", "core.untrackedCache=false", "-c", "gc.auto=0"])
        .args([
            "-c",
            "maintenance.auto=false",
            "-c",
            "submodule.recurse=false",
        ]);
}

/// A command in the work tree of `root`. Named like this a repository of
/// another owner is read as well, and `core.worktree` does not lead elsewhere.
pub fn in_work_tree(root: &Path) -> Command {
    let mut git = command();
    git.env("GIT_DIR", root.join(".git"))
        .env("GIT_WORK_TREE", root)
        .current_dir(root);
    git
}

/// Runs it to its end.
///
/// # Errors
/// `git_missing`, `git_timeout`, `cancelled`.
pub fn run(git: &mut Command, patience: Patience, cancel: &Cancel) -> Result<Answer> {
    run_beside(git, patience, cancel, |_| None)
}

/// Runs what may take long or has helpers of its own, none of which outlives
/// pyro, however that ends.
///
/// # Errors
/// As [`run`].
pub fn run_guarded(git: &mut Command, patience: Patience, cancel: &Cancel) -> Result<Answer> {
    run_beside(git, patience, cancel, guard)
}

/// Kills its own process group when nobody has the other end of its input.
fn guard(group: i32) -> Option<Child> {
    let mut guard = Command::new("sh");
    guard
        .args(["-c", "read -r _; kill -KILL 0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(group)
        .spawn()
        .ok()
}

fn run_beside(
    git: &mut Command,
    patience: Patience,
    cancel: &Cancel,
    beside: impl Fn(i32) -> Option<Child>,
) -> Result<Answer> {
    let spawned = git
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut child = spawned.map_err(|error| {
        Error::runtime("git_missing", format!("cannot run git: {error}"))
            .hint("install git, or do without: give an explicit seed_path")
    })?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let mut beside = group.and_then(|group| beside(group.as_raw_pid()));
    let mut kill = || {
        group.map(|group| kill_process_group(group, Signal::KILL));
        beside.as_mut().map(Child::wait)
    };
    let began = Instant::now();
    let said = Arc::new(AtomicU64::new(0));
    let stdout = child
        .stdout
        .take()
        .map(|pipe| collect(pipe, MOST_BYTES, began, &said));
    let stderr = child
        .stderr
        .take()
        .map(|pipe| collect(pipe, MOST_WORDS_BYTES, began, &said));
    let mut pause = Duration::from_micros(500);
    let status = loop {
        let waited = child.try_wait();
        if let Ok(Some(status)) = waited {
            break status;
        }
        let silent = began.elapsed() - Duration::from_millis(said.load(Ordering::Relaxed));
        let why = if cancel.is_cancelled() {
            Some(Error::runtime("cancelled", "cancelled while git ran"))
        } else if silent > patience.silence {
            let seconds = patience.silence.as_secs();
            Some(late(format!("git said nothing for {seconds} s")))
        } else if began.elapsed() > patience.whole {
            let seconds = patience.whole.as_secs();
            Some(late(format!("git was not done after {seconds} s")))
        } else {
            waited
                .err()
                .map(|error| Error::runtime("io", format!("cannot wait for git: {error}")))
        };
        if let Some(error) = why {
            kill();
            let _ = child.wait();
            return Err(error);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    // Helpers that outlived it.
    kill();
    let take = |pipe: Option<mpsc::Receiver<Vec<u8>>>| {
        pipe.and_then(|pipe| pipe.recv_timeout(LEFTOVERS).ok())
            .unwrap_or_default()
    };
    Ok(Answer {
        status,
        stdout: take(stdout),
        stderr: words(&take(stderr)),
    })
}

fn late(what: String) -> Error {
    Error::runtime("git_timeout", what).hint(super::FALLBACKS)
}

fn collect(
    mut pipe: impl Read + Send + 'static,
    most: u64,
    began: Instant,
    said: &Arc<AtomicU64>,
) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    let said = said.clone();
    std::thread::spawn(move || {
        let (mut all, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    let now = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    said.fetch_max(now, Ordering::Relaxed);
                    // What is too much is read all the same, or git would wait.
                    let room = most.saturating_sub(all.len() as u64);
                    let kept = count.min(usize::try_from(room).unwrap_or(usize::MAX));
                    all.extend_from_slice(&buffer[..kept]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = sender.send(all);
    });
    receiver
}

/// Complaints without progress, which ends its lines with a carriage return.
fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split('\n').filter_map(|line| {
        let last = line.trim_end_matches('\r').rsplit('\r').next()?.trim();
        (!last.is_empty()).then_some(last)
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl Answer {
    /// The output of a command that succeeded, else what it complained.
    ///
    /// # Errors
    /// Its complaint, or how it ended.
    pub fn output(self) -> std::result::Result<Vec<u8>, String> {
        if self.status.success() {
            Ok(self.stdout)
        } else if self.stderr.is_empty() {
            Err(format!("git ended with {}", self.status))
        } else {
            Err(self.stderr)
        }
    }
}
