//! The `git` program, asked about repositories that nobody vouches for.
//!
//! ```text
//!   of the environment   PATH, and no GIT_*
//!   of configuration     the repository's own, without what would run
//!                        something: monitor, hooks, lazy fetches, prompts
//!   of time              a silence and a whole, and the caller's Cancel;
//!                        then the whole process group is killed; with a
//!                        guard also when pyro is killed
//!   of room              what it answers; with a guard the disk it fills
//! ```
//!
//! Owns: starting it and its end. Refuses: commands that apply filters or
//! look for untracked files; what those run cannot be turned off by name.

use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::spool::LOOK_BYTES;
use crate::start::disk_copy::{free_bytes, leave_room};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Most of an answer: names of millions of files.
const MOST_BYTES: u64 = 1 << 30;
/// Most of what it complains.
const MOST_WORDS_BYTES: u64 = 1 << 20;
/// What is left in the pipes of a program that has ended comes at once, unless
/// somebody else has them.
const LEFTOVERS: Duration = Duration::from_secs(2);
/// How often one looks whether the disk has room.
const LOOK_EVERY: Duration = Duration::from_millis(200);

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
/// `git_missing`, `git_timeout`, `git_answer`, `cancelled`.
pub fn run(git: &mut Command, patience: Patience, cancel: &Cancel) -> Result<Answer> {
    run_beside(git, patience, cancel, |_| None, || Ok(()))
}

/// Runs what may take long or has helpers of its own, none of which outlives
/// pyro, however that ends; nor does it fill the disk of `folder`.
///
/// # Errors
/// As [`run`]; `no_space`.
pub fn run_guarded(
    git: &mut Command,
    patience: Patience,
    folder: &Path,
    cancel: &Cancel,
) -> Result<Answer> {
    let held = File::open(folder).ok();
    let free = || held.as_ref().and_then(|held| free_bytes(held).ok());
    let before = free();
    run_beside(git, patience, cancel, guard, || {
        // Others fill it, too; who writes little is not ended for them.
        let written = before
            .zip(free())
            .map(|(before, now)| before.saturating_sub(now));
        match (&held, written) {
            (Some(held), Some(written)) if written > LOOK_BYTES => {
                leave_room(held, LOOK_BYTES, folder, "the next part of what git writes")
            }
            _ => Ok(()),
        }
    })
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
    room: impl Fn() -> Result<()>,
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
    let too_much = Arc::new(AtomicBool::new(false));
    let stdout = child
        .stdout
        .take()
        .map(|pipe| collect(pipe, MOST_BYTES, began, &said, &too_much));
    let stderr = child
        .stderr
        .take()
        .map(|pipe| collect(pipe, MOST_WORDS_BYTES, began, &said, &Arc::default()));
    let overflow = || {
        let what = format!("git's answer has over {} MiB", MOST_BYTES >> 20);
        Error::runtime("git_answer", what).hint(super::FALLBACKS)
    };
    let mut looked = began;
    let mut pause = Duration::from_micros(500);
    let status = loop {
        let waited = child.try_wait();
        if let Ok(Some(status)) = waited {
            break status;
        }
        let last_said = Duration::from_millis(said.load(Ordering::Relaxed));
        // It may say something between the two looks.
        let silent = began.elapsed().saturating_sub(last_said);
        let why = if cancel.is_cancelled() {
            Some(Error::runtime("cancelled", "cancelled while git ran"))
        } else if too_much.load(Ordering::Relaxed) {
            Some(overflow())
        } else if silent > patience.silence {
            let seconds = patience.silence.as_secs();
            Some(late(format!("git said nothing for {seconds} s")))
        } else if began.elapsed() > patience.whole {
            let seconds = patience.whole.as_secs();
            Some(late(format!("git was not done after {seconds} s")))
        } else if waited.is_ok() && looked.elapsed() > LOOK_EVERY {
            looked = Instant::now();
            room().err()
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
    let stdout = take(stdout);
    // A part of a listing would be taken for the whole.
    if too_much.load(Ordering::Relaxed) {
        return Err(overflow());
    }
    Ok(Answer {
        status,
        stdout,
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
    too_much: &Arc<AtomicBool>,
) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    let (said, too_much) = (said.clone(), too_much.clone());
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
                    if kept < count {
                        too_much.store(true, Ordering::Relaxed);
                    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(line: &str, room: impl Fn() -> Result<()>) -> Result<Answer> {
        let mut shell = Command::new("sh");
        let cancel = Cancel::default();
        run_beside(
            shell.args(["-c", line]),
            Patience::LOCAL,
            &cancel,
            |_| None,
            room,
        )
    }

    #[test]
    fn what_fills_the_disk_is_ended() {
        let began = Instant::now();
        let full = || Err(Error::runtime("no_space", "it is full"));
        let error = shell("sleep 50", full).unwrap_err();
        assert_eq!(error.code, "no_space");
        assert!(began.elapsed() < Duration::from_secs(5));
        let free = shell("sleep 0.5; echo done", || Ok(())).unwrap();
        assert_eq!(free.output().unwrap(), b"done\n");
    }

    #[test]
    fn a_part_of_an_answer_is_none() {
        let error = shell("head -c 1100000000 /dev/zero; sleep 50", || Ok(())).unwrap_err();
        assert_eq!(error.code, "git_answer", "{error}");
        // Complaints are cut, and the answer is whole.
        let cut = shell(
            "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo done",
            || Ok(()),
        )
        .unwrap();
        assert_eq!(cut.stderr.len() as u64, MOST_WORDS_BYTES);
        assert_eq!(cut.stdout, b"done\n");
    }
}
