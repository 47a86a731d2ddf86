//! What administrators say, in a `/etc` of the test's own: a mount that only
//! the command under test sees.

use super::doctor::details;
use super::site::{PYRO, Site, is_root, json};
use serde_json::Value;
use std::process::Output;

fn run(site: &Site, words: &[&str]) -> Option<Output> {
    run_as_text(site, &[words, &["--json"]].concat())
}

/// `pyro host WORDS` with the site's `etc` as `/etc`; nothing where this user
/// may not mount.
fn run_as_text(site: &Site, words: &[&str]) -> Option<Output> {
    std::fs::create_dir_all(site.path("etc")).unwrap();
    let pyro = site.command(words);
    let mut command = std::process::Command::new("unshare");
    command.arg("--mount");
    if !is_root() {
        command.arg("--map-root-user");
    }
    let script =
        "mount -t tmpfs none /etc && cp -R \"$0\"/. /etc && echo >&2 mounted && exec \"$@\"";
    command
        .args(["sh", "-c", script])
        .arg(site.path("etc"))
        .arg(pyro.get_program())
        .args(pyro.get_args())
        .env_clear()
        .envs(
            pyro.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(pyro.get_current_dir().unwrap());
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !stderr.contains("mounted") {
        println!("skipped: no private /etc here: {stderr}");
        return None;
    }
    Some(output)
}

fn host(site: &Site, index: usize) -> Option<Value> {
    let report = json(&run(site, &["doctor"])?);
    Some(report["hosts"][index].clone())
}

const SETTINGS: &str = "etc/claude-code/managed-settings.json";
const SERVERS: &str = "etc/claude-code/managed-mcp.json";

#[test]
fn claude_code_is_not_ok_when_it_is_not_allowed() {
    let site = Site::new();
    site.json(&["connect", "claude-code"]);
    let Some(claude) = host(&site, 0) else {
        return;
    };
    assert_eq!(claude["status"], "ok", "{claude}");

    site.write(
        SETTINGS,
        r#"{"deniedMcpServers": [{"serverName": "pyro"}]}"#,
    );
    let report = json(&run(&site, &["doctor"]).unwrap());
    let claude = &report["hosts"][0];
    assert_eq!(claude["status"], "drifted", "{claude}");
    let said =
        "the entry is right, but deniedMcpServers of /etc/claude-code/managed-settings.json has it";
    assert_eq!(details(claude), said);
    // No repair would help, so none is proposed.
    assert_eq!(report["issues"][0], format!("claude-code: {said}"));
    let strict = run(&site, &["doctor", "--strict"]).unwrap();
    assert_eq!(strict.status.code(), Some(125));
    let text = run_as_text(&site, &["doctor"]).unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("claude-code: DRIFTED"), "{text}");
    assert!(
        !text.contains("Repair: pyro host repair claude-code"),
        "{text}"
    );
    assert!(text.contains("Repair: pyro host repair codex"), "{text}");
    let connected = json(&run(&site, &["connect", "claude-code"]).unwrap());
    assert!(
        connected["notes"].to_string().contains("deniedMcpServers"),
        "{connected}"
    );
    std::fs::remove_file(site.path(SETTINGS)).unwrap();

    // The only servers there are.
    site.write(SERVERS, r#"{"mcpServers": {}}"#);
    let claude = host(&site, 0).unwrap();
    let only = "claude has the servers of /etc/claude-code/managed-mcp.json and no others";
    assert_eq!(claude["status"], "drifted", "{claude}");
    assert!(details(&claude).ends_with(only), "{claude}");
    std::fs::remove_file(site.home(".claude.json")).unwrap();
    let claude = host(&site, 0).unwrap();
    assert_eq!(claude["status"], "missing", "{claude}");
    assert!(details(&claude).ends_with(only), "{claude}");
    assert_eq!(claude["repairable"], false, "{claude}");
    let servers = format!(
        r#"{{"mcpServers": {{"pyro": {{"type": "stdio", "command": {PYRO:?}, "args": ["mcp", "serve"], "timeout": 3600000}}}}}}"#
    );
    site.write(SERVERS, &servers);
    let claude = host(&site, 0).unwrap();
    assert_eq!(claude["status"], "ok", "{claude}");
    assert_eq!(claude["source"], "/etc/claude-code/managed-mcp.json");

    // Nothing that repair could write would change it.
    site.write(SERVERS, servers.replace("\"serve\"", "\"server\""));
    let claude = host(&site, 0).unwrap();
    assert_eq!(claude["status"], "drifted", "{claude}");
    assert_eq!(claude["repairable"], false, "{claude}");
    let of = "its entry is that of /etc/claude-code/managed-mcp.json, which no repair writes";
    assert!(details(&claude).contains(of), "{claude}");
    let text = run_as_text(&site, &["doctor"]).unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    let repair = "Repair: pyro host repair";
    assert!(!text.contains(&format!("{repair} claude-code")), "{text}");
    assert!(text.contains(&format!("{repair} codex")), "{text}");
}

#[test]
fn codex_says_itself_or_its_files_do() {
    let site = Site::new();
    site.json(&["connect", "codex"]);
    // Codex' own words, as 0.169 prints them.
    let entry = serde_json::json!({"name": "pyro", "enabled": false,
        "disabled_reason": "requirements (/etc/codex/requirements.toml)",
        "transport": {"type": "stdio", "command": PYRO, "args": ["mcp", "serve"], "env": null,
        "env_vars": [], "cwd": null}});
    let mut said = entry.clone();
    said["transport"]
        .as_object_mut()
        .unwrap()
        .remove("env_vars");
    site.write("codex.json", said.to_string());
    let file = site.path("codex.json");
    site.fake("codex", &format!("exec cat {}", file.display()));
    let report = site.json(&["doctor"]);
    let codex = &report["hosts"][1];
    assert_eq!(codex["status"], "drifted", "{codex}");
    assert_eq!(
        details(codex),
        "the entry is right, but codex keeps it switched off: requirements \
         (/etc/codex/requirements.toml)"
    );
    // An older one, and one that cannot read what its administrator wrote.
    site.fake("codex", "echo 'error: no such command' >&2; exit 2");
    site.write("etc/codex/requirements.toml", "[mcp_servers]\n");
    let Some(codex) = host(&site, 1) else {
        return;
    };
    assert_eq!(codex["status"], "drifted", "{codex}");
    let none = "the entry is right, but /etc/codex/requirements.toml allows no server pyro";
    assert!(details(&codex).starts_with(none), "{codex}");
    site.write("etc/codex/requirements.toml", "[[[\n");
    let codex = host(&site, 1).unwrap();
    assert!(
        details(&codex).contains("codex does not start: /etc/codex/req"),
        "{codex}"
    );
}

#[test]
fn a_file_that_wins_over_all_is_named() {
    let site = Site::new();
    let file = site.write(
        "opencode.out",
        r#"{"mcp": {"pyro": {"type": "local", "command": ["x"]}}}"#,
    );
    site.fake("opencode", &format!("exec cat {}", file.display()));
    site.write(
        "etc/opencode/opencode.json",
        r#"{"mcp": {"pyro": {"command": ["x"]}}}"#,
    );
    let Some(connected) = run(&site, &["connect", "opencode"]) else {
        return;
    };
    let wins = "/etc/opencode/opencode.json has an entry pyro, too, and wins over every file";
    assert!(json(&connected)["notes"].to_string().contains(wins));
    let opencode = host(&site, 2).unwrap();
    assert_eq!(opencode["status"], "drifted", "{opencode}");
    assert!(details(&opencode).contains(wins), "{opencode}");
    assert_eq!(opencode["repairable"], false, "{opencode}");
}
