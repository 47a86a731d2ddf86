//! Calls beside a slow one, its progress and its cancellation; wrong calls.

use crate::host::{Host, eventually, is_alive, sleeper_below, text};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[test]
fn a_slow_call_holds_nothing_up_and_is_cancelled_to_the_last_process() {
    let mut host = Host::initialized(&[]);
    host.slow();
    let slow = host.begin_slow(json!({ "progressToken": "t" }));
    let sleeper = sleeper_below(host.server.id()).unwrap();
    let began = Instant::now();
    assert_eq!(host.ask("ping", json!({}))["result"], json!({}));
    host.ask("tools/list", json!({}));
    for _ in 0..20 {
        host.begin(
            "tools/call",
            json!({ "name": "workspace_list", "arguments": {} }),
        );
    }
    let last = host.call("workspace_list", json!({}));
    assert!(last["result"]["structuredContent"].is_object(), "{last}");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    // Somebody else's work, or one that ended, is not touched.
    for id in [json!(slow + 1), json!(999), json!("x"), Value::Null] {
        host.send(&cancel(&id));
    }
    host.ask("ping", json!({}));
    assert!(is_alive(sleeper));
    host.send(&cancel(&json!(slow)));
    eventually("the slow work ends", || !is_alive(sleeper));
    // Its answer is not sent any more, and nobody cares that it comes again.
    host.send(&cancel(&json!(slow)));
    assert_eq!(host.ask("ping", json!({}))["result"], json!({}));
    eventually("nothing is left of the workspace", || {
        let listed = host.call("workspace_list", json!({}));
        listed["result"]["structuredContent"]["count"] == 0
    });
}

fn cancel(id: &Value) -> Value {
    json!({
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": { "requestId": id, "reason": "test" },
    })
}

#[test]
fn progress_is_told_to_those_who_asked() {
    let mut host = Host::initialized(&[]);
    host.slow();
    let slow = host.begin_slow(json!({ "progressToken": 7 }));
    let mut last = 0.0;
    for _ in 0..2 {
        let news = host.frame();
        assert_eq!(news["method"], "notifications/progress", "{news}");
        assert_eq!(news["params"]["progressToken"], 7, "{news}");
        let progress = news["params"]["progress"].as_f64().unwrap();
        assert!(progress > last, "{news}");
        last = progress;
        assert!(
            news["params"]["message"].as_str().unwrap().contains(" s"),
            "{news}"
        );
    }
    host.send(&cancel(&json!(slow)));
    // Frames that were on their way; then nothing more of it.
    host.ask("ping", json!({}));
    assert!(host.is_silent(1_000));
}

#[test]
fn without_a_token_there_is_no_progress() {
    let mut host = Host::initialized(&[]);
    host.slow();
    host.begin_slow(json!({}));
    assert!(host.is_silent(1_500));
}

#[test]
fn wrong_calls_name_what_would_be_right() {
    let mut host = Host::initialized(&[]);
    let unknown = host.call("workspace_fly", json!({}));
    let said = unknown.to_string();
    assert!(
        said.contains("workspace_fly") && said.contains("workspace_list"),
        "{said}"
    );
    for (arguments, named) in [
        (
            json!({ "workspace_id": "x", "command_line": "true" }),
            "command_line",
        ),
        (
            json!({ "workspace_id": 7, "command": "true" }),
            "workspace_id",
        ),
        (json!({ "command": "true" }), "workspace_id"),
    ] {
        let answer = host.call("workspace_exec", arguments);
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert!(answer["result"]["structuredContent"].is_null(), "{answer}");
        let text = text(&answer);
        assert!(
            text.starts_with("Error executing tool workspace_exec: "),
            "{text}"
        );
        assert!(
            text.contains(named) && text.contains("\ncode: invalid_request\nnext: "),
            "{text}"
        );
    }
    let gone = host.call(
        "workspace_exec",
        json!({ "workspace_id": "0123456789ab", "command": "true" }),
    );
    let text = text(&gone);
    assert!(text.contains("code: unknown_workspace"), "{text}");
    assert!(
        text.contains("workspace_create") && text.contains("workspace_list"),
        "{text}"
    );
}

/// Every tool, sent what none takes: an error that says the next step, at once
/// and without a guest, and the server goes on.
#[test]
fn no_tool_takes_what_it_does_not_know() {
    let mut host = Host::initialized(&["--profile", "workspace-full"]);
    let listed = host.ask("tools/list", json!({}));
    let tools = listed["result"]["tools"].as_array().unwrap().clone();
    assert_eq!(tools.len(), 44);
    for tool in tools {
        let name = tool["name"].as_str().unwrap();
        for wrong in [json!({ "no_such_input": 1 }), json!({ "workspace_id": {} })] {
            let said = host.refused(name, wrong, &["\ncode: invalid_request\nnext: "]);
            // Once.
            assert_eq!(said.matches(&format!("{name}:")).count(), 1, "{said}");
        }
    }
    assert_eq!(host.ask("ping", json!({}))["result"], json!({}));
}
