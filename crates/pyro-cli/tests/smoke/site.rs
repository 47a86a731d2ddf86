//! A sealed place to serve from.
//!
//! Owns: the shared cache of environments, a state folder of each test's own,
//! and its clean-up: whatever a test did, its workspaces are deleted by id.

use crate::chat::Chat;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What stories run in unless `variable` names another environment.
pub fn environment_of(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| "debian:12".to_owned())
}

/// One test's surroundings.
pub struct Site {
    folder: tempfile::TempDir,
    pub environment: String,
}

impl Site {
    /// For a story of `docs/use-cases/`.
    pub fn for_use_case() -> Self {
        Self::with(environment_of("USE_CASE_ENVIRONMENT"))
    }

    /// With an environment that is installed when this returns.
    pub fn with(environment: String) -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
            environment,
        };
        site.json(&["env", "pull", &site.environment]);
        site
    }

    /// The folder a server is started in.
    pub fn desk(&self) -> PathBuf {
        let desk = self.folder.path().join("desk");
        std::fs::create_dir_all(&desk).unwrap();
        desk
    }

    pub fn pyro(&self, words: &[&str]) -> Command {
        self.command(&[env!("CARGO_BIN_EXE_pyro")], words)
    }

    /// pyro started by another program, whose words come first.
    pub fn command(&self, program: &[&str], words: &[&str]) -> Command {
        let mut command = Command::new(program[0]);
        command
            .args(&program[1..])
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .env("PYRO_ENVIRONMENT_CACHE_DIR", shared_cache())
            .env("PYRO_STATE_DIR", self.folder.path().join("state"))
            .current_dir(self.desk())
            .stdin(Stdio::null());
        command
    }

    /// What a command with `--json` answers that has to succeed.
    pub fn json(&self, words: &[&str]) -> serde_json::Value {
        let output = self.pyro(words).arg("--json").output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)))
    }

    /// A chat with `pyro mcp serve` and these flags.
    pub async fn chat(&self, flags: &[&str]) -> Chat {
        Chat::with(self.pyro(&[&["mcp", "serve"], flags].concat())).await
    }

    /// A chat with the server of a mode that begins with a project.
    pub async fn chat_in(&self, mode: &str, project: &Path) -> Chat {
        let project = project.to_str().unwrap();
        let flags = ["--mode", mode, "--project-path", project];
        self.chat(&[&flags[..], &["--environment", &self.environment]].concat())
            .await
    }

    fn workspaces(&self) -> Vec<String> {
        let Ok(output) = self.pyro(&["workspace", "list", "--json"]).output() else {
            return Vec::new();
        };
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let rows = list["workspaces"].as_array().into_iter().flatten();
        rows.filter_map(|row| Some(row["workspace_id"].as_str()?.to_owned()))
            .collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for id in self.workspaces() {
            let _ = self.pyro(&["workspace", "delete", &id]).output();
        }
        let left = self.workspaces();
        // A second panic would hide the first.
        if !std::thread::panicking() {
            assert!(left.is_empty(), "not deleted: {left:?}");
        }
    }
}

/// Shared by every run of the tests on this checkout.
fn shared_cache() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    target.join("test-cache")
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}
