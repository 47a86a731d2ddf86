//! Makes a machine out of a fresh or cloned kernel, once.
//!
//! Owns: the order of the steps and their times. Refuses: a second configure,
//! and anything that touches the machine when the agent is a plain process.
//!
//! ```text
//!   clock -> entropy -> name -> scratch + overlay + mounts -> change of root -> network
//!   reader: disks only, read-only, and no change of root
//! ```

use crate::machine::{Machine, Phase};
use crate::reply::failed;
use crate::role::Role;
use crate::root::{self, NEW_ROOT};
use crate::{clock, freeze, network, reader};
use pyro_proto::messages::{Configure, Configured, Failed, LEAVING};
use rustix::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Carries the request out.
pub fn run(machine: &Machine, wanted: &Configure) -> Result<Configured, Failed> {
    {
        let mut phase = machine.phase();
        match *phase {
            Phase::Fresh => *phase = Phase::Configuring,
            Phase::Ready => return Err(failed("bad_request", "the guest is configured already")),
            Phase::Configuring => return Err(failed("busy", "another configure is under way")),
            Phase::Leaving => return Err(failed(LEAVING, "the machine is powering off")),
        }
    }
    let done = match machine.role {
        Role::Guest => guest(machine, wanted),
        Role::Process { .. } => process(wanted),
    };
    // A failed one may be tried again: what it mounted is gone again.
    let mut phase = machine.phase();
    if *phase == Phase::Configuring {
        *phase = if done.is_ok() {
            Phase::Ready
        } else {
            Phase::Fresh
        };
    }
    done
}

fn process(wanted: &Configure) -> Result<Configured, Failed> {
    match &wanted.scratch_device {
        Some(device) => Err(failed(
            "bad_request",
            format!("an agent without a machine does not mount {device}"),
        )),
        None if wanted.reader => Err(failed(
            "bad_request",
            "an agent without a machine has no disks to show",
        )),
        None => Ok(configured(String::new())),
    }
}

fn configured(steps: String) -> Configured {
    Configured {
        kernel: rustix::system::uname().release().to_string_lossy().into(),
        steps,
    }
}

fn guest(machine: &Machine, wanted: &Configure) -> Result<Configured, Failed> {
    let mut steps = String::new();
    let mut last = Instant::now();
    let mut timed = |step: &str| {
        let now = Instant::now();
        steps += &format!(" {step}={}us", (now - last).as_micros());
        last = now;
    };
    let Some(device) = &wanted.scratch_device else {
        return Err(failed("bad_request", "a guest needs a scratch device"));
    };
    if wanted.reader {
        reader::assemble(device, wanted.baseline_device.as_deref())
            .inspect_err(|_| reader::undo())?;
        machine.reader.store(true, Ordering::SeqCst);
        timed("reader");
        return Ok(configured(steps));
    }
    clock::step(wanted.time_unix_ns)
        .map_err(|error| failed("internal", format!("the clock was not set: {error}")))?;
    timed("clock");
    clock::seed(&wanted.entropy_hex)
        .map_err(|error| failed("internal", format!("the entropy was not taken: {error}")))?;
    timed("entropy");
    rustix::system::sethostname(wanted.hostname.as_bytes()).map_err(|error| {
        let name = &wanted.hostname;
        failed("bad_request", format!("host name `{name}`: {error}"))
    })?;
    timed("name");
    let disks =
        root::assemble(device, wanted.baseline_device.as_deref()).inspect_err(|_| root::undo())?;
    timed("mounts");
    root::enter()
        .map_err(|error| failed("mount", format!("changing to {NEW_ROOT} failed: {error}")))?;
    let keep = |slot: &Mutex<Option<OwnedFd>>, disk| {
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = disk;
    };
    keep(&machine.scratch, Some(disks.scratch));
    keep(&machine.baseline, disks.baseline);
    name_files(&wanted.hostname);
    if let Some(wanted) = &wanted.network {
        network::set_up(wanted)?;
        timed("network");
    }
    freeze::mark_new(machine);
    machine.cgroups.set_up();
    timed("root");
    Ok(configured(steps))
}

/// Tells the image its name. Best effort: an image without /etc is no machine
/// for these files. Written only when different, to leave the layer alone.
fn name_files(hostname: &str) {
    let wanted = format!("{hostname}\n");
    if std::fs::read_to_string("/etc/hostname").is_ok_and(|text| text == wanted) {
        return;
    }
    let _ = std::fs::write("/etc/hostname", wanted);
    // Without a line of its own every `sudo` or `hostname -f` asks a resolver first.
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let mut hosts = if hosts.is_empty() {
        "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n".to_owned()
    } else {
        hosts
    };
    let known = hosts
        .lines()
        .any(|line| line.split_whitespace().skip(1).any(|name| name == hostname));
    if !known {
        hosts += &format!("127.0.1.1 {hostname}\n");
        let _ = std::fs::write("/etc/hosts", hosts);
    }
}
