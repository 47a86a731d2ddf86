//! Every way a machine ends.

use super::subject::{Place, Subject, assert_gone, output, try_run};
use std::time::Duration;

pub fn a_power_off_leaves_nothing(subject: Subject) {
    let place = Place::new();
    let mut started = subject.start(&place);
    output(
        &mut started.guest,
        "echo kept > /root/file 2>/dev/null || true",
    );
    let pids = started.guest.machine().pids();
    started.guest.power_off();
    assert_gone(&pids);
}

pub fn a_killed_machine_is_an_error_and_leaves_nothing(subject: Subject) {
    let place = Place::new();
    let mut started = subject.start(&place);
    let pids = started.guest.machine().pids();
    let program = pids[0];
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        let status = std::process::Command::new("kill")
            .args(["-9", &program.to_string()])
            .status();
        assert!(status.unwrap().success());
    });
    let error = try_run(&mut started.guest, "sleep 60", Duration::from_secs(60))
        .map(drop)
        .unwrap_err();
    killer.join().unwrap();
    assert!(
        ["vmm_killed", "guest_connection"].contains(&error.code),
        "{}: {error}",
        error.code
    );
    assert!(error.hint.is_some(), "{error}");
    drop(started);
    assert_gone(&pids);
}

pub fn a_crash_has_its_reason(subject: Subject) {
    if !subject.capabilities().guest_kernel {
        return; // its kernel is the host's
    }
    let place = Place::new();
    let mut started = subject.start(&place);
    let pids = started.guest.machine().pids();
    let error = try_run(
        &mut started.guest,
        "echo c > /proc/sysrq-trigger; sleep 60",
        Duration::from_secs(60),
    )
    .map(drop)
    .unwrap_err();
    assert_eq!(error.code, "guest_panic", "{error}");
    drop(started);
    assert_gone(&pids);
}
