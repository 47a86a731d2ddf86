//! A supervisor or a VMM that is gone: the disk stays, nothing else does.

use super::{Desk, processes, supervisor};
use crate::machine::{eventually, is_alive, text, vmm_below};
use rustix::process::{Pid, Signal, kill_process};

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn a_killed_supervisor_takes_its_machine_along_and_the_disk_stays() {
    let desk = Desk::new();
    let id = desk.create("sup");
    desk.sh("sup", "echo kept > f; sync");
    let before = processes(&id);
    kill(supervisor(&id).unwrap());
    for pid in before {
        eventually(&format!("process {pid} is gone"), || !is_alive(pid));
    }
    let status = desk.done(&["status", "sup"]);
    assert_eq!(
        (&status["state"], &status["stop_reason"]),
        (&"stopped".into(), &"supervisor_gone".into())
    );
    let output = desk
        .place
        .pyro(&["workspace", "exec", "sup", "--", "cat", "f"])
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "kept\n", "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("its supervisor ended"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_killed_vmm_is_noticed_without_being_asked() {
    let desk = Desk::new();
    let id = desk.create("vmm");
    desk.sh("vmm", "echo kept > f; sync");
    kill(vmm_below(supervisor(&id).unwrap()).unwrap());
    eventually("its supervisor has ended", || supervisor(&id).is_none());
    let status = desk.done(&["status", "vmm"]);
    assert_eq!(
        (&status["state"], &status["stop_reason"]),
        (&"stopped".into(), &"guest_gone".into())
    );
    assert!(
        status["last_error"].as_str().unwrap().contains("137"),
        "{status}"
    );
    assert_eq!(desk.sh("vmm", "cat f"), "kept\n");
    assert_eq!(
        desk.done(&["status", "vmm"])["last_error"],
        serde_json::Value::Null
    );
}

#[test]
fn a_damaged_record_is_reported_and_can_be_deleted() {
    let desk = Desk::new();
    let id = desk.create("bad");
    desk.done(&["stop", "bad"]);
    let record = desk
        .place
        .folder
        .path()
        .join("state/workspaces")
        .join(&id)
        .join("workspace.json");
    std::fs::write(&record, "{").unwrap();
    let other = desk.create("good");
    let list = desk.done(&["list"]);
    assert_eq!(
        (
            &list["workspaces"][0]["workspace_id"],
            &list["damaged"][0]["workspace_id"]
        ),
        (&other.into(), &id.clone().into())
    );
    let (error, code) = desk.ask(&["start", &id]);
    assert_eq!(
        (code, &error["error_kind"]),
        (125, &"damaged_record".into())
    );
    assert!(
        error["error"].as_str().unwrap().contains("workspace.json"),
        "{error}"
    );
    assert_eq!(desk.done(&["delete", &id])["deleted"], true);
}

#[test]
fn a_failed_create_leaves_nothing() {
    let desk = Desk::new();
    let output = desk
        .place
        .pyro(&["workspace", "create", "debian:12", "--json"])
        .env("PYRO_QEMU_BIN", "/nonexistent/qemu")
        .env("PYRO_BACKEND", "qemu")
        .output()
        .unwrap();
    let error: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &error["error_kind"]),
        (Some(125), &"vmm_missing".into()),
        "{error}"
    );
    assert_eq!(desk.done(&["list"])["count"], 0);
    let folder = desk.place.folder.path().join("state/workspaces");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}
