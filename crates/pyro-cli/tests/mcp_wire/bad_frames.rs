//! Lines that are no request.

use crate::host::Host;
use serde_json::json;

#[test]
fn the_server_goes_on_behind_anything_that_is_no_frame() {
    let mut host = Host::initialized(&[]);
    for line in [
        &b"{"[..],
        b"not json",
        b"",
        b"\xff\xfe\x00",
        b"null",
        b"7",
        b"\"text\"",
        b"{}",
        br#"{"jsonrpc":"2.0"}"#,
        br#"{"jsonrpc":"1.0","id":5,"method":"ping"}"#,
        br#"{"jsonrpc":"2.0","method":"notifications/unknown"}"#,
        br#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
        br#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ] {
        host.raw(line);
        assert_eq!(host.ask("ping", json!({}))["result"], json!({}), "{line:?}");
    }
    let deep = "[".repeat(100_000);
    host.raw(deep.as_bytes());
    assert_eq!(host.ask("ping", json!({}))["result"], json!({}));
}

#[test]
fn what_cannot_be_routed_is_an_error_with_its_id() {
    let mut host = Host::initialized(&[]);
    let answer = host.ask("tools/fly", json!({}));
    assert_eq!(answer["error"]["code"], -32601, "{answer}");
    for params in [
        json!({ "name": 7 }),
        json!({}),
        json!({ "name": "workspace_list", "arguments": "x" }),
        json!({ "name": "workspace_list", "arguments": [] }),
    ] {
        let answer = host.ask("tools/call", params);
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

/// Hosts in JavaScript send halves of surrogate pairs when a model's text was
/// cut, and wait for an answer.
#[test]
fn half_of_an_emoji_is_answered() {
    let mut host = Host::initialized(&[]);
    host.raw(
        br#"{"jsonrpc":"2.0","id":70,"method":"tools/call","params":{"name":"workspace_exec","arguments":{"workspace_id":"a","command":"echo \ud83d"}}}"#,
    );
    let answer = host.frame();
    assert_eq!(answer["id"], 70, "{answer}");
    assert_eq!(answer["error"]["code"], -32700, "{answer}");
}

#[test]
fn a_batch_is_refused_and_the_server_goes_on() {
    let mut host = Host::initialized(&[]);
    host.raw(
        br#"[{"jsonrpc":"2.0","id":50,"method":"ping"},{"jsonrpc":"2.0","id":51,"method":"ping"}]"#,
    );
    let answer = host.frame();
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("batch"),
        "{answer}"
    );
    assert_eq!(host.ask("ping", json!({}))["result"], json!({}));
}

#[test]
fn a_line_beyond_the_bound_is_refused_and_the_server_goes_on() {
    let mut host = Host::initialized(&[]);
    host.raw(&vec![b'x'; 17 << 20]);
    let answer = host.frame();
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("16777216"),
        "{answer}"
    );
    // One that would be a request is answered as that: somebody waits for it.
    let mut call = json!({"jsonrpc": "2.0", "id": "long", "method": "tools/call"});
    call["params"] = json!({"arguments": {"text": "x".repeat(17 << 20), "id": 4}});
    host.send(&call);
    let answer = host.frame();
    assert_eq!(answer["error"]["code"], -32600);
    assert_eq!(answer["id"], "long");
    assert_eq!(host.ask("ping", json!({}))["result"], json!({}));
}
