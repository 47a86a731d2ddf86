//! A home directory with hosts in it.
//!
//! Owns: where things are, running pyro there, faking hosts' programs.

use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

pub struct Site(TempDir);

/// Names of the hosts that are connected, and their files below HOME.
pub const HOSTS: [(&str, &str); 3] = [
    ("claude-code", ".claude.json"),
    ("codex", ".codex/config.toml"),
    ("opencode", ".config/opencode/opencode.json"),
];

impl Site {
    /// With the programs of all hosts, which say their version and nothing else.
    pub fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        for folder in ["home", "bin", "project", "tmp"] {
            std::fs::create_dir(site.path(folder)).unwrap();
        }
        // Another user may be the one who runs pyro.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(site.0.path(), open).unwrap();
        for program in ["claude", "codex", "opencode"] {
            let fails = "echo \"error: no $1 here\" >&2; exit 1";
            let body = format!("[ \"$1\" = --version ] && echo '1.2.3 (fake)' && exit\n{fails}");
            site.fake(program, &body);
        }
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn home(&self, name: &str) -> PathBuf {
        self.path("home").join(name)
    }

    /// Makes a shell script one of the programs on PATH.
    pub fn fake(&self, program: &str, body: &str) {
        let path = self.path("bin").join(program);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// `pyro host WORDS` in the project.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pyro"));
        command
            .arg("host")
            .args(words)
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            )
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("PYRO_STATE_DIR", self.path("state"))
            .env("PYRO_ENVIRONMENT_CACHE_DIR", self.path("cache"))
            .current_dir(self.path("project"));
        command
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// The JSON of a command that succeeds.
    pub fn json(&self, words: &[&str]) -> Value {
        json(&self.run(&[words, &["--json"]].concat()))
    }

    /// Kind and message of a product error, which has a hint.
    pub fn refused(&self, words: &[&str]) -> String {
        refused(&self.run(&[words, &["--json"]].concat()))
    }

    /// Backups beside a file, oldest first.
    pub fn backups(&self, name: &str) -> Vec<PathBuf> {
        let path = self.path(name);
        let start = format!("{}.bak-", path.file_name().unwrap().to_str().unwrap());
        entries(path.parent().unwrap())
            .into_iter()
            .filter(|path| {
                path.file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .starts_with(&start)
            })
            .collect()
    }
}

pub fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

pub fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        object["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
        "{object}"
    );
    format!(
        "{}: {}",
        object["error_kind"].as_str().unwrap(),
        object["error"].as_str().unwrap()
    )
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    entries
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The program's own absolute path, as it is written down.
pub const PYRO: &str = env!("CARGO_BIN_EXE_pyro");
