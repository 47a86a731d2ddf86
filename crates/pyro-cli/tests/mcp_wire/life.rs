//! Ends of the process: nothing but frames before, nothing left behind.

use crate::host::{Host, eventually, initialize, is_alive, sleeper_below};
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn it_says_once_what_it_is() {
    let mut host = Host::initialized(&["--mode", "inspect"]);
    host.close_stdin();
    let (status, said) = host.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("inspect") && said.contains("debian:12"),
        "{said}"
    );
}

#[test]
fn a_project_that_cannot_be_used_is_said_at_the_start() {
    let project = tempfile::tempdir().unwrap();
    std::fs::create_dir(project.path().join(".git")).unwrap();
    let host = Host::initialized(&["--project-path", project.path().to_str().unwrap()]);
    assert!(host.word().contains("Git-tracked files of"));
    let said = host.word();
    for word in ["not ready", "not a git repository", "--no-project-source"] {
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn an_end_before_the_first_word_is_an_error() {
    let mut host = Host::start(&[]);
    host.close_stdin();
    let (status, said) = host.end();
    assert_eq!(status.code(), Some(125), "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    assert!(said.contains("before it said anything"), "{said}");
}

#[test]
fn a_last_request_is_answered_although_the_input_ended() {
    let mut host = Host::initialized(&[]);
    let id = host.begin(
        "tools/call",
        json!({ "name": "workspace_list", "arguments": {} }),
    );
    host.close_stdin();
    assert!(host.answer(id)["result"]["structuredContent"].is_object());
    assert_eq!(host.end().0.code(), Some(0));
}

#[test]
fn the_end_of_input_ends_a_slow_call() {
    let mut host = Host::initialized(&[]);
    host.slow();
    host.begin_slow(json!({}));
    let sleeper = sleeper_below(host.server.id()).unwrap();
    host.close_stdin();
    let (status, said) = host.end();
    assert_eq!(status.code(), Some(0), "{said}");
    eventually("the slow work ends", || !is_alive(sleeper));
}

#[test]
fn a_signal_ends_a_slow_call_at_once_and_answers_it() {
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let mut host = Host::initialized(&[]);
        host.slow();
        let slow = host.begin_slow(json!({}));
        let sleeper = sleeper_below(host.server.id()).unwrap();
        let began = Instant::now();
        host.signal(signal);
        let answer = host.answer(slow);
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        let (status, said) = host.end();
        assert_eq!(status.code(), Some(code), "{said}");
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{:?}",
            began.elapsed()
        );
        eventually("the slow work ends", || !is_alive(sleeper));
    }
}

#[test]
fn a_killed_server_leaves_nothing() {
    let mut host = Host::initialized(&[]);
    host.slow();
    host.begin_slow(json!({}));
    let sleeper = sleeper_below(host.server.id()).unwrap();
    host.signal("-KILL");
    eventually("the slow work ends", || !is_alive(sleeper));
    let workspaces = host.folder.path().join("state/workspaces");
    eventually("nothing is left of the workspace", || {
        std::fs::read_dir(&workspaces).is_ok_and(|entries| {
            entries
                .flatten()
                .all(|entry| !entry.path().join("record.json").exists())
        })
    });
}

#[test]
fn a_signal_before_the_first_word_ends_it_too() {
    let mut host = Host::start(&[]);
    // Its handlers are there once it speaks.
    host.ask("ping", json!({}));
    host.signal("-TERM");
    assert_eq!(host.end().0.code(), Some(143));
    let mut host = Host::start(&[]);
    host.ask("initialize", initialize());
    host.signal("-TERM");
    assert_eq!(host.end().0.code(), Some(143));
}
