//! What a template keeps warm.
//!
//! Owns: running a shell once in the read-only base before the machine is
//! frozen, so that every clone has the shell's files in its page cache
//! instead of reading them block by block. Refuses: a machine that has been
//! configured; nothing of this run is seen by a command.

use crate::machine::{Machine, Phase};
use crate::reply::failed;
use crate::role::Role;
use crate::root::BASE;
use pyro_proto::messages::Failed;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A base whose shell hangs is frozen cold.
const PATIENCE: Duration = Duration::from_secs(20);

/// Carries the request out.
pub fn run(machine: &Machine) -> Result<(), Failed> {
    if machine.role != Role::Guest || *machine.phase() != Phase::Fresh {
        return Err(failed("bad_request", "only a fresh guest is warmed up"));
    }
    let mut command = Command::new("/bin/sh");
    command
        .args(["-lc", "true"])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    #[allow(unsafe_code)]
    // SAFETY: two system calls and no allocation; the path is a constant.
    unsafe {
        command.pre_exec(|| {
            rustix::process::chroot(BASE)?;
            rustix::process::chdir(c"/")?;
            Ok(())
        });
    }
    let error = |error: std::io::Error| failed("spawn", format!("the shell of {BASE}: {error}"));
    let mut child = command.spawn().map_err(error)?;
    let began = Instant::now();
    loop {
        match child.try_wait().map_err(error)? {
            // Whatever it thinks of a root without /proc: its files were read.
            Some(_) => return Ok(()),
            None if began.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(
                    "internal",
                    format!("the shell of {BASE} does not end"),
                ));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
