//! The TypeScript SDK 1.x: every tool of the widest profile once, on real
//! guests, with each result checked against its schema by the client.

use super::{program, results, seen, tools};
use crate::installed::{folder, node};
use crate::place::Place;
use pyro::surface::{Profile, Surface};
use serde_json::{Value, json};

fn strict(place: &Place, options: &[&str], steps: &Value) -> Value {
    let words = [
        node().into_os_string(),
        program("strict.mjs").into(),
        folder().into(),
    ];
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    seen(place, &words, options, steps)
}

const FULL: Surface = Surface::Profile(Profile::WorkspaceFull);

/// One call of every tool, in an order in which each succeeds.
fn steps(place: &Place) -> Vec<(&'static str, Value)> {
    let project = place.repository.to_str().unwrap();
    let out = |name: &str| {
        place
            .home()
            .join("out")
            .join(name)
            .to_str()
            .unwrap()
            .to_owned()
    };
    let patch =
        "--- a/add.sh\n+++ b/add.sh\n@@ -1 +1 @@\n-echo $(($1 + $2 + 1))\n+echo $(($1 + $2))\n";
    vec![
        ("vm_list_environments", json!({})),
        (
            "vm_run",
            json!({"environment": "debian:12", "command": "true"}),
        ),
        ("vm_create", json!({"environment": "debian:12"})),
        ("vm_start", json!({"vm_id": "$vm_id"})),
        ("vm_status", json!({"vm_id": "$vm_id"})),
        ("vm_network_info", json!({"vm_id": "$vm_id"})),
        ("vm_stop", json!({"vm_id": "$vm_id"})),
        ("vm_delete", json!({"vm_id": "$vm_id"})),
        ("vm_create", json!({"environment": "debian:12"})),
        ("vm_start", json!({"vm_id": "$vm_id"})),
        // Which is its only one.
        ("vm_exec", json!({"vm_id": "$vm_id", "command": "true"})),
        ("vm_reap_expired", json!({})),
        (
            "workspace_create",
            json!({"environment": "debian:12", "name": "all", "seed_path": project}),
        ),
        ("workspace_list", json!({})),
        ("workspace_status", json!({"workspace_id": "all"})),
        (
            "workspace_update",
            json!({"workspace_id": "all", "labels": {"a": "b"}}),
        ),
        ("workspace_file_list", json!({"workspace_id": "all"})),
        (
            "workspace_file_read",
            json!({"workspace_id": "all", "path": "/workspace/add.sh"}),
        ),
        (
            "workspace_file_write",
            json!({"workspace_id": "all", "path": "/workspace/new", "text": "a\n"}),
        ),
        (
            "workspace_patch_apply",
            json!({"workspace_id": "all", "patch": patch}),
        ),
        (
            "workspace_sync_push",
            json!({"workspace_id": "all", "source_path": project, "dest": "/workspace/copy"}),
        ),
        (
            "workspace_exec",
            json!({"workspace_id": "all", "command": "sh test.sh"}),
        ),
        ("workspace_logs", json!({"workspace_id": "all"})),
        ("workspace_diff", json!({"workspace_id": "all"})),
        ("shell_open", json!({"workspace_id": "all"})),
        (
            "shell_write",
            json!({"workspace_id": "all", "shell_id": "$shell_id", "input": "echo hello"}),
        ),
        (
            "shell_read",
            json!({"workspace_id": "all", "shell_id": "$shell_id", "wait_for_idle_ms": 300}),
        ),
        (
            "shell_signal",
            json!({"workspace_id": "all", "shell_id": "$shell_id"}),
        ),
        (
            "shell_close",
            json!({"workspace_id": "all", "shell_id": "$shell_id"}),
        ),
        (
            "service_start",
            json!({"workspace_id": "all", "service_name": "up", "command": "touch up; sleep 600", "ready_file": "up"}),
        ),
        ("service_list", json!({"workspace_id": "all"})),
        (
            "service_status",
            json!({"workspace_id": "all", "service_name": "up"}),
        ),
        (
            "service_logs",
            json!({"workspace_id": "all", "service_name": "up"}),
        ),
        (
            "service_stop",
            json!({"workspace_id": "all", "service_name": "up"}),
        ),
        (
            "snapshot_create",
            json!({"workspace_id": "all", "snapshot_name": "one"}),
        ),
        ("snapshot_list", json!({"workspace_id": "all"})),
        (
            "workspace_export",
            json!({"workspace_id": "all", "path": "/workspace/new", "output_path": out("new")}),
        ),
        ("workspace_summary", json!({"workspace_id": "all"})),
        (
            "workspace_reset",
            json!({"workspace_id": "all", "snapshot": "one"}),
        ),
        (
            "snapshot_delete",
            json!({"workspace_id": "all", "snapshot_name": "one"}),
        ),
        ("workspace_stop", json!({"workspace_id": "all"})),
        ("workspace_disk_list", json!({"workspace_id": "all"})),
        (
            "workspace_disk_read",
            json!({"workspace_id": "all", "path": "/workspace/new"}),
        ),
        (
            "workspace_disk_export",
            json!({"workspace_id": "all", "output_path": out("disk.ext4")}),
        ),
        ("workspace_start", json!({"workspace_id": "all"})),
        ("workspace_delete", json!({"workspace_id": "all"})),
    ]
}

fn as_json(steps: &[(&str, Value)]) -> Value {
    let step = |(tool, arguments): &(&str, Value)| json!({"tool": tool, "arguments": arguments});
    steps.iter().map(step).collect()
}

#[test]
fn every_tool_returns_what_its_schema_says() {
    let place = Place::with_guests();
    let out = place.home().join("out");
    std::fs::create_dir(&out).unwrap();
    let steps = steps(&place);
    let mut called: Vec<_> = steps.iter().map(|(tool, _)| *tool).collect();
    let options = [
        "--profile",
        "workspace-full",
        "--allow-path",
        out.to_str().unwrap(),
    ];
    let seen = strict(&place, &options, &as_json(&steps));

    assert_eq!(tools(&seen), FULL.tools().collect::<Vec<_>>());
    for result in results(&seen) {
        assert_eq!(result["error"], false, "{result}");
        assert!(result["structured"].is_object(), "{result}");
        assert_ne!(result["text"], "", "{result}");
    }
    assert_eq!(std::fs::read_to_string(out.join("new")).unwrap(), "a\n");
    let mut offered = tools(&seen);
    called.sort_unstable();
    called.dedup();
    offered.sort_unstable();
    assert_eq!(called, offered, "each tool is called");
    place.nothing_is_left();
}

#[test]
fn errors_are_results_that_it_accepts() {
    let place = Place::new();
    let steps = [
        (
            "workspace_exec",
            json!({"workspace_id": "none", "command": "true"}),
        ),
        ("workspace_diff", json!({"workspace_id": "none"})),
        (
            "workspace_exec",
            json!({"workspace_id": "none", "no_such_argument": "true"}),
        ),
        ("workspace_file_read", json!({"workspace_id": "none"})),
        ("workspace_create", json!({"environment": "no-such:1"})),
        ("vm_exec", json!({"vm_id": "none", "command": "true"})),
    ];
    let seen = strict(&place, &["--profile", "workspace-full"], &as_json(&steps));
    let results = results(&seen);
    for result in results {
        assert_eq!(result["error"], true, "{result}");
        assert!(result["structured"].is_null(), "{result}");
        assert!(
            result["text"].as_str().unwrap().contains("next: "),
            "{result}"
        );
    }
    // An argument that does not exist is named, beside those that do.
    let misspelt = results[2]["text"].as_str().unwrap();
    assert!(
        misspelt.contains("no_such_argument") && misspelt.contains("command"),
        "{misspelt}"
    );
}
