//! Ctrl-C, TERM and HUP, on the real program.
//!
//! The operation that is interrupted is doctor, held up by a QEMU that does
//! not answer: it needs no guest and ends by itself after a few seconds.

use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts a doctor whose QEMU takes this many seconds, and waits until it asks.
fn slow_doctor(folder: &Path, seconds: &str) -> Child {
    let (program, asked) = (folder.join("qemu"), folder.join("asked"));
    let script = format!("#!/bin/sh\n: > {}\nexec sleep {seconds}\n", asked.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_pyro"))
        .arg("doctor")
        .env("PYRO_QEMU_BIN", &program)
        .env("PYRO_ENVIRONMENT_CACHE_DIR", folder.join("cache"))
        .env("PYRO_STATE_DIR", folder.join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !asked.exists() {
        assert!(Instant::now() < deadline, "doctor never asked QEMU");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn the_first_signal_lets_the_operation_end() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = slow_doctor(folder.path(), "0.3");
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal:?}");
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = slow_doctor(folder.path(), "4");
    let began = Instant::now();
    send(&child, Signal::INT);
    // Two equal signals at once are one signal to the kernel.
    std::thread::sleep(Duration::from_millis(200));
    send(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "it waited for the operation"
    );
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("qemu");
    std::fs::write(&program, "#!/bin/sh\nkill -HUP $PPID\nexec sleep 0.2\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new("nohup")
        .args([env!("CARGO_BIN_EXE_pyro"), "doctor"])
        .env("PYRO_QEMU_BIN", &program)
        .env("PYRO_ENVIRONMENT_CACHE_DIR", folder.path().join("cache"))
        .env("PYRO_STATE_DIR", folder.path().join("state"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
