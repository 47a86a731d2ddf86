//! A home of a test's own, with a repository that has a failing test.
//!
//! Owns: the environment of every program that a test starts, its time limit,
//! and that nothing of it is left. Refuses: what a host's settings look like.

use crate::installed;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A test's surroundings.
pub struct Place {
    folder: tempfile::TempDir,
    /// A Git work tree in which `sh test.sh` fails.
    pub repository: PathBuf,
    /// Where programs are told that a proxy is.
    proxy: Option<String>,
    /// Before all other folders of PATH.
    first_on_path: Option<PathBuf>,
}

/// How a program ended.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Its standard output, when it succeeded.
    pub fn stdout(self) -> String {
        assert!(self.status.success(), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path().join("project");
        let place = Self {
            folder,
            repository,
            proxy: None,
            first_on_path: None,
        };
        fs::create_dir(&place.repository).unwrap();
        for (name, content) in [
            ("add.sh", "echo $(($1 + $2 + 1))\n"),
            ("test.sh", TEST),
            (".gitignore", "*.log\n"),
        ] {
            fs::write(place.repository.join(name), content).unwrap();
        }
        place.git("init --quiet --initial-branch main");
        place.git("add .");
        place.git("-c user.name=a -c user.email=a@example.org commit --quiet -m first");
        // Neither is the project's, and neither may get into a guest.
        fs::write(place.repository.join("untracked.txt"), "private\n").unwrap();
        fs::write(place.repository.join("debug.log"), "ignored\n").unwrap();
        place
    }

    /// With the environment of guests installed; the cache is shared by all tests.
    pub fn with_guests() -> Self {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        let place = Self::new();
        INSTALLED.get_or_init(|| {
            place.pyro(&["env", "pull", "debian:12"], 580).stdout();
        });
        place
    }

    /// Programs that heed proxies ask this address, and so nobody else.
    pub fn behind(mut self, proxy: &str) -> Self {
        self.proxy = Some(proxy.to_owned());
        self
    }

    /// Programs of this folder come before the others.
    pub fn first_on_path(mut self, folder: PathBuf) -> Self {
        self.first_on_path = Some(folder);
        self
    }

    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    fn git(&self, words: &str) {
        let mut command = self.command("git");
        command.args(words.split(' '));
        self.run(command, 60).stdout();
    }

    pub fn pyro(&self, words: &[&str], seconds: u64) -> Ended {
        let mut command = self.command(env!("CARGO_BIN_EXE_pyro"));
        command.args(words);
        self.run(command, seconds)
    }

    /// A program of this home, in the repository.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let cache = cache.parent().unwrap().join("test-cache");
        let installed = installed::path();
        let folders = self.first_on_path.clone().into_iter();
        let path = folders.chain(std::env::split_paths(&installed));
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HOME", self.home())
            .env("TERM", "dumb")
            .env("PYRO_ENVIRONMENT_CACHE_DIR", cache)
            .env("PYRO_STATE_DIR", self.home().join("state"))
            .env("DISABLE_TELEMETRY", "1")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("OPENCODE_DISABLE_MODELS_FETCH", "1")
            .env("OPENCODE_DISABLE_AUTOUPDATE", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .current_dir(&self.repository);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env(name, self.proxy.as_deref().unwrap_or("http://127.0.0.1:9"));
        }
        command.env("NO_PROXY", "127.0.0.1,localhost");
        command
    }

    /// Runs it to its end, in a process group that ends with it.
    pub fn run(&self, mut command: Command, seconds: u64) -> Ended {
        let file = |name| tempfile::Builder::new().prefix(name).tempfile().unwrap();
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(stdout.reopen().unwrap())
            .stderr(stderr.reopen().unwrap())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if began.elapsed() > Duration::from_secs(seconds) {
                break None;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let group = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let read = |file: &tempfile::NamedTempFile| {
            String::from_utf8_lossy(&fs::read(file.path()).unwrap()).into_owned()
        };
        let (stdout, stderr) = (read(&stdout), read(&stderr));
        let Some(status) = status else {
            let _ = child.wait();
            panic!("{command:?} took more than {seconds} s:\n{stdout}\n{stderr}");
        };
        Ended {
            status,
            stdout,
            stderr,
        }
    }

    /// Processes of this home: pids and names.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let mark = format!("HOME={}", self.home().display());
        let pids = fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| {
                let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment
                    .split(|byte| *byte == 0)
                    .any(|line| line == mark.as_bytes())
            })
            .map(|pid: i32| {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                (pid, name.trim().to_owned())
            })
            .collect()
    }

    /// Ids of its workspaces.
    pub fn workspaces(&self) -> Vec<String> {
        let list = self.pyro(&["workspace", "list", "--json"], 60).stdout();
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        let all = list["workspaces"].as_array().unwrap().iter();
        all.map(|workspace| workspace["workspace_id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// No workspace, no process; those that are ending get some seconds.
    pub fn nothing_is_left(&self) {
        assert_eq!(self.workspaces(), Vec::<String>::new());
        let began = Instant::now();
        while !self.processes().is_empty() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "still there: {:?}",
                self.processes()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Place {
    /// A test that failed leaves nothing either.
    fn drop(&mut self) {
        if self.home().join("state").exists() && std::thread::panicking() {
            let list = self.pyro(&["workspace", "list", "--json"], 60).stdout;
            let list: serde_json::Value = serde_json::from_str(&list).unwrap_or_default();
            for workspace in list["workspaces"].as_array().into_iter().flatten() {
                let id = workspace["workspace_id"].as_str().unwrap_or_default();
                self.pyro(&["workspace", "delete", id], 60);
            }
        }
        for (pid, _) in self.processes() {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

const TEST: &str = "\
got=$(sh add.sh 2 3)
if [ \"$got\" != 5 ]; then
    echo \"checking add.sh\"
    echo \"FAILED: expected 5, got $got\"
    exit 1
fi
echo \"passed: 2 + 3 = $got\"
";
