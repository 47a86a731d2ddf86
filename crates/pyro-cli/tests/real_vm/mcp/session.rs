//! One workspace as a model uses it, from its creation to after its end.

use super::host::{Host, eventually, text};
use super::serve;
use crate::machine::is_alive;
use crate::workspaces::{Desk, supervisor};
use serde_json::{Value, json};

#[test]
fn a_workspace_from_its_creation_to_after_its_end() {
    let desk = Desk::new();
    let mut host = serve(&desk.place, &[]);
    let made = host.done(
        "workspace_create",
        json!({ "name": "demo", "mem_mib": 512 }),
    );
    assert_eq!(made["state"], "started", "{made}");
    let id = made["workspace_id"].as_str().unwrap().to_owned();
    an_exit_code_is_no_error(&mut host);
    a_long_output_is_read_in_pages(&mut host);
    a_long_command_is_polled_and_cancelled(&mut host);
    a_cancelled_call_kills_its_command(&mut host);
    resources_show_files_logs_and_changes(&mut host);
    a_machine_that_is_gone_comes_back_and_says_so(&mut host, &id);
    host.done("workspace_delete", json!({ "workspace_id": "demo" }));
    let said = host.refusal(
        "workspace_exec",
        json!({ "workspace_id": id, "command": "true" }),
    );
    assert!(
        said.contains("code: unknown_workspace") && said.contains("workspace_create"),
        "{said}"
    );
}

fn exec(host: &mut Host, command: &str) -> Value {
    host.done(
        "workspace_exec",
        json!({ "workspace_id": "demo", "command": command }),
    )
}

fn an_exit_code_is_no_error(host: &mut Host) {
    let arguments = json!({ "workspace_id": "demo", "command": "echo out; echo err >&2; printf '\\377'; exit 3" });
    let answer = host.call("workspace_exec", arguments);
    let value = &answer["result"]["structuredContent"];
    assert_eq!(
        (&value["exit_code"], &value["stderr"]),
        (&json!(3), &json!("err\n")),
        "{answer}"
    );
    assert_eq!(value["stdout"], "out\n\u{fffd}", "{answer}");
    assert!(text(&answer).starts_with("exit code 3, "), "{answer}");
}

/// The arguments of the call that a text tells to make next.
fn told_call(text: &str, tool: &str) -> Value {
    let (_, rest) = text
        .split_once(&format!("{tool} {{"))
        .unwrap_or_else(|| panic!("{text}"));
    let rest = format!("{{{rest}");
    let mut values = serde_json::Deserializer::from_str(&rest).into_iter();
    values.next().unwrap().unwrap()
}

fn a_long_output_is_read_in_pages(host: &mut Host) {
    let whole: String = (1..=3000).map(|n| format!("{n}\n")).collect();
    let ran = exec(host, "seq 3000");
    assert!(ran.to_string().len() < 10_000, "{}", ran.to_string().len());
    let shown = ran["stdout"].as_str().unwrap();
    assert!(
        shown.starts_with("1\n2\n") && shown.ends_with("2999\n3000\n"),
        "{shown}"
    );
    let mut next = told_call(shown, "workspace_logs");
    let offset = usize::try_from(next["offset"].as_u64().unwrap()).unwrap();
    let mut read = shown[..offset].to_owned();
    loop {
        let answer = host.call("workspace_logs", next);
        let page = &answer["result"]["structuredContent"]["page"];
        read.push_str(page["text"].as_str().unwrap_or_else(|| panic!("{answer}")));
        if page["next_offset"].is_null() {
            break;
        }
        next = told_call(text(&answer), "workspace_logs");
    }
    assert_eq!(read, whole);
}

fn a_long_command_is_polled_and_cancelled(host: &mut Host) {
    let begin = json!({
        "workspace_id": "demo", "command": "echo begun; sleep 300",
        "timeout_seconds": 600, "wait_seconds": 1,
    });
    let begun = host.done("workspace_exec", begin);
    assert_eq!(
        (&begun["running"], &begun["stdout"]),
        (&json!(true), &json!("begun\n")),
        "{begun}"
    );
    let of = |more: Value| {
        let mut of = json!({ "workspace_id": "demo", "command_id": begun["command_id"] });
        of.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        of
    };
    let look = host.done("workspace_exec", of(json!({ "wait_seconds": 0 })));
    assert_eq!(look["running"], true, "{look}");
    // Waits for the end of it, as its schema says.
    let ended = host.done("workspace_exec", of(json!({ "cancel": true })));
    assert_eq!(ended["state"], "cancelled", "{ended}");
}

const SLEEPS: &str = "grep -lsz '^300.5$' /proc/[0-9]*/cmdline | wc -l";

fn a_cancelled_call_kills_its_command(host: &mut Host) {
    let call = json!({
        "name": "workspace_exec",
        "arguments": { "workspace_id": "demo", "command": "sleep 300.5", "timeout_seconds": 600 },
        "_meta": { "progressToken": "p" },
    });
    let slow = host.begin("tools/call", call);
    eventually("it sleeps", || exec(host, SLEEPS)["stdout"] == "1\n");
    let cancelled = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": slow },
    });
    host.send(&cancelled);
    eventually("it does not", || exec(host, SLEEPS)["stdout"] == "0\n");
}

fn resources_show_files_logs_and_changes(host: &mut Host) {
    let write = json!({ "workspace_id": "demo", "path": "a b.txt", "text": "content\n" });
    host.done("workspace_file_write", write);
    let mut read = |uri: &str| {
        let answer = host.ask("resources/read", json!({ "uri": uri }));
        let contents = &answer["result"]["contents"][0];
        let text = contents["text"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        (
            text.to_owned(),
            contents["mimeType"].as_str().unwrap().to_owned(),
        )
    };
    let plain = |text: &str| (text.to_owned(), "text/plain".to_owned());
    assert_eq!(
        read("pyro://workspace/demo/file/a%20b.txt"),
        plain("content\n")
    );
    assert_eq!(read("pyro://workspace/demo/log/1/stderr"), plain("err\n"));
    let (diff, mime) = read("pyro://workspace/demo/diff");
    assert!(diff.contains("+content") && mime == "text/x-diff", "{diff}");
    let (summary, _) = read("pyro://workspace/demo/summary");
    assert!(summary.contains("file_write"), "{summary}");
    let listed = host.ask("resources/list", json!({}));
    assert_eq!(
        listed["result"]["resources"].as_array().unwrap().len(),
        2,
        "{listed}"
    );
    let missing = host.ask(
        "resources/read",
        json!({ "uri": "pyro://workspace/demo/file/none" }),
    );
    assert_eq!(missing["error"]["code"], -32002, "{missing}");
}

fn a_machine_that_is_gone_comes_back_and_says_so(host: &mut Host, id: &str) {
    // What only the guest's memory has is lost with its machine.
    exec(host, "sync");
    let pid = supervisor(id).unwrap();
    let process = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    eventually("its supervisor ends", || !is_alive(pid));
    let arguments = json!({ "workspace_id": "demo", "command": "cat 'a b.txt'" });
    let answer = host.call("workspace_exec", arguments);
    let value = &answer["result"]["structuredContent"];
    assert_eq!(value["stdout"], "content\n", "{answer}");
    let notices = value["notices"].to_string();
    assert!(
        notices.contains("started again") && notices.contains("processes"),
        "{answer}"
    );
    assert!(text(&answer).contains("started again"), "{answer}");
}
