//! The ends of commands that nobody waits for: cancelled, stopped, lost.

use super::{Desk, supervisor};
use crate::machine::{eventually, vmm_below};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn a_cancelled_command_ends_with_all_it_started() {
    let desk = Desk::new();
    desk.create("cancel");
    let id = desk.begin(
        "cancel",
        "echo first; sleep 111 & (setsid sleep 112 &) ; sleep 113",
    );
    eventually("all run", || desk.count("cancel", "sleep") == "3\n");
    let (cancelled, code) = desk.ask(&["exec", "cancel", "--command-id", &id, "--cancel"]);
    assert_eq!(
        (&cancelled["state"], &cancelled["exit_code"], code),
        (&"cancelled".into(), &Value::Null, 0),
        "{cancelled}"
    );
    assert_eq!(cancelled["stdout"], "first\n");
    eventually("none runs", || desk.count("cancel", "sleep") == "0\n");
    assert_eq!(desk.entry("cancel", "1")["state"], "cancelled");
    // To ask again is no error for a script that cancels, and one for a script that waits.
    assert_eq!(
        desk.ask(&["exec", "cancel", "--command-id", &id, "--cancel"])
            .1,
        0
    );
    assert_eq!(desk.look("cancel", &id, "0").1, 125);
    // A deadline holds without anybody who waits.
    let words = [
        "exec",
        "cancel",
        "--timeout-seconds",
        "1",
        "--wait-seconds",
        "0",
        "--",
        "sleep",
        "114",
    ];
    let begun = desk.done(&words);
    let (ended, code) = desk.look("cancel", begun["command_id"].as_str().unwrap(), "60");
    assert_eq!((&ended["timed_out"], code), (&true.into(), 124), "{ended}");
}

#[test]
fn it_goes_on_when_its_client_is_killed() {
    let desk = Desk::new();
    desk.create("client");
    let mut client = desk
        .place
        .pyro(&[
            "workspace",
            "exec",
            "client",
            "--timeout-seconds",
            "100",
            "--wait-seconds",
            "100",
            "--",
            "sh",
            "-c",
            "echo begun; while ! test -e go; do sleep 0.1; done; echo finished",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it runs", || {
        desk.done(&["logs", "client"])["entries"][0]["stdout"] == "begun\n"
    });
    client.kill().unwrap();
    client.wait().unwrap();
    desk.sh("client", "sleep 1; touch go");
    let (done, code) = desk.look("client", "c0-1", "60");
    assert_eq!(
        (&done["stdout"], code),
        (&"begun\nfinished\n".into(), 0),
        "{done}"
    );
}

#[test]
fn without_a_wait_it_ends_with_its_client_and_is_on_record() {
    let desk = Desk::new();
    let id = desk.create("front");
    let mut client = desk
        .place
        .pyro(&[
            "workspace",
            "exec",
            "front",
            "--",
            "sh",
            "-c",
            "echo begun; sleep 100",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Others see it, and may look at it by its id.
    eventually("it said something", || {
        desk.done(&["logs", "front"])["entries"][0]["stdout"] == "begun\n"
    });
    assert_eq!(desk.look("front", "c0-1", "0").0["running"], true);
    client.kill().unwrap();
    client.wait().unwrap();
    let (cancelled, _) = desk.look("front", "c0-1", "20");
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    // A machine that dies is another end, told without being asked.
    desk.begin("front", "sleep 100");
    kill(vmm_below(supervisor(&id).unwrap()).unwrap());
    eventually("its supervisor has ended", || supervisor(&id).is_none());
    let entry = desk.entry("front", "2");
    assert_eq!(
        (&entry["state"], &entry["exit_code"]),
        (&"stopped".into(), &Value::Null),
        "{entry}"
    );
}

#[test]
fn a_reset_ends_it_and_its_id_is_not_another_commands() {
    let desk = Desk::new();
    desk.create("reset");
    let id = desk.begin("reset", "sleep 100");
    let mut waiting = desk
        .place
        .pyro(&[
            "workspace",
            "exec",
            "reset",
            "--command-id",
            &id,
            "--wait-seconds",
            "100",
            "--json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("somebody waits", || waiting.try_wait().unwrap().is_none());
    std::thread::sleep(Duration::from_millis(500));
    desk.done(&["reset", "reset"]);
    let told = waiting.wait_with_output().unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(
        (&told["state"], &told["exit_code"]),
        (&"stopped".into(), &Value::Null),
        "{told}"
    );
    let status = desk.done(&["status", "reset"]);
    assert_eq!(
        (&status["command_count"], &status["running_command_count"]),
        (&0.into(), &0.into())
    );
    assert_eq!(desk.done(&["logs", "reset"])["count"], 0);
    let again = desk.begin("reset", "sleep 100");
    assert_eq!((id.as_str(), again.as_str()), ("c0-1", "c1-1"));
    let (refused, code) = desk.look("reset", &id, "0");
    assert_eq!(
        (&refused["error_kind"], code),
        (&"unknown_command".into(), 125),
        "{refused}"
    );
}

#[test]
fn it_is_lost_with_a_killed_supervisor_and_no_number_is_given_twice() {
    let desk = Desk::new();
    let id = desk.create("lost");
    let command = desk.begin("lost", "echo half; sleep 100");
    eventually("it said something", || {
        desk.look("lost", &command, "0").0["stdout"] == "half\n"
    });
    kill(supervisor(&id).unwrap());
    eventually("its supervisor is gone", || supervisor(&id).is_none());
    let (lost, code) = desk.look("lost", &command, "60");
    assert_eq!(
        (&lost["state"], &lost["stdout"], code),
        (&"lost".into(), &"half\n".into(), 125),
        "{lost}"
    );
    let (later, code) = desk.ask(&["exec", "lost", "--", "sh", "-c", "exit 5"]);
    assert_eq!((&later["sequence"], code), (&2.into(), 5), "{later}");
    let entry = desk.entry("lost", "1");
    assert_eq!(
        (&entry["state"], &entry["running"]),
        (&"lost".into(), &false.into()),
        "{entry}"
    );
}
