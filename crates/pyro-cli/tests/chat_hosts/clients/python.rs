//! The Python packages `mcp`, in both eras, and `fastmcp`: tools, calls,
//! errors, and a call that its caller gives up.

use super::{program, results, seen, tools};
use crate::installed::python;
use crate::place::Place;
use pyro::surface::{Mode, Surface};
use serde_json::{Value, json};

fn works(kind: &str) {
    let place = Place::with_guests();
    let exec = |command: &str| json!({"workspace_id": "py", "command": command});
    let step = |tool: &str, arguments: Value| json!({"tool": tool, "arguments": arguments});
    let mut given_up = step("workspace_exec", exec("echo begun; sleep 300"));
    given_up["seconds"] = json!(3);
    let steps = json!([
        json!({"list": "prompts"}),
        step("workspace_create", json!({"name": "py"})),
        step("workspace_exec", exec("sh test.sh")),
        given_up,
        // The guest has ended what nobody waits for.
        step(
            "workspace_exec",
            exec("sleep 1; ps -eo args | grep -c '^sleep 300' || true")
        ),
        step("workspace_status", json!({"workspace_id": "py"})),
        step("workspace_delete", json!({"workspace_id": "py"})),
        step("workspace_delete", json!({"workspace_id": "py"})),
    ]);
    let program = program("mcp_client.py").into_os_string();
    let words = [python().into_os_string(), program, kind.into()];
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    let seen = seen(&place, &words, &["--mode", "repro-fix"], &steps);

    let offered = Surface::Mode(Mode::ReproFix).tools().collect::<Vec<_>>();
    assert_eq!(tools(&seen), offered);
    let prompts = json!(["repro-fix-loop", "parallel-workspaces"]);
    assert_eq!(seen["prompts"], prompts, "{seen}");
    let [created, failed, stopped, left, status, deleted, gone] = &results(&seen)[..] else {
        panic!("{seen}");
    };
    assert_eq!(created["structured"]["name"], "py", "{created}");
    assert_eq!(failed["structured"]["exit_code"], 1, "{failed}");
    assert_eq!(stopped["given_up"], true, "{stopped}");
    assert_eq!(left["structured"]["stdout"], "0\n", "{left}");
    assert_eq!(status["structured"]["running_command_count"], 0, "{status}");
    assert_eq!(deleted["error"], false, "{deleted}");
    assert_eq!(gone["error"], true, "{gone}");
    assert!(
        gone["text"].as_str().unwrap().contains("unknown_workspace"),
        "{gone}"
    );
    place.nothing_is_left();
}

#[test]
fn the_client_of_the_first_era() {
    works("legacy");
}

#[test]
fn the_client_of_the_second_era() {
    works("auto");
}

#[test]
fn fastmcp() {
    works("fastmcp");
}
