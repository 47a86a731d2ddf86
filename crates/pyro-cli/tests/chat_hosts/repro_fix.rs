//! The loop of a fix in each real host: the failure, a patch, the proof, the
//! difference, the file on this host, and back to the start.
//!
//! Owns: that loop, and what a model must learn from each result.

use crate::hosts::Host;
use crate::model::{Model, Next, Received};
use crate::place::Place;
use serde_json::{Value, json};

const PATCH: &str = "\
--- a/add.sh
+++ b/add.sh
@@ -1 +1 @@
-echo $(($1 + $2 + 1))
+echo $(($1 + $2))
";

/// What is called, in order; all but the first in the workspace `fix`.
fn steps() -> Vec<(&'static str, Value)> {
    vec![
        ("workspace_create", json!({"name": "fix"})),
        ("workspace_file_list", json!({})),
        ("workspace_exec", json!({"command": "sh test.sh"})),
        ("workspace_patch_apply", json!({"patch": PATCH})),
        ("workspace_exec", json!({"command": "sh test.sh"})),
        ("workspace_diff", json!({})),
        (
            "workspace_export",
            json!({"patch": true, "output_path": "fix.patch"}),
        ),
        ("workspace_summary", json!({})),
        ("workspace_reset", json!({})),
        ("workspace_exec", json!({"command": "sh test.sh"})),
        ("workspace_delete", json!({})),
        ("workspace_exec", json!({"command": "sh test.sh"})),
    ]
}

fn script(host: Host, steps: &[(&'static str, Value)], results: &[Received]) -> Next {
    let Some((tool, arguments)) = steps.get(results.len()) else {
        return Next::End;
    };
    let mut arguments = arguments.clone();
    if *tool != "workspace_create" {
        arguments["workspace_id"] = json!("fix");
    }
    host.call(tool, arguments)
}

fn fixes(host: Host) {
    let place = Place::with_guests();
    let steps = steps();
    let count = steps.len();
    let model = Model::start(host.api(), move |results| script(host, &steps, results));
    let place = place.behind(&model.url());
    host.write_settings(&place, &model);
    host.connect(&place, &["--mode", "repro-fix"]);
    let ended = host.ask(&place, &model, 300);
    assert!(ended.status.success(), "{}\n{}", ended.stdout, ended.stderr);

    // Not behind a search, where Claude Code puts tools otherwise.
    for tool in [
        "workspace_create",
        "workspace_exec",
        "workspace_patch_apply",
    ] {
        assert!(model.offered().contains(&host.tool(tool)), "{tool}");
    }
    let results = model.received();
    assert_eq!(results.len(), count, "{}", ended.stdout);
    let [
        created,
        listed,
        failed,
        patched,
        passed,
        differs,
        exported,
        summary,
        reset,
        again,
        deleted,
        gone,
    ] = &results[..]
    else {
        panic!("{} results", results.len())
    };
    created.says(&["fix", "debian:12"]);
    listed.says(&["add.sh", "test.sh"]);
    // What Git does not track is the user's alone.
    for private in ["untracked.txt", "debug.log"] {
        assert!(!listed.text.contains(private), "{}", listed.text);
    }
    assert_eq!(failed.exit_code(), 1);
    failed.says(&["checking add.sh\nFAILED: expected 5, got 6"]);
    patched.says(&["add.sh"]);
    assert_eq!(passed.exit_code(), 0);
    passed.says(&["passed: 2 + 3 = 5"]);
    differs.says(&["-echo $(($1 + $2 + 1))\n+echo $(($1 + $2))\n"]);
    let output = exported.field("output_path");
    let output = output.as_str().unwrap();
    summary.says(&["add.sh"]);
    reset.says(&["fix"]);
    assert_eq!(again.exit_code(), 1);
    again.says(&["FAILED: expected 5, got 6"]);
    deleted.says(&["deleted"]);
    // What went wrong, and what to do next.
    gone.says(&["unknown_workspace", "next: "]);

    // The patch is good where the project is.
    let mut apply = place.command("git");
    apply.args(["apply", output]);
    place.run(apply, 60).stdout();
    let mut test = place.command("sh");
    test.arg("test.sh");
    assert_eq!(place.run(test, 60).stdout(), "passed: 2 + 3 = 5\n");
    place.nothing_is_left();
}

#[test]
fn claude_code_fixes() {
    fixes(Host::ClaudeCode);
}

#[test]
fn codex_fixes() {
    fixes(Host::Codex);
}

#[test]
fn opencode_fixes() {
    fixes(Host::OpenCode);
}
