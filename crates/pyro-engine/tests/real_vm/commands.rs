//! Commands: what they are told, what they answer, when they end.

use super::subject::{Place, Subject, output, run, try_run};
use pyro_engine::guest::Command;
use pyro_engine::vms::payloads::ExecutionMode;
use pyro_engine::{Cancel, NoEvents};
use sha2::{Digest, Sha256};
use std::io::{Seek, Write};
use std::time::Duration;

pub fn boots_and_says_what_it_is(subject: Subject) {
    let place = Place::new();
    let mut started = subject.start(&place);
    assert_eq!(started.backend, subject.name());
    let mode = match subject {
        Subject::Process => ExecutionMode::HostCompat,
        Subject::Qemu => ExecutionMode::GuestSerial,
        Subject::Firecracker => ExecutionMode::GuestVsock,
    };
    assert_eq!(started.execution_mode, mode);
    let boot_id = output(&mut started.guest, "cat /proc/sys/kernel/random/boot_id");
    let ours = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(
        boot_id != ours.trim(),
        subject.capabilities().guest_kernel,
        "a kernel of its own"
    );
    eprintln!(
        "{}: confined by {}",
        subject.name(),
        started.guest.confinement().as_str()
    );
}

pub fn exit_codes_and_signals_come_through(subject: Subject) {
    let place = Place::new();
    let guest = &mut subject.start(&place).guest;
    assert_eq!(run(guest, "exit 7").0, 7);
    let finished = try_run(guest, "kill -9 $$", Duration::from_secs(60)).unwrap();
    assert_eq!(
        (finished.exited.exit_code, finished.exited.signal),
        (137, Some(9))
    );
    assert_eq!(run(guest, "no-such-program").0, 127);
}

pub fn both_directions_carry_every_byte(subject: Subject) {
    let place = Place::new();
    let guest = &mut subject.start(&place).guest;
    let content: Vec<u8> = (0..1_500_000_u32)
        .flat_map(|n| (n.wrapping_mul(2_654_435_761)).to_le_bytes())
        .collect();
    let mut stdin = tempfile::tempfile().unwrap();
    stdin.write_all(&content).unwrap();
    stdin.rewind().unwrap();
    let finished = guest
        .exec(
            Command {
                shell: "tee /dev/stderr | sha256sum; wc -c < /dev/null >&2",
                timeout: Duration::from_secs(120),
                stdin: Some(stdin),
                env: Default::default(),
                redactor: Default::default(),
                kept_bytes: pyro_engine::guest::KEPT_BYTES,
            },
            &NoEvents,
            &Cancel::default(),
        )
        .unwrap();
    assert_eq!(finished.exited.exit_code, 0);
    let wanted = hex::encode(Sha256::digest(&content));
    assert!(
        finished.stdout.text.starts_with(&wanted),
        "{}",
        finished.stdout.text
    );
    assert_eq!(finished.stderr.total_bytes, content.len() as u64 + 2);
}

pub fn a_deadline_ends_the_command_and_not_the_guest(subject: Subject) {
    let place = Place::new();
    let guest = &mut subject.start(&place).guest;
    let finished = try_run(guest, "sleep 600 & sleep 600", Duration::from_secs(1)).unwrap();
    assert!(finished.exited.timed_out);
    assert_eq!(output(guest, "echo still here"), "still here");
}
