//! A lab that stays, for several commands one after the other or side by side.
//!
//! ```text
//!   absent --start: serve--> booting --socket there--> ready --stop, idle--> absent
//!                               `--fails: the log says why--> absent
//! ```
//!
//! Owns: the lock that is its life, its socket, its log. Refuses: pids; a
//! process that holds the lock lives, and one that does not is gone.

mod client;
mod server;
mod wire;

pub use client::{exec, exec_with, stop};
pub use server::serve;

use crate::machine::Size;
use crate::output::say;
use crate::place::Place;
use pyro_engine::{Error, Result};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const START_TIMEOUT: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(50);

/// When a lab that nobody uses ends.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Idle {
    /// Minutes without a command after which it ends
    #[arg(long, default_value_t = 120)]
    pub idle_minutes: u64,
}

/// Whether one lives.
pub fn runs(place: &Place) -> bool {
    File::open(place.file("background.lock")).is_ok_and(|lock| lock.try_lock_shared().is_err())
}

/// Boots one and waits until it takes commands.
pub fn start(place: &Place, size: Size, idle: Idle) -> Result<()> {
    if runs(place) {
        say("runs already; `pyro-lab stop` ends it");
        return Ok(());
    }
    let _ = std::fs::remove_file(socket(place));
    let path = place.file("background.log");
    let log = File::create(&path).map_err(Error::io("create", &path))?;
    let failed = |why: String| {
        let said = std::fs::read_to_string(place.file("background.log")).unwrap_or_default();
        Error::runtime("lab_start", format!("the lab did not start: {why}"))
            .hint(format!("its log says: {}", said.trim()))
    };
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut child = Command::new(program)
        .arg("serve")
        .args(["--vcpu-count", &size.vcpu_count.to_string()])
        .args(["--mem-mib", &size.mem_mib.to_string()])
        .args(["--idle-minutes", &idle.idle_minutes.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let began = Instant::now();
    while !socket(place).exists() {
        match child.try_wait() {
            Ok(None) if began.elapsed() < START_TIMEOUT => std::thread::sleep(POLL),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed("it took too long".to_owned()));
            }
            Ok(Some(status)) => return Err(failed(status.to_string())),
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    let said = std::fs::read(&path).unwrap_or_default();
    let _ = std::io::stderr().write_all(&said);
    Ok(())
}

fn socket(place: &Place) -> PathBuf {
    place.file("background.socket")
}

/// A checkout may lie deep, and a socket's name may have 107 bytes: reached
/// through its folder's descriptor it is always short.
fn short(place: &Place) -> Result<(File, PathBuf)> {
    use std::os::fd::AsRawFd;
    let folder = File::open(place.folder()).map_err(Error::io("open", place.folder()))?;
    let path = PathBuf::from(format!(
        "/proc/self/fd/{}/background.socket",
        folder.as_raw_fd()
    ));
    Ok((folder, path))
}
