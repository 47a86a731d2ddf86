//! From create to delete, and what lies between.

use super::{Desk, processes, supervisor};
use crate::machine::{eventually, is_alive, text};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn a_life() {
    let desk = Desk::new();
    let id = desk.create("one");
    assert_eq!(desk.done(&["list"])["workspaces"][0]["workspace_id"], id);

    // A command's code, its streams, its input.
    let (done, code) = desk.ask(&[
        "exec",
        "one",
        "--",
        "sh",
        "-c",
        "pwd; echo b >&2; echo kept > f; exit 7",
    ]);
    assert_eq!(
        (code, &done["stdout"], &done["stderr"]),
        (7, &"/workspace\n".into(), &"b\n".into())
    );
    assert_eq!(
        (done["sequence"].as_u64(), done["exit_code"].as_i64()),
        (Some(1), Some(7))
    );
    let mut cat = desk
        .place
        .pyro(&["workspace", "exec", "one", "--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    cat.stdin
        .take()
        .unwrap()
        .write_all(&b"x".repeat(300_000))
        .unwrap();
    assert_eq!(cat.wait_with_output().unwrap().stdout.len(), 300_000);

    let logs = desk.done(&["logs", "one"]);
    assert_eq!(logs["count"], 2);
    assert_eq!(
        (
            &logs["entries"][0]["stderr"],
            &logs["entries"][0]["exit_code"]
        ),
        (&"b\n".into(), &7.into())
    );

    // Stopped, nothing runs and nothing can; started, the whole disk is as it was.
    desk.sh(
        "one",
        "echo installed > /usr/local/tool; hostname > /root/name",
    );
    let before = processes(&id);
    assert!(before.len() > 2, "{before:?}");
    assert_eq!(desk.done(&["stop", "one"])["stop_reason"], "requested");
    for pid in before {
        eventually(&format!("process {pid} is gone"), || !is_alive(pid));
    }
    let (refused, code) = desk.ask(&["exec", "one", "--", "true"]);
    assert_eq!(
        (code, &refused["error_kind"]),
        (125, &"wrong_state".into()),
        "{refused}"
    );
    assert!(
        refused["hint"]
            .as_str()
            .unwrap()
            .contains("workspace start"),
        "{refused}"
    );
    assert_eq!(desk.done(&["status", "one"])["state"], "stopped");
    assert_eq!(desk.done(&["start", "one"])["state"], "started");
    assert_eq!(desk.sh("one", "cat f /usr/local/tool"), "kept\ninstalled\n");
    assert_eq!(desk.sh("one", "cat /root/name"), format!("pyro-{id}\n"));

    let reset = desk.done(&["reset", "one"]);
    assert_eq!(
        (&reset["reset_count"], &reset["command_count"]),
        (&1.into(), &0.into())
    );
    assert_eq!(
        desk.sh(
            "one",
            "ls -A /workspace /usr/local/tool 2>/dev/null | grep -v workspace; true"
        ),
        ""
    );
    assert_eq!(desk.done(&["logs", "one"])["count"], 1);

    let before = processes(&id);
    assert_eq!(desk.done(&["delete", "one"])["deleted"], true);
    for pid in before {
        eventually(&format!("process {pid} is gone"), || !is_alive(pid));
    }
    assert_eq!(desk.done(&["list"])["count"], 0);
    let left: Vec<_> = std::fs::read_dir(desk.place.folder.path().join("state/workspaces"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let (unknown, code) = desk.ask(&["status", &id]);
    assert_eq!(
        (code, &unknown["error_kind"]),
        (125, &"unknown_workspace".into())
    );
}

#[test]
fn commands_run_side_by_side_and_one_that_is_given_up_ends_alone() {
    let desk = Desk::new();
    desk.create("two");
    let long = || {
        desk.place
            .pyro(&[
                "workspace",
                "exec",
                "two",
                "--timeout-seconds",
                "100",
                "--",
                "sh",
                "-c",
                "sleep 60; echo finished",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let (mut killed, interrupted) = (long(), long());
    // The image has no pgrep.
    let sleepers = || desk.sh("two", "cat /proc/[0-9]*/comm | grep -c '^sleep$' || true");
    eventually("both run", || sleepers() == "2\n");
    // Killed, or told to end: in the guest nothing goes on, and all else does.
    killed.kill().unwrap();
    killed.wait().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(interrupted.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = interrupted.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    eventually("neither runs", || sleepers() == "0\n");
    assert_eq!(desk.done(&["status", "two"])["state"], "started");
}

#[test]
fn one_that_nobody_uses_is_powered_off_and_woken_by_a_command() {
    let desk = Desk::new();
    let made = desk.done(&[
        "create",
        "debian:12",
        "--name",
        "idle",
        "--mem-mib",
        "512",
        "--ttl-seconds",
        "60",
    ]);
    let id = made["workspace_id"].as_str().unwrap();
    assert!(made["expires_in_seconds"].as_u64().unwrap() >= 58, "{made}");
    desk.sh("idle", "echo kept > f");
    let began = Instant::now();
    // list looks at no workspace, so it renews nothing.
    while desk.done(&["list"])["workspaces"][0]["state"] == "started" {
        assert!(
            began.elapsed() < Duration::from_secs(90),
            "it is never powered off"
        );
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(
        began.elapsed() > Duration::from_secs(55),
        "{:?}",
        began.elapsed()
    );
    eventually("its processes are gone", || supervisor(id).is_none());
    assert_eq!(desk.done(&["status", "idle"])["stop_reason"], "idle");
    let output = desk
        .place
        .pyro(&["workspace", "exec", "idle", "--", "cat", "f"])
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "kept\n");
    assert!(
        text(&output.stderr).contains("nobody used it"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn one_that_is_being_powered_off_says_why() {
    let desk = Desk::new();
    desk.create("slow");
    // Takes the whole patience of a power-off.
    let stubborn = "trap '' TERM; sleep 300";
    desk.ask(&[
        "exec",
        "slow",
        "--wait-seconds",
        "0",
        "--",
        "sh",
        "-c",
        stubborn,
    ]);
    let mut stop = desk.place.pyro(&["workspace", "stop", "slow", "--json"]);
    let mut stop = stop.stdout(Stdio::null()).spawn().unwrap();
    eventually("it is not used any more", || {
        desk.done(&["list"])["workspaces"][0]["state"] == "stopped"
    });
    let seen = desk.done(&["status", "slow"]);
    let is_off = stop.try_wait().unwrap().is_some();
    assert_eq!(seen["stop_reason"], "requested", "{is_off}: {seen}");
    assert!(stop.wait().unwrap().success());
}
