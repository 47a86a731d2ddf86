//! One exec request, from its checks to its reply.
//!
//! Owns: whether a command may run now, and what is answered. Refuses:
//! commands before configure and during power-off.

use crate::machine::{Machine, Phase};
use crate::pump::Pump;
use crate::reply::{answer, failed};
use crate::role::Role;
use crate::{clock, console, spawn};
use pyro_proto::Stream;
use pyro_proto::messages::{Exec, Failed, LEAVING, Reply, channel};

/// With less than this left a guest thrashes: its programs are read again and
/// again from the disk, and no command ends in time.
const SPARE_KIB: u64 = 24 * 1024;

/// Runs the command and closes the stream.
pub fn run(machine: &Machine, exec: &Exec, stream: Stream) {
    carry_out(machine, exec, stream, false);
}

/// The same for a service.
pub fn serve(machine: &Machine, exec: &Exec, stream: Stream) {
    carry_out(machine, exec, stream, true);
}

fn carry_out(machine: &Machine, exec: &Exec, stream: Stream, is_service: bool) {
    match start(machine, exec, &stream) {
        Ok(mut pump) => {
            if is_service {
                let pid = pump.become_service().to_le_bytes();
                // A host that gave it up is noticed by the pump.
                let _ = stream.send_some(channel::SIGNAL, &pid);
            }
            // Nobody is left to answer when the host gave the stream up.
            if let Some(exited) = pump.run() {
                answer(stream, &Reply::Exited(exited));
            }
        }
        Err(error) => answer(stream, &Reply::Failed(error)),
    }
}

/// Whether a program may be started now; `Ok(true)` in a crowd. Sets the clock.
pub fn admit(machine: &Machine, time_unix_ns: u64) -> Result<bool, Failed> {
    match (*machine.phase(), machine.role) {
        (Phase::Leaving, _) => return Err(failed(LEAVING, "the machine is powering off")),
        (Phase::Fresh | Phase::Configuring, Role::Guest) => {
            let message = "the guest was not configured yet";
            return Err(failed("not_configured", message));
        }
        _ => {}
    }
    let crowded = machine.activity.is_crowded();
    if crowded
        && machine.role == Role::Guest
        && let Some(kib) = available_kib().filter(|kib| *kib < SPARE_KIB)
    {
        let message = format!("many commands are under way and {kib} KiB of memory are left");
        return Err(failed("busy", message));
    }
    if machine.role == Role::Guest
        && let Err(error) = clock::step(time_unix_ns)
    {
        // A wrong clock is worth a line, not the command.
        console::line(&format!("the clock was not set: {error}"));
    }
    Ok(crowded)
}

fn start<'a>(machine: &'a Machine, exec: &Exec, stream: &'a Stream) -> Result<Pump<'a>, Failed> {
    let crowded = admit(machine, exec.time_unix_ns)?;
    let pump = Pump::prepare(stream, exec)
        .map_err(|error| failed("internal", format!("no descriptor for a command: {error}")))?;
    if let Some(error) = stream.over() {
        return Err(failed("internal", error.to_string()));
    }
    let group = machine.cgroups.create();
    let spawned = spawn::spawn(machine.role, machine.limits, exec, group.as_ref())?;
    if crowded {
        spawned.shrink_pipes();
    }
    Ok(pump.with(spawned, group))
}

fn available_kib() -> Option<u64> {
    let all = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = all
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse().ok()
}
