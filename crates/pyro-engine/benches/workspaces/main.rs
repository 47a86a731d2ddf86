//! What workspaces cost that are large, and what the overlay costs tools.
//!
//! Prints pairs as the bench of starts does. Run it by `make bench`, or alone:
//! `cargo bench --package pyro-engine --bench workspaces`.
//!
//! | pair | baseline |
//! |---|---|
//! | create from a new seed of 20,000 files | create without one, `tar` of it, and a copy of the archive |
//! | create from a known seed of 20,000 files | create without a seed |
//! | diff of 3 changes in 20,000 files | the same in 20 files |
//! | snapshot after 64 MiB were written | `cp --sparse=always` of the disk |
//! | a shell's line written and its answer read | `exec` of the line |
//! | a tool's work over a seed | the same on a plain ext4 |
//! | output of 100 MB with secrets taken out | the same without secrets |

#[path = "../start/pairs.rs"]
mod pairs;
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

    /// Standard output of `pyro workspace …`, which has to succeed.
    pub fn output(&self, words: &[&str]) -> String {
        let mut command = self.command(words);
        let output = command.stdout(Stdio::piped()).output().expect("pyro runs");
        assert!(output.status.success(), "{words:?}: {}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Time of a shell line in a workspace.
    pub fn guest(&self, workspace: &str, line: &str) -> Duration {
        let flags = ["exec", workspace, "--timeout-seconds", "900", "--"];
        self.pyro(&[&flags[..], &["bash", "-ec", line]].concat())
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
    // One part alone: PYRO_BENCH_ONLY=secrets.
    if std::env::var("PYRO_BENCH_ONLY").is_ok_and(|only| only == "secrets") {
        return secrets::rows(&desk);
    }
    shells::rows(&desk);
    seeds::rows(&desk);
    tools::rows(&desk);
    secrets::rows(&desk);
}
