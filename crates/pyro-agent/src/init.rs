//! PID 1 of the guest.
//!
//! Owns: the first mounts, the modules, loopback, the agent's process and the
//! machine's end when the agent dies. Refuses: to exit, which would be a
//! kernel panic, and to keep a machine that nobody can reach any more.

use crate::keeper::{self, Side};
use crate::root::{self, BASE, BASE_DEVICE};
use crate::{console, init_root, modules, poweroff, server, sys};
use rustix::mount::{MountFlags, mount};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Runs the guest's PID 1, and in its child the agent.
pub fn run() -> ExitCode {
    early_mounts();
    console::open();
    // Kept open, because the name is gone after the agent's change of root.
    let sysrq = File::options().write(true).open("/proc/sysrq-trigger").ok();
    // Even a bug here must end the machine in order, not in a panic.
    let outcome = std::panic::catch_unwind(start);
    let why = match outcome {
        Ok(Ok(Side::Agent)) => {
            let why = agent();
            console::line(&format!("the agent stops: {why}"));
            return ExitCode::FAILURE;
        }
        Ok(Ok(Side::Keeper(status))) => format!("the agent ended, {}", keeper::describe(status)),
        Ok(Err(error)) => format!("the agent did not start: {error}"),
        Err(_) => "pid 1 failed".into(),
    };
    console::line(&format!("{why}; powering off"));
    end(sysrq)
}

fn start() -> std::io::Result<Side> {
    modules::load(Path::new("/mods"));
    if let Err(error) = sys::loopback_up() {
        console::line(&format!("the loopback interface did not come up: {error}"));
    }
    if let Err(error) = mount_base() {
        console::line(&format!(
            "the base drive {BASE_DEVICE} did not mount: {error}"
        ));
    }
    if let Err(error) = root::prepare() {
        console::line(&format!("/dev was not completed: {error}"));
    }
    let (agents, own) = init_root::pair()?;
    let side = keeper::split(move || init_root::wait_in_background(own, root::NEW_ROOT))?;
    if matches!(side, Side::Agent) {
        init_root::keep(agents);
    }
    Ok(side)
}

fn early_mounts() {
    let strict = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    for (kind, target, flags) in [
        ("proc", "/proc", strict),
        ("sysfs", "/sys", strict),
        ("devtmpfs", "/dev", MountFlags::NOSUID),
    ] {
        let _ = std::fs::create_dir_all(target);
        if let Err(error) = mount(kind, target, kind, flags, None) {
            console::line(&format!("{target} did not mount: {error}"));
        }
    }
}

fn mount_base() -> std::io::Result<()> {
    std::fs::create_dir_all(BASE)?;
    let flags = MountFlags::RDONLY | MountFlags::NOATIME;
    Ok(mount(BASE_DEVICE, BASE, "ext4", flags, None)?)
}

/// Serves until it cannot any more, and says why.
fn agent() -> String {
    // Without the agent the machine is lost, so memory pressure takes anything else first.
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "-1000") {
        console::line(&format!("the agent may be killed for memory: {error}"));
    }
    server::guest()
}

/// Ends the machine: the VMM is started so that a restart is its end.
fn end(sysrq: Option<File>) -> ! {
    rustix::fs::sync();
    if let Some(mut trigger) = sysrq {
        // s: sync, u: remount everything read-only; the kernel does both in
        // the background, and the sync after them waits for what is written.
        let _ = trigger.write_all(b"s");
        let _ = trigger.write_all(b"u");
        rustix::fs::sync();
    }
    poweroff::restart()
}
