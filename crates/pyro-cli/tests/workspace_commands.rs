//! What is refused of commands and logs before any workspace is looked at.

use assert_cmd::Command;
use serde_json::Value;

/// Exit code and standard output of `pyro workspace …` where nothing is installed.
fn pyro(words: &[&str]) -> (i32, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::cargo_bin("pyro")
        .unwrap()
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("PYRO_ENVIRONMENT_CACHE_DIR", folder.path().join("cache"))
        .env("PYRO_STATE_DIR", folder.path().join("state"))
        .arg("workspace")
        .args(words)
        .output()
        .unwrap();
    (output.status.code().unwrap(), output.stdout)
}

#[test]
fn words_that_cannot_be_parsed_are_usage_errors() {
    for words in [
        &["exec", "w", "--wait-seconds", "soon", "--", "true"][..],
        &["exec", "w", "--wait-seconds", "-1", "--", "true"],
        &["exec", "w", "--command-id"],
        &["logs", "w", "--stream", "both", "--sequence", "1"],
        &["logs", "w", "--sequence", "first"],
        &["logs", "w", "--limit", "-1"],
        &["summary"],
        &["summary", "w", "--html"],
    ] {
        let (code, stdout) = pyro(words);
        assert_eq!((code, stdout.len()), (2, 0), "{words:?}");
    }
}

#[test]
fn what_contradicts_itself_is_refused_by_name() {
    for (words, kind) in [
        (&["exec", "w", "--json"][..], "empty_command"),
        (
            &["exec", "w", "--json", "--command-id", "c0-1", "--", "true"],
            "conflict",
        ),
        (&["exec", "w", "--json", "--cancel"], "missing_input"),
        (
            &["exec", "w", "--json", "--cancel", "--", "true"],
            "missing_input",
        ),
        (
            &["exec", "w", "--json", "--command-id", "seven"],
            "invalid_command_id",
        ),
        (
            &[
                "exec",
                "w",
                "--json",
                "--wait-seconds",
                "3601",
                "--",
                "true",
            ],
            "out_of_range",
        ),
        (
            &[
                "exec",
                "w",
                "--json",
                "--wait-seconds",
                "3601",
                "--command-id",
                "c0-1",
            ],
            "out_of_range",
        ),
        (
            &[
                "exec",
                "w",
                "--json",
                "--wait-seconds",
                "1",
                "--timeout-seconds",
                "0",
                "--",
                "true",
            ],
            "out_of_range",
        ),
        (&["logs", "w", "--json", "--offset", "0"], "missing_input"),
        (
            &["logs", "w", "--json", "--stream", "stderr"],
            "missing_input",
        ),
        (
            &["logs", "w", "--json", "--sequence", "1", "--limit", "0"],
            "out_of_range",
        ),
        (
            &[
                "logs",
                "w",
                "--json",
                "--sequence",
                "1",
                "--limit",
                "1048577",
            ],
            "out_of_range",
        ),
        (&["file", "list", "w", "--json", "--regex"], "missing_input"),
        (
            &["file", "list", "w", "--json", "--ignore-case"],
            "missing_input",
        ),
        (
            &["diff", "w", "--json", "--stat", "--name-only"],
            "conflict",
        ),
        (
            &[
                "exec",
                "w",
                "--json",
                "--command-id",
                "c0-1",
                "--timeout-seconds",
                "9",
            ],
            "conflict",
        ),
        (
            &[
                "service",
                "logs",
                "w",
                "web",
                "--json",
                "--stream",
                "stderr",
                "--tail-lines",
                "9",
            ],
            "conflict",
        ),
        (
            &[
                "service",
                "start",
                "w",
                "web",
                "--json",
                "--max-restarts",
                "9",
                "--",
                "true",
            ],
            "missing_input",
        ),
        (
            &["file", "list", "w", "--json", "--regex", "--search", "a"],
            "unknown_workspace",
        ),
        (
            &["exec", "w", "--json", "--command-id", "c0-1"],
            "unknown_workspace",
        ),
        (
            &["logs", "w", "--json", "--sequence", "1"],
            "unknown_workspace",
        ),
        (
            &["summary", "w", "--json", "--html", "not/made.html"],
            "unknown_workspace",
        ),
    ] {
        let (code, stdout) = pyro(words);
        let error: Value = serde_json::from_slice(&stdout).unwrap();
        assert_eq!(
            (code, &error["error_kind"]),
            (125, &kind.into()),
            "{words:?}: {error}"
        );
        assert!(
            error["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
            "{error}"
        );
    }
}
