//! Ends of a server in the middle of a call: no VM, no command is left that
//! nobody waits for.

use super::host::{Host, eventually};
use super::serve;
use crate::machine::{Place, is_alive, vmm_below};
use crate::workspaces::Desk;
use serde_json::json;

/// Ends a server while it runs a command in a VM of its own.
fn end(end: impl FnOnce(&mut Host), code: Option<i32>) {
    let place = Place::new();
    let mut host = serve(&place, &["--profile", "vm-run"]);
    let arguments = json!({ "command": "sleep 300", "timeout_seconds": 600, "mem_mib": 512 });
    host.begin(
        "tools/call",
        json!({ "name": "vm_run", "arguments": arguments }),
    );
    let server = host.server.id();
    eventually("its VM runs", || vmm_below(server).is_some());
    let vmm = vmm_below(server).unwrap();
    end(&mut host);
    let (status, said) = host.end();
    assert_eq!(status.code(), code, "{said}");
    eventually("its VM ends", || !is_alive(vmm));
}

#[test]
fn a_vm_ends_with_the_input() {
    end(Host::close_stdin, Some(0));
}

#[test]
fn a_vm_ends_with_a_terminated_server() {
    end(|host| host.signal("-TERM"), Some(143));
}

#[test]
fn a_vm_ends_with_a_killed_server() {
    end(|host| host.signal("-KILL"), None);
}

#[test]
fn a_command_ends_with_the_input_and_outlives_a_kill() {
    let desk = Desk::new();
    let mut host = serve(&desk.place, &[]);
    let made = host.done("workspace_create", json!({ "mem_mib": 512 }));
    let id = made["workspace_id"].as_str().unwrap().to_owned();
    let begin = |host: &mut Host, seconds: u32| {
        let command = format!("sleep {seconds}");
        let arguments = json!({ "workspace_id": id, "command": command, "timeout_seconds": 600 });
        host.begin(
            "tools/call",
            json!({ "name": "workspace_exec", "arguments": arguments }),
        );
    };
    let state = |command: &str| {
        let logs = desk.done(&["logs", &id]);
        let entries = logs["entries"].as_array().unwrap().clone();
        let found = entries
            .into_iter()
            .find(|entry| entry["command"] == command);
        found.map_or_else(String::new, |entry| {
            entry["state"].as_str().unwrap().to_owned()
        })
    };
    begin(&mut host, 301);
    eventually("it runs", || state("sleep 301") == "running");
    host.close_stdin();
    assert_eq!(host.end().0.code(), Some(0));
    assert_eq!(state("sleep 301"), "cancelled");
    // It belongs to its workspace, and can be looked at from the next server.
    let mut host = serve(&desk.place, &[]);
    begin(&mut host, 302);
    eventually("it runs", || state("sleep 302") == "running");
    host.signal("-KILL");
    host.end();
    assert_eq!(state("sleep 302"), "running");
}
