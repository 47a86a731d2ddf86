//! What a guest has, and what it cannot take.

use super::subject::{MEM_MIB, Place, Subject, output, try_run};
use pyro_vmm::confine::{Level, survey_cgroups};
use std::time::Duration;

pub fn the_guest_has_what_was_asked_for(subject: Subject) {
    if !subject.capabilities().guest_kernel {
        return; // it has what the host has
    }
    let place = Place::new();
    let mut started = subject.try_start(&place, "two", 2).unwrap();
    assert_eq!(output(&mut started.guest, "nproc"), "2");
    let kib: u32 = output(
        &mut started.guest,
        "sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo",
    )
    .parse()
    .unwrap();
    let mib = kib / 1024;
    assert!(mib <= MEM_MIB && mib > MEM_MIB * 3 / 4, "{mib} MiB");
    let level = started.guest.confinement();
    let pid = started.guest.machine().pids()[0];
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    if level != Level::LifelineOnly {
        assert_eq!(field("CapEff:"), "0000000000000000", "{status}");
        assert_eq!(field("NoNewPrivs:"), "1");
        assert_eq!(field("Seccomp:"), "2", "the VMM filters its system calls");
    }
    if matches!(level, Level::Jailer | Level::RootNamespaces) {
        let uid: u32 = field("Uid:")
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert!(uid >= 1_000_000_000, "a user no account has: {uid}");
    }
    match survey_cgroups() {
        Some(reason) => eprintln!("no bounds on the VMM here: {reason}"),
        None => {
            let group = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
            let path = group.trim().trim_start_matches("0::");
            let bound =
                std::fs::read_to_string(format!("/sys/fs/cgroup{path}/memory.max")).unwrap();
            assert!(
                bound.trim().parse::<u64>().unwrap() > u64::from(MEM_MIB) << 20,
                "{bound}"
            );
        }
    }
}

pub fn a_hog_does_not_end_the_guest(subject: Subject) {
    if !subject.capabilities().guest_kernel {
        return; // it would be the host's memory
    }
    let place = Place::new();
    let guest = &mut subject.start(&place).guest;
    // Most of the memory is set aside without being touched, which is quick;
    // a buffer that is filled then does not fit.
    let finished = try_run(
        guest,
        "echo 190 > /proc/sys/vm/nr_hugepages; (dd if=/dev/zero bs=150M count=1 2>/dev/null; echo code=$? >&2) | cat >/dev/null; cat /proc/sys/vm/nr_hugepages; echo 0 > /proc/sys/vm/nr_hugepages",
        Duration::from_secs(180),
    )
    .unwrap();
    let text = finished.stdout.text + &finished.stderr.text;
    assert!(
        text.contains("code=137"),
        "it was killed for its memory: {text}"
    );
    assert_eq!(output(guest, "echo still here"), "still here");
}
