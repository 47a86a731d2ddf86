//! Every tool of the widest profile, called once on real guests: what comes
//! back is what its schema says, and nobody else's.

use super::host::{Host, text};
use super::serve;
use crate::workspaces::Desk;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

struct Checked {
    host: Host,
    schemas: BTreeMap<String, Value>,
    called: BTreeSet<String>,
}

impl Checked {
    fn new(mut host: Host) -> Self {
        let list = host.ask("tools/list", json!({}));
        let tools = list["result"]["tools"].as_array().unwrap().iter();
        let schemas = tools.map(|tool| {
            let name = tool["name"].as_str().unwrap().to_owned();
            (name, tool["outputSchema"].clone())
        });
        Self {
            schemas: schemas.collect(),
            called: BTreeSet::new(),
            host,
        }
    }

    /// Calls a tool, which has to succeed, and holds the result to its schema.
    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let params = json!({
            "name": tool, "arguments": arguments,
            // News of it on a slow machine, where the test would lose patience.
            "_meta": {"progressToken": tool}
        });
        let answer = loop {
            let answer = self.host.ask("tools/call", params.clone());
            let is_error = answer["result"]["isError"] == true;
            if !(is_error && text(&answer).contains("still_running")) {
                break answer;
            }
        };
        let result = &answer["result"];
        assert!(result["isError"] != true, "{tool}: {answer}");
        let shown = result["structuredContent"].clone();
        let schema = self.schemas[tool]["properties"].as_object().unwrap();
        for (name, value) in shown.as_object().unwrap() {
            // What this door adds to any result.
            if name != "notices" {
                let property = schema.get(name);
                let property = property.unwrap_or_else(|| panic!("{tool}: {name} is unknown"));
                assert!(
                    fits(property, value),
                    "{tool}: {name} is {value}, not {property}"
                );
            }
        }
        self.called.insert(tool.to_owned());
        shown
    }

    /// The same of the workspace.
    fn demo(&mut self, tool: &str, arguments: Value) -> Value {
        let mut all = Map::from_iter([("workspace_id".to_owned(), json!("demo"))]);
        all.extend(arguments.as_object().unwrap().clone());
        self.call(tool, all.into())
    }
}

fn fits(property: &Value, value: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str() {
        Some("null") => value.is_null(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    };
    match (&property["enum"], &property["type"]) {
        (Value::Array(names), _) => names.contains(value),
        (_, Value::Array(kinds)) => kinds.iter().any(is),
        (_, kind) => is(kind),
    }
}

#[test]
fn every_result_is_what_its_tool_promises() {
    let desk = Desk::new();
    let shared = desk.place.folder.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let folder = shared.display().to_string();
    let words = ["--profile", "workspace-full", "--allow-path", &folder];
    let mut server = Checked::new(serve(&desk.place, &words));
    files_and_commands(&mut server, &folder);
    shells_and_services(&mut server);
    disks(&mut server, &folder);
    one_shot(&mut server);
    server.demo("workspace_delete", json!({}));
    let all: BTreeSet<_> = server.schemas.keys().cloned().collect();
    assert_eq!(server.called, all, "every tool was called");
}

fn files_and_commands(server: &mut Checked, folder: &str) {
    server.call("workspace_create", json!({"name": "demo", "mem_mib": 512}));
    server.call("workspace_list", json!({}));
    server.demo("workspace_status", json!({}));
    server.demo("workspace_update", json!({"labels": {"a": "b"}}));
    server.demo("workspace_exec", json!({"command": "echo out; exit 3"}));
    let running = json!({"command": "sleep 60", "wait_seconds": 0});
    let running = server.demo("workspace_exec", running);
    let cancel = json!({"command_id": running["command_id"], "cancel": true, "wait_seconds": 20});
    server.demo("workspace_exec", cancel);
    server.demo("workspace_logs", json!({}));
    server.demo("workspace_logs", json!({"sequence": 1, "offset": 1}));
    server.demo(
        "workspace_file_write",
        json!({"path": "a/f", "text": "one\n"}),
    );
    server.demo("workspace_file_read", json!({"path": "a/f", "hash": true}));
    server.demo("workspace_file_list", json!({"recursive": true}));
    server.demo("workspace_file_list", json!({"search": "one"}));
    let patch = "--- a/a/f\n+++ b/a/f\n@@ -1 +1 @@\n-one\n+two\n";
    server.demo("workspace_patch_apply", json!({"patch": patch}));
    for form in [json!({}), json!({"stat": true}), json!({"name_only": true})] {
        server.demo("workspace_diff", form);
    }
    let source = format!("{folder}/source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(format!("{source}/pushed"), "x").unwrap();
    server.demo("workspace_sync_push", json!({"source_path": source}));
    let output = format!("{folder}/exported");
    server.demo(
        "workspace_export",
        json!({"path": "a", "output_path": output}),
    );
    server.demo("workspace_summary", json!({}));
}

fn shells_and_services(server: &mut Checked) {
    let shell = server.demo("shell_open", json!({}))["shell_id"].clone();
    server.demo(
        "shell_write",
        json!({"shell_id": shell, "input": "echo hi"}),
    );
    let read = json!({"shell_id": shell, "wait_for_idle_ms": 300, "plain": true});
    server.demo("shell_read", read);
    server.demo("shell_signal", json!({"shell_id": shell}));
    server.demo("shell_close", json!({"shell_id": shell}));
    let service = json!({"service_name": "s", "command": "echo up; exec sleep 600"});
    server.demo("service_start", service);
    server.demo("service_list", json!({}));
    server.demo("service_status", json!({"service_name": "s"}));
    server.demo("service_logs", json!({"service_name": "s"}));
    server.demo("service_logs", json!({"service_name": "s", "offset": 0}));
    server.demo("service_stop", json!({"service_name": "s"}));
}

fn disks(server: &mut Checked, folder: &str) {
    server.demo("snapshot_create", json!({"snapshot_name": "one"}));
    server.demo("snapshot_list", json!({}));
    server.demo("workspace_reset", json!({"snapshot": "one"}));
    server.demo("snapshot_delete", json!({"snapshot_name": "one"}));
    server.demo("workspace_stop", json!({}));
    server.demo("workspace_disk_list", json!({}));
    server.demo("workspace_disk_read", json!({"path": "/etc/hostname"}));
    let output = format!("{folder}/disk.ext4");
    server.demo("workspace_disk_export", json!({"output_path": output}));
    server.demo("workspace_start", json!({}));
    server.demo("workspace_summary", json!({}));
}

fn one_shot(server: &mut Checked) {
    server.call("vm_list_environments", json!({}));
    server.call("vm_run", json!({"command": "true", "mem_mib": 512}));
    let vm =
        |server: &mut Checked| server.call("vm_create", json!({"mem_mib": 512}))["vm_id"].clone();
    let first = vm(server);
    server.call("vm_status", json!({"vm_id": first}));
    server.call("vm_network_info", json!({"vm_id": first}));
    server.call("vm_start", json!({"vm_id": first}));
    server.call("vm_stop", json!({"vm_id": first}));
    server.call("vm_delete", json!({"vm_id": first}));
    let second = vm(server);
    server.call("vm_start", json!({"vm_id": second}));
    server.call("vm_exec", json!({"vm_id": second, "command": "true"}));
    server.call("vm_reap_expired", json!({}));
}
