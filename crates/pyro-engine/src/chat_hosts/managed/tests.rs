//! Administrators' files against what each real host makes of them.

use super::cases::{CASES, Case, MOST_TELLING};
use super::*;
use serde_json::json;
use std::fs;
use std::path::Path;

fn around(root: &Path, files: &[(&str, &str)]) -> Surroundings {
    fs::create_dir_all(root.join("project/.git")).unwrap();
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Surroundings {
        home: Some(root.join("home")),
        cwd: root.join("project"),
        variable: |_| None,
        system: root.join("etc"),
        backups: root.join("backups"),
    }
}

fn refused(host: Host, files: &[(&str, &str)], origin: Origin) -> Option<String> {
    let root = tempfile::tempdir().unwrap();
    let entry = json!({"command": "pyro", "args": ["mcp", "serve"]});
    let said = refusal(host, &around(root.path(), files), &entry, origin);
    let root = format!("{}/", root.path().display());
    said.map(|said| said.replace(&root, "/"))
}

#[test]
fn claude_code_is_said_to_do_what_it_does() {
    const { assert!(MOST_TELLING < CASES.len()) };
    for Case { files, starts } in CASES {
        let said = refused(Host::ClaudeCode, files, Origin::Own);
        assert_eq!(said.is_none(), *starts, "{files:?}: {said:?}");
        // The file that is named is one of those.
        assert!(
            said.is_none_or(|said| files.iter().any(|(path, _)| said.contains(path))),
            "{files:?}"
        );
    }
}

#[test]
fn a_plugins_server_has_a_name_of_its_own() {
    let settings = "etc/claude-code/managed-settings.json";
    let servers = "etc/claude-code/managed-mcp.json";
    let command = r#"[{"serverCommand": ["pyro", "mcp", "serve"]}]"#;
    for (file, text, starts) in [
        (
            settings,
            r#"{"deniedMcpServers": [{"serverName": "pyro"}]}"#,
            true,
        ),
        (
            settings,
            r#"{"deniedMcpServers": [{"serverName": "plugin:pyro:pyro"}]}"#,
            false,
        ),
        (
            settings,
            &format!(r#"{{"deniedMcpServers": {command}}}"#),
            false,
        ),
        (
            settings,
            r#"{"allowedMcpServers": [{"serverName": "pyro"}]}"#,
            false,
        ),
        (
            settings,
            &format!(r#"{{"allowedMcpServers": {command}}}"#),
            true,
        ),
        (settings, r#"{"strictPluginOnlyCustomization": true}"#, true),
        (servers, r#"{"mcpServers": {}}"#, false),
    ] {
        let said = refused(
            Host::ClaudeCode,
            &[(file, text)],
            Origin::Plugin("pyro@pyro"),
        );
        assert_eq!(said.is_none(), starts, "{text}: {said:?}");
    }
}

#[test]
fn the_only_file_may_have_an_entry_of_pyro() {
    let root = tempfile::tempdir().unwrap();
    let servers = (
        "etc/claude-code/managed-mcp.json",
        r#"{"mcpServers": {"pyro": {"command": "x"}}}"#,
    );
    let around = around(root.path(), &[servers]);
    let (path, entry) = exclusive(Host::ClaudeCode, &around).unwrap();
    assert_eq!(path, root.path().join(servers.0));
    assert_eq!(entry, Some(json!({"command": "x"})));
    assert_eq!(exclusive(Host::Codex, &around), None);
    let settings = "etc/claude-code/managed-settings.json";
    for (text, starts) in [
        (
            r#"{"allowedMcpServers": [], "strictPluginOnlyCustomization": true}"#,
            true,
        ),
        (r#"{"deniedMcpServers": [{"serverName": "pyro"}]}"#, false),
    ] {
        let said = refused(
            Host::ClaudeCode,
            &[servers, (settings, text)],
            Origin::Managed,
        );
        assert_eq!(said.is_none(), starts, "{text}: {said:?}");
    }
}

#[test]
fn codex_allows_by_name_and_command() {
    let file = "etc/codex/requirements.toml";
    for (text, said) in [
        ("", None),
        ("allowed_sandbox_modes = ['read-only']\n", None),
        ("[mcp_servers.pyro.identity]\ncommand = 'pyro'\n", None),
        // Of a form that is not known here: Codex itself says what it makes of it.
        ("[mcp_servers.pyro.identity]\nodd = 1\n", None),
        (
            "[mcp_servers]\n",
            Some("/etc/codex/requirements.toml allows no server pyro"),
        ),
        (
            "[mcp_servers.x.identity]\ncommand = 'pyro'\n",
            Some("/etc/codex/requirements.toml allows no server pyro"),
        ),
        (
            "[mcp_servers.pyro.identity]\ncommand = 'y'\n",
            Some("/etc/codex/requirements.toml allows pyro only with the command y"),
        ),
    ] {
        let found = refused(Host::Codex, &[(file, text)], Origin::Own);
        assert_eq!(found.as_deref(), said, "{text}");
    }
    let broken = refused(Host::Codex, &[(file, "[[[\n")], Origin::Own).unwrap();
    assert!(
        broken.starts_with("codex does not start: /etc/codex/requirements.toml, line 1, column "),
        "{broken}"
    );
}

#[test]
fn files_that_win_over_all_that_pyro_writes() {
    for (host, file, text, has_one) in [
        (
            Host::Codex,
            "codex/managed_config.toml",
            "[mcp_servers.pyro]\nenabled = false\n",
            true,
        ),
        (
            Host::Codex,
            "codex/managed_config.toml",
            "[mcp_servers.x]\n",
            false,
        ),
        // Below the user's.
        (
            Host::Codex,
            "codex/config.toml",
            "[mcp_servers.pyro]\ncommand = 'x'\n",
            false,
        ),
        (
            Host::OpenCode,
            "opencode/opencode.json",
            r#"{"mcp": {"pyro": {"enabled": false}}}"#,
            true,
        ),
        (
            Host::OpenCode,
            "opencode/opencode.jsonc",
            r#"{"mcp": {"servers": {"pyro": {}}}} // x"#,
            true,
        ),
        (
            Host::OpenCode,
            "opencode/opencode.json",
            r#"{"mcp": {}}"#,
            false,
        ),
        (
            Host::ClaudeCode,
            "claude-code/managed-mcp.json",
            r#"{"mcpServers": {"pyro": {}}}"#,
            false,
        ),
    ] {
        let root = tempfile::tempdir().unwrap();
        let path = format!("etc/{file}");
        let found = wins(host, &around(root.path(), &[(&path, text)]));
        assert_eq!(found, has_one.then(|| root.path().join(path)), "{text}");
    }
}

#[test]
fn variables_are_read_as_claude_code_does() {
    let root = tempfile::tempdir().unwrap();
    let around = Surroundings {
        variable: |name| (name == "A").then(|| "x".into()),
        ..around(root.path(), &[])
    };
    for (word, expected) in [
        ("plain", "plain"),
        ("${A}/${A:-y}", "x/x"),
        ("${B:-y}${B:-}", "y"),
        ("${B}$A", "${B}$A"),
        ("${A", "${A"),
    ] {
        assert_eq!(expanded(word, &around), expected);
    }
}
