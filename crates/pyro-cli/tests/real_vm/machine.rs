//! A sealed place to run `pyro` in.
//!
//! Owns: the shared cache, a state folder and home of each test's own, and
//! looking for what was left behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

pub const ENVIRONMENT: &str = "debian:12";

/// One test's surroundings.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub cache: PathBuf,
    /// The VMM to use; pyro's choice when there is none.
    pub backend: Option<&'static str>,
}

impl Place {
    /// With the shared cache, the environment installed.
    pub fn new() -> Self {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            cache: shared_cache(),
            backend: None,
        };
        INSTALLED.get_or_init(|| place.install(ENVIRONMENT));
        place
    }

    /// With an empty cache of its own.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        Self {
            folder,
            cache,
            backend: None,
        }
    }

    pub fn install(&self, environment: &str) {
        let output = self.pyro(&["env", "pull", environment]).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    pub fn pyro(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pyro"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .env("PYRO_ENVIRONMENT_CACHE_DIR", &self.cache)
            .env("PYRO_STATE_DIR", self.state())
            .stdin(Stdio::null());
        if let Some(backend) = self.backend {
            command.env("PYRO_BACKEND", backend);
        }
        command
    }

    /// Its state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A shell line where mounts are its own and `$P` is pyro; none, with the
    /// reason printed, for those who may not mount.
    pub fn in_mount_namespace(&self, line: &str) -> Option<Output> {
        if !rustix::process::getuid().is_root() {
            eprintln!("skipped: only root can mount here");
            return None;
        }
        let output = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", line])
            .env_clear()
            .env("P", env!("CARGO_BIN_EXE_pyro"))
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .env("PYRO_ENVIRONMENT_CACHE_DIR", &self.cache)
            .env("PYRO_STATE_DIR", self.state())
            .output()
            .unwrap();
        Some(output)
    }

    /// `pyro run` of a shell line in the default environment.
    pub fn run(&self, line: &str) -> Command {
        self.run_with(&[], line)
    }

    pub fn run_with(&self, flags: &[&str], line: &str) -> Command {
        let mut arguments = vec!["run", ENVIRONMENT];
        arguments.extend(flags);
        arguments.extend(["--", "sh", "-c", line]);
        self.pyro(&arguments)
    }

    pub fn json(&self, flags: &[&str], line: &str) -> serde_json::Value {
        let output = self
            .run_with(&[&["--json"], flags].concat(), line)
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr))
        })
    }

    /// Unfinished things in the cache whose maker is gone: a living one holds
    /// a lock on its folder or in it.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        [".templates", "linux-x86_64"]
            .into_iter()
            .flat_map(|folder| {
                std::fs::read_dir(self.cache.join(folder))
                    .into_iter()
                    .flatten()
                    .flatten()
            })
            .map(|entry| entry.path())
            .filter(|path| {
                path.file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with(".partial")
            })
            .filter(|path| {
                [path.clone(), path.join("lock")].iter().all(|lock| {
                    std::fs::File::open(lock).map_or(true, |file| file.try_lock().is_ok())
                })
            })
            .collect()
    }
}

/// Shared by every run of the tests on this checkout.
pub fn shared_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .unwrap()
        .join("test-cache")
}

/// Standard output of a shell line of this host, which has to succeed.
pub fn host(folder: &Path, line: &str) -> String {
    let output = Command::new("bash")
        .args(["-ec", line])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    text(&output.stdout)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The error object of a failed `--json` run, and that its exit code is 125.
pub fn product_error(output: &Output) -> serde_json::Value {
    assert_eq!(
        output.status.code(),
        Some(125),
        "{} {}",
        text(&output.stdout),
        text(&output.stderr)
    );
    let error: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", text(&output.stdout)));
    assert_eq!(error["ok"], false);
    error
}

/// Processes below `pid`, itself included.
pub fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(
            children
                .split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .flat_map(family),
        );
    }
    all
}

/// The VMM below a client, once it runs.
pub fn vmm_below(client: u32) -> Option<u32> {
    family(client).into_iter().find(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.starts_with("qemu-system") || name.starts_with("firecracker"))
    })
}

pub fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('Z'))
    })
}

/// Waits for something that has no event to wait for.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !holds() {
        assert!(started.elapsed().as_secs() < 30, "never happened: {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
