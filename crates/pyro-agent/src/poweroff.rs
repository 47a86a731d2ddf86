//! The machine's end, in order.
//!
//! Owns: ending processes, writing everything back, the reply, the restart.
//! Refuses: to wait without a bound for a process that does not end.
//!
//! ```text
//!   TERM -> (bounded) -> KILL -> sync -> read-only -> POWERING_OFF -> restart
//! ```

use crate::machine::{Machine, Phase};
use crate::reply::{answer, failed};
use crate::role::Role;
use crate::{console, keeper, tree};
use pyro_proto::Stream;
use pyro_proto::messages::Reply;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::mount::{MountFlags, mount_remount};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::system::{RebootCommand, reboot};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

const TERM_WAIT: Duration = Duration::from_secs(2);
const KILL_WAIT: Duration = Duration::from_millis(500);
/// A process that forks while it is killed needs another round; no more than this.
const KILL_ROUNDS: usize = 4;

/// Ends everything, answers, and powers off.
pub fn run(machine: &Machine, stream: Stream) {
    {
        let mut phase = machine.phase();
        if *phase == Phase::Leaving {
            drop(phase);
            let busy = failed("busy", "the machine is powering off already");
            return answer(stream, &Reply::Failed(busy));
        }
        *phase = Phase::Leaving;
    }
    if machine.role != Role::Guest {
        keeper::kill_orphans();
        tree::kill_below(rustix::process::getpid().as_raw_nonzero().get(), None);
        answer(stream, &Reply::PoweringOff);
        std::process::exit(0);
    }
    end_processes();
    rustix::fs::sync();
    read_only(machine);
    // Before the restart, and after the last write: a host that reads this may
    // also pull the plug.
    answer(stream, &Reply::PoweringOff);
    restart();
}

fn end_processes() {
    if signal_and_wait(Signal::TERM, TERM_WAIT) {
        return;
    }
    for _ in 0..KILL_ROUNDS {
        if signal_and_wait(Signal::KILL, KILL_WAIT) {
            return;
        }
    }
    console::line("some processes did not end");
}

/// Whether every process of the guest is gone within `most`.
fn signal_and_wait(signal: Signal, most: Duration) -> bool {
    let deadline = Instant::now() + most;
    let mut alive: Vec<OwnedFd> = others();
    for process in &alive {
        let _ = pidfd_send_signal(process, signal);
    }
    while !alive.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut fds: Vec<PollFd<'_>> = alive
            .iter()
            .map(|process| PollFd::new(process, PollFlags::IN))
            .collect();
        if !matches!(poll(&mut fds, Some(&timeout)), Ok(ready) if ready > 0) {
            return false;
        }
        let ended: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut ended = ended.into_iter();
        alive.retain(|_| !ended.next().unwrap_or(false));
    }
    others().is_empty()
}

/// Every process but init, the agent, the kernel's own and the dead.
fn others() -> Vec<OwnedFd> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    tree::all()
        .filter(|pid| *pid > 2 && *pid != own && tree::parent(*pid).is_some_and(|of| of != 2))
        .filter_map(Pid::from_raw)
        .filter_map(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
        .filter(|process| {
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // Readable means that it ended and only waits to be reaped.
            matches!(
                poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&now)),
                Ok(0)
            )
        })
        .collect()
}

fn read_only(machine: &Machine) {
    let scratch = machine
        .scratch
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let Some(scratch) = &*scratch else {
        return; // nothing writable was mounted
    };
    // Its name is below the old root, so the descriptor is the way to it.
    let scratch = format!("/proc/self/fd/{}", scratch.as_raw_fd());
    for (what, target) in [
        ("/", "/"),
        ("/workspace", "/workspace"),
        ("the scratch drive", scratch.as_str()),
    ] {
        if let Err(error) = mount_remount(target, MountFlags::RDONLY, "") {
            console::line(&format!("{what} did not become read-only: {error}"));
        }
    }
    rustix::fs::sync();
}

/// Ends the machine. A restart, since VMMs are started so that it is their
/// end (`-no-reboot`; Firecracker has no other), while power-off needs ACPI.
pub fn restart() -> ! {
    if let Err(error) = reboot(RebootCommand::Restart) {
        console::line(&format!("the restart failed: {error}"));
    }
    loop {
        std::thread::park();
    }
}
