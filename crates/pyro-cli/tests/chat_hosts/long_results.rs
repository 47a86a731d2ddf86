//! What is long, in each real host: output of which a model sees the head, the
//! tail and the way to the rest, a command that outlives its call, and an error.

use crate::hosts::Host;
use crate::model::{Model, Next, Received};
use crate::place::Place;
use serde_json::{Value, json};

/// Some 109 kB.
const LONG: &str = "seq 1 20000";

fn script(host: Host, slow: &Value, results: &[Received]) -> Next {
    let call = |tool, mut arguments: Value| {
        arguments["workspace_id"] = json!("long");
        host.call(tool, arguments)
    };
    match results {
        [] => host.call("workspace_create", json!({"name": "long"})),
        [_] => call("workspace_exec", json!({"command": LONG})),
        [_, _] => call(
            "workspace_logs",
            json!({"sequence": 1, "stream": "stdout", "offset": 60000}),
        ),
        [_, _, _] => call("workspace_exec", slow.clone()),
        // As long as it takes, some 45 s each.
        [.., last] if last.is_running() => call(
            "workspace_exec",
            json!({"command_id": last.command_id(), "wait_seconds": 40}),
        ),
        [.., last] if last.text.contains("slow is done") => {
            call("workspace_file_read", json!({"path": "/workspace/none"}))
        }
        [.., last] if last.text.contains("next: ") => call("workspace_delete", json!({})),
        _ => Next::End,
    }
}

fn shows_what_is_long(host: Host, slow: Value) {
    let model = Model::start(host.api(), move |results| script(host, &slow, results));
    let place = Place::with_guests().behind(&model.url());
    host.write_settings(&place, &model);
    host.connect(&place, &["--mode", "inspect"]);
    let ended = host.ask(&place, &model, 400);
    assert!(ended.status.success(), "{}\n{}", ended.stdout, ended.stderr);

    let results = model.received();
    let [_, long, page, slow, more @ .., failed, deleted] = &results[..] else {
        panic!("{} results: {}", results.len(), ended.stdout);
    };
    assert!(long.text.len() < 50_000, "{} bytes", long.text.len());
    assert_eq!(long.exit_code(), 0);
    long.says(&["1\n2\n3\n4\n", "19998\n19999\n20000", "workspace_logs"]);
    // The middle, which was cut out of it.
    page.says(&["11852\n11853\n"]);
    slow.says(&["slow begins"]);
    assert!(slow.is_running(), "{}", slow.text);
    let end = more.last().unwrap();
    assert_eq!(end.exit_code(), 0);
    end.says(&["slow begins\nslow is done"]);
    failed.says(&["`none`", "code: file_not_found", "next: "]);
    deleted.says(&["deleted"]);
    place.nothing_is_left();
}

/// Nobody says how long to wait: the answer comes before the command ends.
#[test]
fn claude_code_shows_it() {
    let command = "echo slow begins; sleep 50; echo slow is done";
    shows_what_is_long(
        Host::ClaudeCode,
        json!({"command": command, "timeout_seconds": 300}),
    );
}

fn short() -> Value {
    let command = "echo slow begins; sleep 4; echo slow is done";
    json!({"command": command, "wait_seconds": 1})
}

#[test]
fn codex_shows_it() {
    shows_what_is_long(Host::Codex, short());
}

#[test]
fn opencode_shows_it() {
    shows_what_is_long(Host::OpenCode, short());
}
