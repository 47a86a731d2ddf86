//! Workspaces, as a person uses them and as crashes leave them.
//!
//! Owns: a workspace for a test, and finding its processes.

mod attach;
mod brokered;
mod browser;
mod crashes;
mod diff;
mod disk;
mod files;
mod life;
mod network;
mod ports;
mod project;
mod rounds;
mod running;
mod running_ends;
mod secrets;
mod seeds;
mod services;
mod shells;
mod snapshots;
mod strain;
mod summary;
mod tools;
mod transcript;

use crate::firecracker;
use crate::machine::{Place, family, text};
use serde_json::Value;

/// Commands with `--json`; every workspace is deleted at the end.
pub struct Desk {
    pub place: Place,
}

impl Desk {
    /// Where Firecracker works (the KVM lab), on it and no other.
    pub fn new() -> Self {
        let mut place = Place::new();
        place.backend = firecracker::missing(&place)
            .is_none()
            .then_some("firecracker");
        Self { place }
    }

    /// Runs `pyro workspace … --json`; the object and the exit code.
    pub fn ask(&self, words: &[&str]) -> (Value, i32) {
        // Flags stand before the command for the guest.
        let at = words
            .iter()
            .position(|word| *word == "--")
            .unwrap_or(words.len());
        let mut all = vec!["workspace"];
        all.extend(&words[..at]);
        all.push("--json");
        all.extend(&words[at..]);
        let output = self.place.pyro(&all).output().unwrap();
        let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "{words:?}: {error}: {} {}",
                text(&output.stdout),
                text(&output.stderr)
            )
        });
        (value, output.status.code().unwrap_or(-1))
    }

    /// One that has to succeed.
    pub fn done(&self, words: &[&str]) -> Value {
        let (value, code) = self.ask(words);
        assert_eq!(code, 0, "{words:?}: {value}");
        value
    }

    pub fn create(&self, name: &str) -> String {
        let made = self.done(&["create", "debian:12", "--name", name, "--mem-mib", "512"]);
        assert_eq!(made["state"], "started", "{made}");
        made["workspace_id"].as_str().unwrap().to_owned()
    }

    /// Standard output of a shell line that has to succeed.
    pub fn sh(&self, workspace: &str, line: &str) -> String {
        self.sh_within(workspace, 30, line)
    }

    /// The same with another deadline.
    pub fn sh_within(&self, workspace: &str, seconds: u32, line: &str) -> String {
        let seconds = seconds.to_string();
        let flags = ["exec", workspace, "--timeout-seconds", &seconds];
        let words = [&flags[..], &["--", "bash", "-c", line]].concat();
        let done = self.done(&words);
        done["stdout"].as_str().unwrap().to_owned()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let Ok(output) = self.place.pyro(&["workspace", "list", "--json"]).output() else {
            return;
        };
        let list: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        for row in list["workspaces"].as_array().into_iter().flatten() {
            let id = row["workspace_id"].as_str().unwrap_or_default();
            let _ = self.place.pyro(&["workspace", "delete", id]).output();
        }
    }
}

/// Process of the supervisor, if it lives.
pub fn supervisor(id: &str) -> Option<u32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .find_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let words = std::fs::read(entry.path().join("cmdline")).ok()?;
            let words: Vec<_> = words.split(|byte| *byte == 0).collect();
            (words.get(1) == Some(&b"supervise".as_slice()) && words.get(2) == Some(&id.as_bytes()))
                .then_some(pid)
        })
}

/// The supervisor and everything below it.
pub fn processes(id: &str) -> Vec<u32> {
    supervisor(id).map(family).unwrap_or_default()
}
