//! Runs a build script where nothing of it can outlive pyro.
//!
//! Owns: the script's frame, the namespaces, the pipe that ties the build to this process, the
//! environment variables the tools see, the choice between tmpfs and folder.
//! Refuses: relying on pyro's own cleaning up. PID 1 of the build reads a pipe
//! that only pyro holds; when pyro goes, by `kill -9` too, the pipe ends, PID 1
//! exits, and the kernel kills the rest and drops mounts and tmpfs. (A
//! parent-death signal alone would follow the thread that forked.)
//!
//! ```text
//! root:  unshare --mount --pid          sh frame.sh + script
//! user:  unshare --user --map-auto ...  sh frame.sh + script   (newuidmap, /etc/subuid)
//! ```

use super::super::cancelled;
use crate::error::{Error, Result};
use crate::events::Cancel;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, PipeReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

const FRAME: &str = include_str!("frame.sh");
const POLL: Duration = Duration::from_millis(50);
const TAIL: usize = 60;
const MAX_LINE: u64 = 4096;
/// Left to the host when the tree is kept in memory.
const MEMORY_RESERVE_MIB: u64 = 512;
/// Ordinary users have no sbin in PATH, and mke2fs and chroot are there.
const SBIN: &str = "/usr/local/sbin:/usr/sbin:/sbin";
/// Everything else of the caller's environment stays out of maintainer scripts.
const PASSED: [&str; 10] = [
    "HOME",
    "USER",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// How the script ended, and its last lines.
pub struct Outcome {
    pub success: bool,
    pub tail: Vec<String>,
}

/// What to run.
pub struct Job<'a> {
    /// What is made, for messages.
    pub name: &'a str,
    /// Defines the shell function `build`.
    pub script: &'a str,
    /// Folder for the results.
    pub partial: &'a Path,
    /// Memory or disk the tree needs at its largest.
    pub tree_mib: u64,
    /// Disk the results need.
    pub results_mib: u64,
    /// What the script reads, beside the frame's own.
    pub variables: &'a [(&'a str, &'a str)],
}

/// Runs a build script to its end; `each` sees every line, and its error ends
/// the build at once.
///
/// # Errors
/// A missing tool, too little space, `cancelled`, or what `each` says. A
/// script that fails is an [`Outcome`].
pub fn run(
    job: &Job<'_>,
    cancel: &Cancel,
    mut each: impl FnMut(&str) -> Result<()>,
) -> Result<Outcome> {
    check_tools()?;
    let tmpfs_mib = tmpfs_mib(job.tree_mib);
    check_space(job, tmpfs_mib)?;
    let mut command = unshare(&["--mount", "--pid", "--fork", "--kill-child"]);
    command
        .args(["sh", "-c"])
        .arg(format!("{FRAME}\n{}\nwatched_build\n", job.script))
        .env("P_OUT", job.partial)
        .env("P_TMPFS", tmpfs_mib.to_string())
        .envs(job.variables.iter().copied());
    let mut running = Running::start(command)?;
    let mut tail = VecDeque::new();
    loop {
        if cancel.is_cancelled() {
            return Err(cancelled()); // and `running` is dropped
        }
        match running.lines.recv_timeout(POLL) {
            Ok(line) => {
                tracing::debug!(target: "pyro::build", "{line}");
                each(&line)?; // as above
                tail.push_back(line);
                if tail.len() > TAIL {
                    tail.pop_front();
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            // the last writer is gone: so is every process of the build
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(Outcome {
        success: running.end()?.success(),
        tail: tail.into(),
    })
}

/// `unshare` into a user namespace too when that is needed to be root.
fn unshare(arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-auto", "--map-root-user"]);
    }
    command.args(arguments);
    command
        .env_clear()
        .env("PATH", search_path())
        .env("LC_ALL", "C.UTF-8")
        .envs(
            PASSED
                .iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        );
    command
}

struct Running {
    child: Child,
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    fn start(mut command: Command) -> Result<Self> {
        let cannot = |error| {
            Error::runtime("build_failed", format!("cannot start unshare: {error}")).source(error)
        };
        let (reader, writer) = std::io::pipe().map_err(cannot)?;
        command
            // the pipe whose end is the end of the build
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().map_err(cannot)?)
            .stderr(writer)
            // Ctrl-C in the terminal is for pyro, which cancels in order
            .process_group(0);
        let child = command.spawn().map_err(cannot)?;
        // it holds the writers: the reader would never see the end
        drop(command);
        let (sender, lines) = sync_channel(256);
        Ok(Self {
            child,
            lines,
            reader: Some(std::thread::spawn(move || forward(reader, &sender))),
        })
    }

    fn end(&mut self) -> Result<ExitStatus> {
        self.child.wait().map_err(|error| {
            Error::runtime(
                "build_failed",
                format!("cannot wait for the build: {error}"),
            )
            .source(error)
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Ok(None) = self.child.try_wait() {
            // not reaped yet, so the number is still this child's group
            if let Ok(group) = i32::try_from(self.child.id())
                && let Some(group) = rustix::process::Pid::from_raw(group)
            {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            let _ = self.child.wait();
        }
        // returns when every process of the build is gone
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Reads to the end even when nobody listens any more.
fn forward(pipe: PipeReader, lines: &SyncSender<String>) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    let mut listening = true;
    loop {
        line.clear();
        match pipe.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if !listening => {}
            Ok(_) => {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                listening = lines.send(text).is_ok();
            }
        }
    }
}

/// Removes a file or a tree; that it is gone already is no error. A build in a
/// folder may have left files of this user's subordinate ids behind, which
/// only a user namespace may remove.
///
/// # Errors
/// I/O.
pub fn remove_tree(path: &Path) -> Result<()> {
    let remove = || match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match remove() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let _ = unshare(&["rm", "-rf", "--one-file-system", "--"])
                .arg(path)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            match std::fs::symlink_metadata(path) {
                Err(_) => Ok(()),
                Ok(_) => Err(Error::io("remove", path)(error)),
            }
        }
        other => other.map_err(Error::io("remove", path)),
    }
}

fn search_path() -> String {
    std::env::var("PATH").map_or_else(
        |_| format!("{SBIN}:/usr/local/bin:/usr/bin:/bin"),
        |path| format!("{path}:{SBIN}"),
    )
}

fn check_tools() -> Result<()> {
    let mut tools = vec![
        ("mmdebstrap", "mmdebstrap"),
        ("unshare", "util-linux"),
        ("mke2fs", "e2fsprogs"),
    ];
    if !rustix::process::geteuid().is_root() {
        tools.extend([("newuidmap", "uidmap"), ("newgidmap", "uidmap")]);
    }
    let path = search_path();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let missing = |tool: &str| !folders.iter().any(|folder| folder.join(tool).is_file());
    match tools.iter().find(|(tool, _)| missing(tool)) {
        None => Ok(()),
        Some((tool, package)) => Err(Error::runtime(
            "missing_tool",
            format!("{tool} is not installed, and building an environment needs it"),
        )
        .hint(format!("`apt-get install {package}`"))),
    }
}

/// Size of the tmpfs; 0 when memory is short or `PYRO_BUILD_IN_FOLDER` is set.
fn tmpfs_mib(tree_mib: u64) -> u64 {
    let in_folder = std::env::var_os("PYRO_BUILD_IN_FOLDER").is_some_and(|value| !value.is_empty());
    let available = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| mem_available_mib(&text))
        .unwrap_or(0);
    if !in_folder && available >= tree_mib + MEMORY_RESERVE_MIB {
        tree_mib
    } else {
        0
    }
}

fn mem_available_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

fn check_space(job: &Job<'_>, tmpfs_mib: u64) -> Result<()> {
    let space = rustix::fs::statvfs(job.partial)
        .map_err(|error| Error::io("look at", job.partial)(error.into()))?;
    let free_mib = space.f_bavail.saturating_mul(space.f_frsize) >> 20;
    let tree_mib = if tmpfs_mib == 0 { job.tree_mib } else { 0 };
    let needed_mib = job.results_mib + tree_mib;
    if free_mib >= needed_mib {
        return Ok(());
    }
    Err(Error::runtime(
        "no_space",
        format!(
            "{} needs {needed_mib} MiB while it is built, and {} has {free_mib} MiB free",
            job.name,
            job.partial.display()
        ),
    )
    .hint("free some space, or move the cache with PYRO_ENVIRONMENT_CACHE_DIR"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read_in_mib_or_not_at_all() {
        let text = "MemTotal:  100 kB\nMemAvailable:   2097152 kB\n";
        assert_eq!(mem_available_mib(text), Some(2048));
        for bad in ["", "MemAvailable:", "MemAvailable: x kB", "MemAvailable: 5"] {
            assert_eq!(mem_available_mib(bad), None);
        }
    }

    #[test]
    fn lines_are_bounded_and_read_to_the_end() {
        let (reader, mut writer) = std::io::pipe().expect("pipe");
        let (sender, lines) = sync_channel(256);
        let thread = std::thread::spawn(move || forward(reader, &sender));
        use std::io::Write;
        writer.write_all(&[b'x'; 10_000]).expect("write");
        writer.write_all(b"\n\xff\nlast").expect("write");
        drop(writer);
        thread.join().expect("ends");
        let lines: Vec<String> = lines.iter().collect();
        assert!(lines.iter().all(|line| line.len() <= 4096));
        assert_eq!(lines.last().map(String::as_str), Some("last"));
        assert!(lines.contains(&"\u{fffd}".to_owned()));
    }

    #[test]
    #[allow(clippy::print_stderr)]
    fn real_build_ends_at_once_when_a_line_is_refused() {
        if let Err(error) = check_tools() {
            eprintln!("skipped: {error}");
            return;
        }
        let partial = tempfile::tempdir().expect("tempdir");
        let job = Job {
            name: "x",
            script: "build() { open_work; echo \"pyro: $WORD\"; sleep 600; }",
            partial: partial.path(),
            tree_mib: 1,
            results_mib: 0,
            variables: &[("WORD", "config")],
        };
        let started = std::time::Instant::now();
        let refused = run(&job, &Cancel::default(), |line| {
            if line == "pyro: config" {
                return Err(Error::invalid("refused", "that line"));
            }
            Ok(())
        });
        assert_eq!(refused.err().map(|error| error.code), Some("refused"));
        assert!(started.elapsed() < Duration::from_secs(30));
        let mounts = std::fs::read_to_string("/proc/self/mounts").expect("proc");
        assert!(!mounts.contains(&partial.path().display().to_string()));
    }

    #[test]
    fn removing_what_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().expect("tempdir");
        remove_tree(&folder.path().join("nothing")).expect("no error");
    }
}
