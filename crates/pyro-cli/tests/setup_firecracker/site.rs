//! A cache of its own, and what is read of the program's answers.

use crate::made_up;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const DEADLINE: Duration = Duration::from_secs(30);

pub struct Site(pub TempDir);

impl Site {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program with this user's environment variables and a cache of its own.
    pub fn pyro(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pyro"));
        command
            .args(words)
            .current_dir(self.0.path())
            .env_remove("PYRO_FIRECRACKER_BIN")
            .env("PYRO_ENVIRONMENT_CACHE_DIR", self.path("cache"))
            .env("PYRO_STATE_DIR", self.path("state"))
            .stdin(Stdio::null());
        command
    }

    pub fn setup(&self, words: &[&str]) -> Output {
        let words = [&["setup", "firecracker"], words].concat();
        self.pyro(&words)
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap()
    }

    /// A tarball as upstream's, made by tar, and its checksum.
    pub fn release(&self, version: &str) -> (PathBuf, String) {
        let folder = self.path("tree").join(format!("release-v{version}-x86_64"));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in [
            ("firecracker", format!("Firecracker v{version}\n")),
            ("jailer", format!("Jailer v{version}\n")),
        ] {
            let path = folder.join(format!("{name}-v{version}-x86_64"));
            std::fs::write(path, made_up::program(&text)).unwrap();
        }
        let tarball = self.path(&format!("firecracker-v{version}-x86_64.tgz"));
        let made = Command::new("tar")
            .arg("-czf")
            .arg(&tarball)
            .arg("-C")
            .arg(self.path("tree"))
            .arg(folder.file_name().unwrap())
            .status();
        assert!(made.unwrap().success());
        let sum = Command::new("sha256sum").arg(&tarball).output().unwrap();
        let sum = String::from_utf8(sum.stdout).unwrap();
        (tarball, sum.split(' ').next().unwrap().to_owned())
    }

    pub fn installed(&self, name: &str) -> PathBuf {
        self.path("cache/.firecracker/linux-x86_64").join(name)
    }

    /// Names of what a setup works in.
    pub fn partials(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("cache/.firecracker"));
        let paths = entries
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path());
        paths
            .filter(|path| !path.ends_with("linux-x86_64"))
            .collect()
    }
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// 125, and one line each of error and hint.
pub fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    let text = stderr(output);
    let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!((lines("error: "), lines("hint: ")), (1, 1), "{text}");
    text
}

pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
