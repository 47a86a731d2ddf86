//! What a summary tells of a session, in every state.
//!
//! Owns: one session with everything in it. Refuses: how rows are drawn.

use super::{Desk, browser};
use crate::machine::{eventually, text};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;

/// A path of the test's own folder.
fn at(desk: &Desk, name: &str) -> String {
    desk.place.folder.path().join(name).display().to_string()
}

fn kinds(recent: &Value) -> Vec<&str> {
    let events = recent.as_array().unwrap().iter();
    events
        .map(|event| event["kind"].as_str().unwrap())
        .collect()
}

fn exports(summary: &Value) -> usize {
    summary["artifacts"]["exports"].as_array().unwrap().len()
}

/// A workspace of a seed in which something of each sort was done.
fn session(desk: &Desk, name: &str) -> String {
    let seed = at(desk, "seed");
    std::fs::create_dir_all(Path::new(&seed).join("src")).unwrap();
    std::fs::write(Path::new(&seed).join("src/a"), "one\ntwo\n").unwrap();
    let words = ["create", "debian:12", "--mem-mib", "512", "--name", name];
    let made = desk.done(&[&words[..], &["--seed-path", &seed, "--label", "task=7"]].concat());
    desk.sh(name, "echo hello; echo three >> src/a");
    let (_, code) = desk.ask(&["exec", name, "--", "sh", "-c", "echo broken >&2; exit 7"]);
    assert_eq!(code, 7);
    desk.done(&["file", "write", name, "notes", "--text", "to do\n"]);
    let patch = at(desk, "patch");
    std::fs::write(
        &patch,
        "--- /dev/null\n+++ b/patched\n@@ -0,0 +1 @@\n+new\n",
    )
    .unwrap();
    desk.done(&["patch", "apply", name, "--patch-file", &patch]);
    desk.done(&["sync", "push", name, &seed, "--dest", "copy"]);
    desk.done(&["snapshot", "create", name, "kept"]);
    desk.done(&["snapshot", "create", name, "gone"]);
    desk.done(&["snapshot", "delete", name, "gone"]);
    desk.done(&["export", name, "src", "--output", &at(desk, "out")]);
    desk.done(&[
        "export",
        name,
        "--patch",
        "--output",
        &at(desk, "out.patch"),
    ]);
    made["workspace_id"].as_str().unwrap().to_owned()
}

fn check_what_needs_no_guest(desk: &Desk, summary: &Value) {
    let commands = &summary["commands"];
    assert_eq!(
        (
            &commands["total"],
            &commands["failed"],
            &commands["running"]
        ),
        (&json!(2), &json!(1), &json!(0))
    );
    let last = &commands["recent"][0];
    assert_eq!(
        (&last["sequence"], &last["exit_code"], &last["stderr_bytes"]),
        (&json!(2), &json!(7), &json!(7))
    );
    assert_eq!(summary["outcome"]["last_command"]["exit_code"], 7);
    assert_eq!(summary["outcome"]["export_count"], 2);
    assert_eq!(summary["edits"]["total"], 3);
    assert_eq!(
        kinds(&summary["edits"]["recent"]),
        ["sync_push", "patch_apply", "file_write"]
    );
    let write = &summary["edits"]["recent"][2];
    assert_eq!(
        (&write["path"], &write["size_bytes"], &write["created"]),
        (&json!("/workspace/notes"), &json!(6), &json!(true))
    );
    assert_eq!(
        summary["edits"]["recent"][1]["paths"],
        json!(["/workspace/patched"])
    );
    assert_eq!(summary["snapshots"]["named_count"], 1);
    assert_eq!(
        kinds(&summary["snapshots"]["recent"]),
        ["snapshot_delete", "snapshot_create", "snapshot_create"]
    );
    let exports = &summary["artifacts"]["exports"];
    assert_eq!(
        (&exports[0]["workspace_path"], &exports[0]["artifact_type"]),
        (&json!("/workspace/src"), &json!("directory"))
    );
    assert_eq!(
        (&exports[1]["output_path"], &exports[1]["patch"]),
        (&json!(at(desk, "out.patch")), &json!(true))
    );
    assert_eq!(summary["labels"], json!({"task": "7"}));
    assert_eq!(summary["services"], json!({"current": [], "recent": []}));
    assert_eq!(
        (
            &summary["dropped_event_count"],
            &summary["unreadable_event_count"]
        ),
        (&json!(0), &json!(0))
    );
}

#[test]
fn a_summary_has_everything_in_every_state_until_the_reset() {
    let desk = Desk::new();
    let id = session(&desk, "seen");
    let before = desk.done(&["status", "seen"]);
    let summary = desk.done(&["summary", "seen"]);
    assert_eq!(summary["workspace_id"], json!(id));
    check_what_needs_no_guest(&desk, &summary);
    let changes = &summary["changes"];
    assert_eq!(
        (
            &changes["available"],
            &changes["changed"],
            &changes["reason"]
        ),
        (&json!(true), &json!(true), &Value::Null)
    );
    let rows: Vec<_> = changes["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            json!([
                entry["path"],
                entry["status"],
                entry["lines_added"],
                entry["lines_deleted"]
            ])
        })
        .collect();
    assert_eq!(
        rows,
        [
            json!(["copy/src/a", "added", 2, 0]),
            json!(["notes", "added", 1, 0]),
            json!(["patched", "added", 1, 0]),
            json!(["src/a", "modified", 1, 0]),
        ]
    );
    assert_eq!(changes["summary"]["total"], 4);
    assert!(!summary.to_string().contains("@@"), "no text of files");
    let after = desk.done(&["status", "seen"]);
    assert_eq!(before["last_activity_at"], after["last_activity_at"]);

    let output = desk
        .place
        .pyro(&["workspace", "summary", "seen"])
        .output()
        .unwrap();
    let shown = text(&output.stdout);
    for line in [
        "Outcome: the last command failed with exit code 7: ",
        "Commands: 2, 1 failed\n  #2    exit 7 ",
        "Changes: 4 paths, +5 -0\n  A copy/src/a | +2 -0\n",
        "  M src/a      | +1 -0\n",
        "Edits: 3\n  synced ",
        "Snapshots: 1 kept\n  removed gone, ",
        "Exports: 2\n  patch of /workspace -> ",
    ] {
        assert!(shown.contains(line), "{line:?} in\n{shown}");
    }

    // Stopped: the rest is there, and nothing is started.
    desk.done(&["stop", "seen"]);
    let stopped = desk.done(&["summary", "seen"]);
    check_what_needs_no_guest(&desk, &stopped);
    let changes = &stopped["changes"];
    assert_eq!(
        (
            &changes["available"],
            &changes["changed"],
            &changes["entries"]
        ),
        (&json!(false), &Value::Null, &json!([]))
    );
    let reason = changes["reason"].as_str().unwrap();
    assert!(
        reason.contains("is stopped") && reason.contains(&format!("pyro workspace start {id}")),
        "{reason}"
    );
    assert_eq!(super::supervisor(&id), None);

    // A damaged line hides no other.
    let events = desk
        .place
        .state()
        .join("workspaces")
        .join(&id)
        .join("events.jsonl");
    let mut bytes = std::fs::read(&events).unwrap();
    bytes.extend(b"{\"reset_count\":0,\"kind\":\"file_wr");
    std::fs::write(&events, bytes).unwrap();
    let torn = desk.done(&["summary", "seen"]);
    assert_eq!(torn["unreadable_event_count"], 1);
    assert_eq!(torn["edits"]["total"], 3);

    desk.done(&["start", "seen"]);
    desk.done(&["file", "write", "seen", "more", "--text", "x"]);
    assert_eq!(desk.done(&["summary", "seen"])["edits"]["total"], 4);

    desk.done(&["reset", "seen"]);
    let reset = desk.done(&["summary", "seen"]);
    assert_eq!(
        (
            &reset["commands"]["total"],
            &reset["edits"]["total"],
            exports(&reset)
        ),
        (&json!(0), &json!(0), 0)
    );
    assert_eq!(
        (&reset["changes"]["available"], &reset["changes"]["changed"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (
            &reset["snapshots"]["named_count"],
            &reset["snapshots"]["recent"]
        ),
        (&json!(1), &json!([]))
    );
    assert_eq!(reset["outcome"]["reset_count"], 1);
    assert!(reset["session_started_at"].as_f64() > summary["session_started_at"].as_f64());
    assert!(!events.exists());
}

#[test]
fn an_export_whose_client_is_killed_is_no_event() {
    let desk = Desk::new();
    desk.create("cut");
    desk.sh_within(
        "cut",
        180,
        "mkdir many; cd many; for i in $(seq 40); do head -c 4M /dev/zero | tr '\\0' x > f$i; done",
    );
    let out = at(&desk, "exported/out");
    let mut client = desk
        .place
        .pyro(&["workspace", "export", "cut", "many", "--output", &out])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let parent = Path::new(&out).parent().unwrap();
    // Its archive has no name: that it works shows in an open descriptor.
    let fds = format!("/proc/{}/fd", client.id());
    let writes = || {
        std::fs::read_dir(&fds)
            .into_iter()
            .flatten()
            .flatten()
            .any(|fd| {
                std::fs::read_link(fd.path()).is_ok_and(|target| target.starts_with(parent))
                    && std::fs::metadata(fd.path()).is_ok_and(|file| file.len() > 1 << 20)
            })
    };
    eventually("the export is under way", writes);
    client.kill().unwrap();
    assert!(!client.wait().unwrap().success());
    assert!(!Path::new(&out).exists());
    let summary = desk.done(&["summary", "cut"]);
    assert_eq!(
        (exports(&summary), &summary["outcome"]["export_count"]),
        (0, &json!(0))
    );
    desk.done(&["export", "cut", "many/f1", "--output", &out]);
    assert_eq!(exports(&desk.done(&["summary", "cut"])), 1);
}

#[test]
fn a_running_command_is_counted_and_not_failed() {
    let desk = Desk::new();
    desk.create("runs");
    desk.done(&["exec", "runs", "--wait-seconds", "0", "--", "sleep", "100"]);
    let summary = desk.done(&["summary", "runs"]);
    let commands = &summary["commands"];
    assert_eq!(
        (
            &commands["total"],
            &commands["running"],
            &commands["failed"]
        ),
        (&json!(1), &json!(1), &json!(0))
    );
    assert_eq!(
        (
            &commands["recent"][0]["state"],
            &commands["recent"][0]["exit_code"]
        ),
        (&json!("running"), &Value::Null)
    );
    assert_eq!(summary["outcome"]["running_command_count"], 1);
}

#[test]
fn a_hostile_guest_is_harmless_on_the_page() {
    let desk = Desk::new();
    desk.create("hostile");
    let evil = "</pre><script>document.title=7</script>";
    desk.sh(
        "hostile",
        &format!(
            "echo in > '<img src=x onerror=alert(1)>'; echo \"{evil}\" > code; \
             printf 'x\\n' > \"$(printf 'a\\342\\200\\256b')\"; echo \"{evil}\"; printf '\\033[2J'"
        ),
    );
    let page = at(&desk, "made/here/review.html");
    let summary = desk.done(&["summary", "hostile", "--html", &page]);
    assert_eq!(summary["html_path"], json!(page));
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(!html.contains("<script") && !html.contains("<img"));
    assert!(!html.contains(['\u{1b}', '\u{202e}']));
    // As a file name, in a patch, in a command and in what it wrote.
    assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;"));
    let escaped = "&lt;/pre&gt;&lt;script&gt;document.title=7&lt;/script&gt;";
    assert!(html.matches(escaped).count() >= 3, "{html}");
    assert!(html.contains("<span class=\"odd\">ESC</span>[2J"));
    assert!(html.contains("a<span class=\"odd\">U+202E</span>b"));

    if let Some(dom) = browser::dom(&desk, &format!("file://{page}")) {
        assert!(
            dom.contains("<title>hostile – pyro review</title>"),
            "{dom}"
        );
        assert!(!dom.contains("<script") && !dom.contains("<img"), "{dom}");
        assert!(dom.contains("<td>in</td>") && dom.contains("</footer>"));
    }

    for (output, kind) in [
        (page.as_str(), "output_exists"),
        (&at(&desk, ".git/x"), "output_in_git"),
    ] {
        let (error, code) = desk.ask(&["summary", "hostile", "--html", output]);
        assert_eq!((code, &error["error_kind"]), (125, &json!(kind)), "{error}");
    }
    desk.done(&["stop", "hostile"]);
    let stopped = at(&desk, "stopped.html");
    desk.done(&["summary", "hostile", "--html", &stopped]);
    let html = std::fs::read_to_string(&stopped).unwrap();
    assert!(html.contains("Not known: the workspace is stopped"));
    assert!(html.contains("stopped (somebody stopped it)"));
    assert!(html.contains("exit 0") && html.contains(escaped));
}
