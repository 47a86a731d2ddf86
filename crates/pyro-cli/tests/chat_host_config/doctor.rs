//! `host doctor`: what hosts say of themselves, or their files.

use super::site::{HOSTS, PYRO, Site, json, stdout};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub fn reports(site: &Site, words: &[&str]) -> [Value; 3] {
    let report = site.json(&[&["doctor"], words].concat());
    let names: Vec<_> = report["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["host"].clone())
        .collect();
    assert_eq!(names, ["claude-code", "codex", "opencode"]);
    [0, 1, 2].map(|index| report["hosts"][index].clone())
}

pub fn details(report: &Value) -> &str {
    report["details"].as_str().unwrap()
}

/// Codex's own command, printing what its version prints; see the facts in
/// the tests with the real one.
fn codex_says(site: &Site, entry: &Value) {
    site.write("codex.json", entry.to_string());
    let file = site.path("codex.json");
    site.fake(
        "codex",
        &format!(
            "[ \"$*\" = 'mcp get pyro --json' ] && exec cat {}\necho codex 0.169.0",
            file.display()
        ),
    );
}

fn opencode_says(site: &Site, config: &Value) {
    site.write("opencode.out", format!("{config:#}"));
    let file = site.path("opencode.out");
    site.fake(
        "opencode",
        &format!(
            "[ \"$*\" = 'debug config' ] && exec cat {}\necho 1.18.33",
            file.display()
        ),
    );
}

#[test]
fn nothing_installed_and_nothing_connected() {
    let site = Site::new();
    for report in reports(&site, &[]) {
        assert_eq!(
            (&report["status"], &report["installed"]),
            (&json!("missing"), &json!(true)),
            "{report}"
        );
        assert_eq!(report["configured"], false);
        assert_eq!(report["host_version"], "1.2.3 (fake)");
    }
    for program in ["claude", "codex", "opencode"] {
        std::fs::remove_file(site.path("bin").join(program)).unwrap();
    }
    for report in reports(&site, &[]) {
        assert_eq!(
            (&report["status"], &report["installed"]),
            (&json!("unavailable"), &json!(false)),
            "{report}"
        );
    }
    // Nothing to repair where there is no host.
    assert_eq!(site.run(&["doctor", "--strict"]).status.code(), Some(0));
}

#[test]
fn connected_hosts_are_ok_and_strict_agrees() {
    let site = Site::new();
    let flags = ["--mode", "repro-fix", "--network-policy", "egress"];
    for (host, _) in HOSTS {
        site.json(&[&["connect", host], &flags[..]].concat());
    }
    for report in reports(&site, &flags) {
        assert_eq!(report["status"], "ok", "{report}");
        assert_eq!(report["configured"], true);
    }
    assert_eq!(
        site.run(&[&["doctor", "--strict"], &flags[..]].concat())
            .status
            .code(),
        Some(0)
    );
    let output = site.run(&["doctor", "--strict", "--mode", "inspect"]);
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    let text = stdout(&output);
    assert!(
        text.contains("\nclaude-code: DRIFTED (1.2.3 (fake))\n"),
        "{text}"
    );
    assert!(
        text.contains("\n  Repair: pyro host repair claude-code --mode inspect\n"),
        "{text}"
    );
}

#[test]
fn drift_is_named_field_by_field_and_repaired_by_the_command_given() {
    let site = Site::new();
    std::fs::create_dir(site.path("project/a b")).unwrap();
    let flags = ["--project-path", "a b"];
    for (host, _) in HOSTS {
        site.json(&[&["connect", host], &flags[..]].concat());
    }
    let changed = site
        .read("home/.codex/config.toml")
        .replace(PYRO, "/gone/pyro")
        .replace("tool_timeout_sec = 3600\n", "")
        .replace("\"PYRO_STATE_DIR\", ", "");
    site.write("home/.codex/config.toml", changed);
    let [claude, codex, _] = reports(&site, &flags);
    assert_eq!(claude["status"], "ok");
    assert_eq!(codex["status"], "drifted");
    for part in [
        format!("command is \"/gone/pyro\", expected \"{PYRO}\""),
        "env_vars lacks PYRO_STATE_DIR".to_owned(),
        "tool_timeout_sec is missing, expected 3600".to_owned(),
        "its program /gone/pyro is not there".to_owned(),
    ] {
        assert!(details(&codex).contains(&part), "{part} in {codex}");
    }
    let command = shell_words::split(codex["repair_command"].as_str().unwrap()).unwrap();
    assert_eq!(command[..4], ["pyro", "host", "repair", "codex"]);
    let words: Vec<_> = command[2..].iter().map(String::as_str).collect();
    // It means the same from another folder.
    let output = site.command(&words).current_dir("/").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(reports(&site, &flags)[1]["status"], "ok");
}

#[test]
fn the_entry_that_wins_counts_and_hidden_ones_are_named() {
    let site = Site::new();
    site.json(&["connect", "claude-code"]);
    site.json(&[
        "connect",
        "claude-code",
        "--scope",
        "local",
        "--mode",
        "inspect",
    ]);
    let flags = ["--mode", "cold-start"];
    let [claude, ..] = reports(&site, &flags);
    assert_eq!(
        (&claude["status"], &claude["scope"]),
        (&json!("drifted"), &json!("local"))
    );
    assert!(details(&claude).contains("its user entry in "), "{claude}");
    assert_eq!(
        claude["repair_command"],
        "pyro host repair claude-code --scope local --mode cold-start"
    );
    // Without a scope, repair mends the entry that wins, too.
    let repair = [&["repair", "claude-code"], &flags[..]].concat();
    assert_eq!(site.json(&repair)["scope"], "local");
    assert_eq!(reports(&site, &flags)[0]["status"], "ok");
}

#[test]
fn codex_is_believed_rather_than_its_file() {
    let site = Site::new();
    let args = json!(["mcp", "serve"]);
    let mut entry = json!({"name": "pyro", "enabled": true, "startup_timeout_sec": 20.0,
        "tool_timeout_sec": 3600.0, "transport": {"type": "stdio", "command": PYRO, "args": args,
        "env": null, "env_vars": [], "cwd": null}});
    codex_says(&site, &entry);
    let [_, codex, _] = reports(&site, &[]);
    assert_eq!(codex["source"], "codex mcp get pyro --json");
    assert!(
        details(&codex).contains("env_vars lacks PYRO_BACKEND"),
        "{codex}"
    );
    site.json(&["connect", "codex"]);
    // A version that does not print the variables: the file has them.
    entry["transport"]
        .as_object_mut()
        .unwrap()
        .remove("env_vars");
    codex_says(&site, &entry);
    assert_eq!(reports(&site, &[])[1]["status"], "ok");
    entry["enabled"] = json!(false);
    codex_says(&site, &entry);
    assert!(details(&reports(&site, &[])[1]).contains("enabled is false, expected true"));
    site.fake(
        "codex",
        "echo 'WARNING: pyro warns' >&2; echo \"Error: No MCP server named 'pyro' found.\" >&2; exit 1",
    );
    std::fs::remove_file(site.home(".codex/config.toml")).unwrap();
    let [_, codex, _] = reports(&site, &[]);
    assert_eq!(details(&codex), "codex has no entry pyro");
}

#[test]
fn opencode_is_believed_in_both_shapes() {
    let site = Site::new();
    let entry = json!({"type": "local", "command": [PYRO, "mcp", "serve"], "enabled": true, "timeout": 4_000_000});
    for config in [
        json!({"mcp": {"pyro": entry}}),
        json!({"mcp": {"servers": {"pyro": entry}}}),
    ] {
        opencode_says(&site, &config);
        let [.., opencode] = reports(&site, &[]);
        assert_eq!(opencode["status"], "ok", "{opencode}");
        assert_eq!(opencode["source"], "opencode debug config");
    }
    // Another file is none that it knows.
    let [.., opencode] = reports(&site, &["--config-path", "mine.json"]);
    assert_eq!(
        (&opencode["status"], &opencode["source"]),
        (&json!("missing"), &json!("files"))
    );
    let path = site.path("project/mine.json");
    let repair = format!("pyro host repair opencode --config-path {}", path.display());
    assert_eq!(opencode["repair_command"], json!(repair));
}

#[test]
fn a_host_that_is_old_or_prints_something_else_has_its_files_read() {
    let site = Site::new();
    site.json(&["connect", "codex"]);
    site.json(&["connect", "opencode"]);
    site.fake(
        "codex",
        "echo \"error: unexpected argument '--json' found\" >&2; exit 2",
    );
    site.fake("opencode", "printf 'Welcome!\\n\\033[1m{oops'; exit 0");
    let [_, codex, opencode] = reports(&site, &[]);
    assert_eq!(codex["status"], "ok", "{codex}");
    assert!(
        details(&codex).contains("codex mcp get pyro --json failed: error: unexpected argument"),
        "{codex}"
    );
    assert_eq!(
        (&opencode["status"], &opencode["source"]),
        (&json!("ok"), &json!("files"))
    );
    assert!(
        details(&opencode).contains("opencode debug config printed no JSON object; its files"),
        "{opencode}"
    );
    assert_eq!(opencode["host_version"], Value::Null);
}

#[test]
fn hosts_that_hang_or_flood_hold_nobody_up() {
    let site = Site::new();
    for (host, _) in HOSTS {
        site.json(&["connect", host]);
    }
    let left = site.path("left");
    // The child in the background would keep pipes open.
    let hang = format!("(sleep 600; echo x > {}) &\nsleep 600", left.display());
    site.fake("claude", &hang);
    site.fake("codex", &hang);
    site.fake(
        "opencode",
        "while :; do echo '{\"mcp\": \"and so on and so on and so on\"}'; done",
    );
    let begun = Instant::now();
    let report = json(&site.run(&["doctor", "--json"]));
    assert!(
        begun.elapsed() < Duration::from_secs(40),
        "{:?}",
        begun.elapsed()
    );
    for host in report["hosts"].as_array().unwrap() {
        assert_eq!(host["status"], "ok", "{host}");
    }
    let why = |index: usize| {
        report["hosts"][index]["details"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(why(1).contains("no answer within 10 s"), "{}", why(1));
    assert!(
        why(2).contains("opencode debug config failed: "),
        "{}",
        why(2)
    );
    let sleepers = std::process::Command::new("pgrep")
        .args(["-f", left.to_str().unwrap()])
        .output();
    if let Ok(sleepers) = sleepers {
        assert_eq!(stdout(&sleepers), "", "a child of a host is left");
    }
}

#[test]
fn without_options_those_of_the_entry_are_the_wanted_ones() {
    let site = Site::new();
    let flags = ["--mode", "repro-fix", "--no-project-source"];
    for (host, _) in HOSTS {
        site.json(&[&["connect", host], &flags[..]].concat());
    }
    for report in reports(&site, &[]) {
        assert_eq!(report["status"], "ok", "{report}");
        let options = "its options: --mode repro-fix --no-project-source";
        assert!(details(&report).contains(options), "{report}");
    }
    // With options they are compared; the default ones are said by name.
    let [_, codex, _] = reports(&site, &["--mode", "inspect"]);
    assert_eq!(codex["status"], "drifted", "{codex}");
    // A repair mends the rest and takes no option away.
    let config = site.read("home/.codex/config.toml");
    site.write(
        "home/.codex/config.toml",
        config.replace(PYRO, "/gone/pyro"),
    );
    assert_eq!(reports(&site, &[])[1]["status"], "drifted");
    site.json(&["repair", "codex"]);
    assert_eq!(site.read("home/.codex/config.toml"), config);
    // Words that no server takes are not kept.
    site.write(
        "home/.codex/config.toml",
        config.replace("repro-fix", "no-such-mode"),
    );
    assert_eq!(reports(&site, &[])[1]["status"], "drifted");
}

#[test]
fn broken_files_are_drift_with_their_place() {
    let site = Site::new();
    for (host, file) in HOSTS {
        site.write(
            &format!("home/{file}"),
            if host == "codex" { "a = [" } else { "{]" },
        );
    }
    for report in reports(&site, &[]) {
        assert_eq!(report["status"], "drifted", "{report}");
        assert_eq!(report["configured"], false);
        assert!(details(&report).contains(", line 1, column "), "{report}");
    }
    std::fs::remove_file(site.path("bin/opencode")).unwrap();
    assert_eq!(reports(&site, &[])[2]["status"], "unavailable");
}

#[test]
fn a_project_that_is_gone_is_told_with_the_ways_out() {
    let site = Site::new();
    let project = site.path("project/app");
    std::fs::create_dir(&project).unwrap();
    let flags = ["--project-path", "app"];
    site.json(&[&["connect", "claude-code"], &flags[..]].concat());
    std::fs::remove_dir(&project).unwrap();
    let report = site.json(&[&["doctor"], &flags[..]].concat());
    let problem = report["project_problem"].as_str().unwrap();
    assert!(
        problem.contains("cannot find the project") && problem.contains("--no-project-source"),
        "{problem}"
    );
    let claude = &report["hosts"][0];
    assert_eq!(claude["status"], "ok");
    assert!(
        details(claude).contains("project/app is no folder: give another --project-path"),
        "{claude}"
    );
    assert_eq!(
        site.run(&[&["doctor", "--strict"], &flags[..]].concat())
            .status
            .code(),
        Some(125)
    );
}
