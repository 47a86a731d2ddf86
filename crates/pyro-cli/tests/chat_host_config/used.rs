//! Entries that are right, and whether the host uses them: through ssh, not
//! trusted yet, switched off, with a program or a folder that is gone.

use super::doctor::{details, reports};
use super::site::{HOSTS, PYRO, Site};
use serde_json::json;

#[test]
fn an_entry_through_ssh_is_what_was_wanted() {
    let site = Site::new();
    let flags = ["--ssh", "box", "--project-path", "/a b"];
    for (host, file) in HOSTS {
        site.json(&[&["connect", host], &flags[..]].concat());
        let before = site.read(&format!("home/{file}"));
        assert_eq!(site.json(&["repair", host])["changed"], false);
        assert_eq!(site.read(&format!("home/{file}")), before);
    }
    site.fake("ssh", "exit 1");
    for report in reports(&site, &[]) {
        assert_eq!(report["status"], "ok", "{report}");
        let options = "its options: --project-path '/a b'";
        assert!(details(&report).contains(options), "{report}");
    }
}

/// A host that asks its user first, or was told not to, starts nothing.
#[test]
fn a_right_entry_that_the_host_does_not_use() {
    let site = Site::new();
    site.fake("pyro", "exit 0");
    site.json(&["connect", "claude-code", "--scope", "project"]);
    let said = |site: &Site, part: &str| {
        let [claude, ..] = reports(site, &[]);
        assert_eq!(claude["status"], "ok", "{claude}");
        assert!(details(&claude).starts_with(part), "{claude}");
    };
    let strict = |site: &Site| site.run(&["doctor", "--strict"]).status.code();
    said(&site, "the entry is right, but claude waits for its user");
    for host in ["codex", "opencode"] {
        site.json(&["connect", host]);
    }
    assert_eq!(strict(&site), Some(125));
    // Until then the entry of the user counts.
    site.json(&["connect", "claude-code", "--mode", "inspect"]);
    let [claude, ..] = reports(&site, &[]);
    assert_eq!(claude["scope"], "user", "{claude}");
    let settings = "project/.claude/settings.local.json";
    site.write(settings, r#"{"enabledMcpjsonServers": ["pyro"]}"#);
    assert_eq!(
        reports(&site, &[])[0]["scope"],
        "user",
        "nobody trusts the folder"
    );
    let config = site.read("home/.claude.json");
    let project = |text: &str| {
        let path = site.path("project").canonicalize().unwrap();
        let own = format!(
            ",\n  \"projects\": {{{:?}: {text}}}\n}}\n",
            path.display().to_string()
        );
        site.write("home/.claude.json", config.replace("\n}\n", &own));
    };
    project(r#"{"hasTrustDialogAccepted": true}"#);
    assert_eq!(reports(&site, &[])[0]["scope"], "project");
    said(&site, "claude starts this server");
    assert_eq!(strict(&site), Some(0));
    site.write(settings, r#"{"disabledMcpjsonServers": ["pyro"]}"#);
    assert_eq!(reports(&site, &[])[0]["scope"], "user");
    project(r#"{"disabledMcpServers": ["pyro"]}"#);
    said(
        &site,
        "the entry is right, but it is switched off for this project",
    );
}

#[test]
fn codex_reads_a_project_that_it_trusts() {
    let site = Site::new();
    std::fs::create_dir_all(site.path("project/.git")).unwrap();
    site.json(&["connect", "codex"]);
    let result = site.json(&[
        "connect", "codex", "--scope", "project", "--mode", "inspect",
    ]);
    assert!(
        result["notes"]
            .to_string()
            .contains("codex does not trust this project")
    );
    let [_, codex, _] = reports(&site, &[]);
    assert_eq!(codex["scope"], "user");
    assert!(
        details(&codex).contains("config.toml is not used: codex does not"),
        "{codex}"
    );
    let path = site.path("project").canonicalize().unwrap();
    let trust = format!(
        "\n[projects.{:?}]\ntrust_level = \"trusted\"\n",
        path.display().to_string()
    );
    let config = site.read("home/.codex/config.toml");
    site.write("home/.codex/config.toml", config + &trust);
    let [_, codex, _] = reports(&site, &["--mode", "cold-start"]);
    assert_eq!(
        (&codex["scope"], &codex["repair_command"]),
        (
            &json!("project"),
            &json!("pyro host repair codex --scope project --mode cold-start")
        )
    );
}

#[test]
fn a_program_that_is_gone_is_no_running_server() {
    let site = Site::new();
    site.fake("pyro", "exit 0");
    site.json(&["connect", "codex", "--installed-package"]);
    assert!(details(&reports(&site, &[])[1]).starts_with("codex starts this server"));
    std::fs::remove_file(site.path("bin/pyro")).unwrap();
    // A form that leads nowhere is not worth keeping.
    assert_eq!(reports(&site, &[])[1]["status"], "drifted");
    site.json(&["repair", "codex"]);
    assert!(site.read("home/.codex/config.toml").contains(PYRO));
    // What a project shares is for machines that have it.
    site.json(&["connect", "opencode", "--scope", "project"]);
    let [.., opencode] = reports(&site, &[]);
    assert_eq!(opencode["status"], "ok");
    assert!(
        details(&opencode).starts_with("the entry is right, but its program pyro is not there"),
        "{opencode}"
    );
    assert_eq!(site.json(&["repair", "opencode"])["changed"], false);
}

#[test]
fn a_program_that_cannot_be_executed_starts_nothing() {
    let site = Site::new();
    let program = site.write("bin/mine", "no program");
    let entry = format!("[mcp_servers.pyro]\ncommand = {program:?}\nargs = ['mcp', 'serve']\n");
    site.write("home/.codex/config.toml", entry);
    let [_, codex, _] = reports(&site, &[]);
    let said = format!("its program {} cannot be executed", program.display());
    assert!(details(&codex).contains(&said), "{codex}");
}

#[test]
fn claudes_plugin_starts_a_server_by_itself() {
    let site = Site::new();
    site.fake("pyro", "exit 0");
    site.write(
        "home/.claude/settings.json",
        r#"{"enabledPlugins": {"pyro@pyro": true, "other@pyro": true}}"#,
    );
    let [claude, ..] = reports(&site, &[]);
    assert_eq!(
        (&claude["status"], &claude["source"], &claude["config_path"]),
        (&json!("ok"), &json!("plugin pyro@pyro"), &json!(null))
    );
    assert_eq!(
        reports(&site, &["--mode", "inspect"])[0]["status"],
        "drifted"
    );
    let connected = site.json(&["connect", "claude-code"]);
    assert!(connected["notes"].to_string().contains("each tool twice"));
    let [claude, ..] = reports(&site, &[]);
    assert!(details(&claude).contains("each tool twice"), "{claude}");
    site.write(
        "project/.claude/settings.json",
        r#"{"enabledPlugins": {"pyro@pyro": false}}"#,
    );
    let [claude, ..] = reports(&site, &[]);
    assert_eq!(details(&claude), "claude starts this server");
}

#[test]
fn a_folder_that_is_gone_keeps_the_server_from_starting() {
    let site = Site::new();
    let folder = site.path("project/shared");
    std::fs::create_dir(&folder).unwrap();
    site.json(&["connect", "codex", "--allow-path", "shared"]);
    assert!(details(&reports(&site, &[])[1]).starts_with("codex starts this server"));
    std::fs::remove_dir(&folder).unwrap();
    let [_, codex, _] = reports(&site, &[]);
    assert!(
        details(&codex).starts_with("the entry is right, but its --allow-path "),
        "{codex}"
    );
}
