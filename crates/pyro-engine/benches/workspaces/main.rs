//! What workspaces cost that are large, and what the overlay costs tools.
//!
//! Prints pairs as the bench of starts does. Run it by `make bench`, or alone:
//! `cargo bench --package pyro-engine --bench workspaces`; `PYRO_BENCH_ONLY`
//! names one group of rows: shells, seeds, ports, network, tools or secrets.
//!
//! | pair | baseline |
//! |---|---|
//! | create from a new seed of 20,000 files | create without one, `tar` of it, and a copy of the archive |
//! | create from a known seed of 20,000 files | create without a seed |
//! | diff of 3 changes in 20,000 files | the same in 20 files |
//! | snapshot after 64 MiB were written | `cp --sparse=always` of the disk |
//! | a shell's line written and its answer read | `exec` of the line |
//! | 200 MB through a published port | the same through an exec |
//! | 500 connections at once | one after the other |
//! | a guest's connect to first byte, and 100 MB received | the same by the host itself |
//! | a tool's work over a seed | the same on a plain ext4 |
//! | output of 100 MB with secrets taken out | the same without secrets |

mod network;
#[path = "../start/pairs.rs"]
mod pairs;
mod ports;
mod secrets;
mod seeds;
mod shells;
mod tools;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The program with a state folder of its own.
pub struct Desk {
    folder: tempfile::TempDir,
    rounds: usize,
}

impl Desk {
    /// Prints a row.
    pub fn show(&self, line: &str) {
        writeln!(std::io::stdout(), "{line}").expect("stdout is open");
    }

    /// A file of this run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let program = std::env::var_os("PYRO_BIN").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/release/pyro"),
            PathBuf::from,
        );
        let mut command = Command::new(program);
        command
            .arg("workspace")
            .args(words)
            .env("PYRO_STATE_DIR", self.path("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Time of `pyro workspace …`, which has to succeed.
    pub fn pyro(&self, words: &[&str]) -> Duration {
        let began = Instant::now();
        let status = self.command(words).status().expect("pyro runs");
        assert!(status.success(), "{words:?}: {status}");
        began.elapsed()
    }

    /// Time of a shell line in a workspace.
    pub fn guest(&self, workspace: &str, line: &str) -> Duration {
        let flags = ["exec", workspace, "--timeout-seconds", "900", "--"];
        self.pyro(&[&flags[..], &["bash", "-ec", line]].concat())
    }

    /// The same with standard input.
    pub fn guest_with(&self, input: std::fs::File, workspace: &str, line: &str) -> Duration {
        let began = Instant::now();
        let flags = ["exec", workspace, "--timeout-seconds", "900", "--"];
        let words = [&flags[..], &["bash", "-ec", line]].concat();
        let status = self.command(&words).stdin(input).status();
        assert!(status.expect("pyro runs").success(), "{line}");
        began.elapsed()
    }

    /// Standard output of `pyro workspace …`, which has to succeed.
    pub fn output(&self, words: &[&str]) -> String {
        let mut command = self.command(words);
        let output = command.stdout(Stdio::piped()).output().expect("pyro runs");
        assert!(output.status.success(), "{words:?}: {}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Time of a shell line of the host.
    pub fn host(&self, line: &str) -> Duration {
        let began = Instant::now();
        let status = Command::new("bash")
            .args(["-ec", line])
            .current_dir(self.folder.path())
            .status();
        assert!(status.expect("bash runs").success(), "{line}");
        began.elapsed()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let folder = self.path("state/workspaces");
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let id = entry.file_name().to_string_lossy().into_owned();
            let _ = self.command(&["delete", &id]).status();
        }
    }
}

/// Measures and shows some rows.
type Rows = fn(&Desk);

fn main() {
    let rounds = std::env::var("PYRO_BENCH_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5);
    // Beside the build, not in a tmpfs.
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let desk = Desk {
        folder: tempfile::tempdir_in(target).expect("target is there"),
        rounds,
    };
    desk.show(pairs::HEADING);
    let only = std::env::var("PYRO_BENCH_ONLY").unwrap_or_default();
    let groups: [(&str, Rows); 6] = [
        ("shells", shells::rows),
        ("seeds", seeds::rows),
        ("ports", ports::rows),
        ("network", network::rows),
        ("tools", tools::rows),
        ("secrets", secrets::rows),
    ];
    for (name, rows) in groups {
        if only.is_empty() || only == name {
            rows(&desk);
        }
    }
}
