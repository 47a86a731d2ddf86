//! Which servers `pyro mcp serve` and `pyro mcp tools` start, and what they say
//! to options that make none: before the first frame, on stderr alone.

use assert_cmd::Command;
use serde_json::Value;
use std::process::Output;
use tempfile::TempDir;

fn pyro(folder: &TempDir, words: &str) -> Output {
    Command::cargo_bin("pyro")
        .unwrap()
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder.path())
        .env("PYRO_STATE_DIR", folder.path().join("state"))
        .env("PYRO_ENVIRONMENT_CACHE_DIR", folder.path().join("cache"))
        .current_dir(folder.path())
        .args(words.split_whitespace())
        .write_stdin("")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn an_unknown_name_is_answered_with_those_there_are() {
    let folder = tempfile::tempdir().unwrap();
    for (words, names) in [
        (
            "--profile core",
            "[possible values: vm-run, workspace-core, workspace-full]",
        ),
        (
            "--mode fix",
            "[possible values: repro-fix, inspect, cold-start, review-eval]",
        ),
        (
            "--network-policy on",
            "[possible values: off, egress, egress+published-ports]",
        ),
    ] {
        for command in ["serve", "tools"] {
            let output = pyro(&folder, &format!("mcp {command} {words}"));
            assert_eq!(output.status.code(), Some(2), "{words}");
            assert!(text(&output.stderr).contains(names), "{output:?}");
            assert!(output.stdout.is_empty());
        }
    }
}

#[test]
fn options_that_contradict_each_other_are_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    for (words, named, way_out) in [
        (
            "--mode inspect --profile workspace-full",
            "mode inspect and profile workspace-full are given at once",
            "give one of --mode and --profile",
        ),
        (
            "--project-path . --repo-url https://example.org/r",
            "--project-path and --repo-url are given at once",
            "--no-project-source",
        ),
        (
            "--repo-ref main",
            "--repo-ref is given without --repo-url",
            "--repo-url URL",
        ),
        (
            "--no-project-source --project-path .",
            "--no-project-source and a project source are given at once",
            "--project-path DIR",
        ),
        (
            "--project-path nowhere",
            "cannot find the project",
            "--repo-url URL",
        ),
        ("--project-path file", "is no folder", "--project-path DIR"),
    ] {
        for command in ["serve", "tools"] {
            let output = pyro(&folder, &format!("mcp {command} {words}"));
            assert_eq!(output.status.code(), Some(125), "{words}");
            assert!(output.stdout.is_empty(), "{words}: {output:?}");
            let text = text(&output.stderr);
            let mut lines = text.lines();
            let (error, hint) = (lines.next().unwrap(), lines.next().unwrap());
            assert!(
                error.starts_with("error: ") && error.contains(named),
                "{text}"
            );
            assert!(
                hint.starts_with("hint: ") && hint.contains(way_out),
                "{text}"
            );
            assert_eq!(lines.next(), None, "{text}");
        }
    }
    assert!(!folder.path().join("state").exists(), "nothing was made");
}

#[test]
fn a_mode_beside_the_default_profile_is_fine() {
    let folder = tempfile::tempdir().unwrap();
    let output = pyro(
        &folder,
        "mcp tools --mode inspect --profile workspace-core --json",
    );
    let costs: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(costs["surface"], "inspect");
    assert_eq!(costs["total"]["tool_count"], 11);
}

#[test]
fn tools_show_what_each_costs_and_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let output = pyro(&folder, "mcp tools");
    let shown = text(&output.stdout);
    assert!(shown.contains("\nworkspace_exec "), "{shown}");
    assert!(shown.contains("\nworkspace-core, all "), "{shown}");
    let output = pyro(&folder, "mcp tools --all --json");
    let costs: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = costs["rows"].as_array().unwrap();
    let counts = rows.iter().map(|row| {
        (
            row["name"].as_str().unwrap(),
            row["tool_count"].as_u64().unwrap(),
        )
    });
    assert_eq!(
        counts.collect::<Vec<_>>(),
        [
            ("vm-run", 1),
            ("workspace-core", 17),
            ("workspace-full", 44),
            ("repro-fix", 16),
            ("inspect", 11),
            ("cold-start", 17),
            ("review-eval", 21),
        ]
    );
    let output = pyro(&folder, "mcp tools --all --mode inspect");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_error_is_one_object_where_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let output = pyro(&folder, "mcp tools --repo-ref main --json");
    assert_eq!(output.status.code(), Some(125));
    let error: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(error["error_kind"], "conflict");
}
