//! Everything that is not pyro's stays as it was.

use super::site::{HOSTS, PYRO, Site, entries, stdout};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

const TOML: &str = "# mine\r\nmodel = \"o\" # why\r\n\r\n[mcp_servers.other]\r\ncommand = 'x'\r\n";

#[test]
fn a_toml_file_with_comments_and_its_line_ends() {
    let site = Site::new();
    site.write("home/.codex/config.toml", TOML);
    site.json(&["connect", "codex"]);
    let after = site.read("home/.codex/config.toml");
    let added = after.strip_prefix(TOML).unwrap();
    assert!(
        added.starts_with("\r\n[mcp_servers.pyro]\r\ncommand = "),
        "{added}"
    );
    assert!(added.lines().count() > 5 && !added.replace("\r\n", "").contains('\n'));
    assert!(added.contains("startup_timeout_sec = 20") && added.contains("\"PYRO_STATE_DIR\""));
    assert_eq!(
        std::fs::read_to_string(&site.backups("home/.codex/config.toml")[0]).unwrap(),
        TOML
    );
}

#[test]
fn a_json_file_with_comments_trailing_commas_and_a_mark() {
    let site = Site::new();
    let before = "\u{feff}// mine\n{\n    /* a */ \"theme\": \"x\", // b\n    \"mcp\": {\n        \
                  \"other\": {\"type\": \"local\"}, // c\n    },\n}\n// end";
    site.write("home/.config/opencode/opencode.jsonc", before);
    let result = site.json(&["connect", "opencode", "--mode", "inspect"]);
    assert!(
        result["config_path"]
            .as_str()
            .unwrap()
            .ends_with("opencode.jsonc")
    );
    let after = site.read("home/.config/opencode/opencode.jsonc");
    let own = format!(
        "\n        \"pyro\": {{\n            \"type\": \"local\",\n            \
         \"command\": [\"{PYRO}\", \"mcp\", \"serve\", \"--mode\", \"inspect\"],\n            \
         \"enabled\": true,\n            \"timeout\": 3600000\n        }},"
    );
    assert_eq!(after.replace(&own, ""), before, "{after}");
}

#[test]
fn claudes_file_keeps_its_order_and_one_line_stays_one_line() {
    let site = Site::new();
    site.write(
        "home/.claude.json",
        r#"{"z": 1.10, "mcpServers": {"a": {}}, "b": "\u00e9"}"#,
    );
    site.json(&["connect", "claude-code"]);
    assert_eq!(
        site.read("home/.claude.json"),
        format!(
            r#"{{"z": 1.10, "mcpServers": {{"a": {{}}, "pyro": {{"type": "stdio", "command": "{PYRO}", "args": ["mcp", "serve"], "timeout": 3600000}}}}, "b": "\u00e9"}}"#
        )
    );
}

#[test]
fn keys_that_the_user_added_to_the_entry() {
    let site = Site::new();
    site.write(
        "home/.codex/config.toml",
        "[mcp_servers.pyro] # here\n  command = \"old\" # was\n  tool_timeout_sec = 9000\n  \
         env_vars = [\"MINE\"]\n  enabled_tools = [\"vm_run\"]\n[mcp_servers.pyro.env]\nA = \"1\"\n",
    );
    site.json(&["connect", "codex"]);
    let after = site.read("home/.codex/config.toml");
    for kept in [
        "[mcp_servers.pyro] # here\n",
        &format!("  command = \"{PYRO}\" # was\n"),
        "  tool_timeout_sec = 9000\n",
        "\"MINE\"]\n",
        "  enabled_tools = [\"vm_run\"]\n",
        "  args = [\"mcp\", \"serve\"]\n",
        "[mcp_servers.pyro.env]\nA = \"1\"\n",
    ] {
        assert!(after.contains(kept), "{kept} in {after}");
    }
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let site = Site::new();
    for (host, file) in HOSTS {
        let file = format!("home/{file}");
        let words = ["connect", host, "--network-policy", "egress"];
        assert_eq!(site.json(&words)["changed"], true);
        let stamp = |site: &Site| {
            let found = std::fs::metadata(site.path(&file)).unwrap();
            (found.ino(), found.mtime_nsec(), found.ctime_nsec())
        };
        let before = stamp(&site);
        let again = site.json(&words);
        assert_eq!(again["changed"], false, "{again}");
        assert!(again.get("backup_path").is_none(), "{again}");
        assert!(stdout(&site.run(&words)).contains("\nResult: already connected\n"));
        assert_eq!(stamp(&site), before, "{host}");
        let folder = site.path(&file).parent().unwrap().to_owned();
        let names = entries(&folder);
        let ours = names.iter().filter(|path| {
            path.to_str().unwrap().contains("opencode.json")
                || path.ends_with("config.toml")
                || path.ends_with(".claude.json")
        });
        assert_eq!(ours.count(), 1, "{names:?}");
    }
}

#[test]
fn a_link_stays_a_link_and_the_mode_stays() {
    let site = Site::new();
    let target = site.write("dotfiles/codex.toml", "model = \"o\"\n");
    std::fs::set_permissions(&target, PermissionsExt::from_mode(0o640)).unwrap();
    if super::site::is_root() {
        std::os::unix::fs::chown(&target, Some(12345), Some(54321)).unwrap();
    }
    std::fs::create_dir(site.home(".codex")).unwrap();
    let link = site.home(".codex/config.toml");
    std::os::unix::fs::symlink("../../dotfiles/between", &link).unwrap();
    std::os::unix::fs::symlink("codex.toml", site.path("dotfiles/between")).unwrap();
    let owner = |path| {
        std::fs::metadata(path)
            .map(|found| (found.uid(), found.gid()))
            .unwrap()
    };
    let before = owner(&target);
    let result = site.json(&["connect", "codex"]);
    assert!(link.is_symlink() && site.path("dotfiles/between").is_symlink());
    assert!(
        site.read("dotfiles/codex.toml")
            .contains("[mcp_servers.pyro]")
    );
    let backup = std::path::PathBuf::from(result["backup_path"].as_str().unwrap());
    for path in [&target, &backup] {
        assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(owner(path), before);
    }
    assert_eq!(site.backups("dotfiles/codex.toml"), [backup]);
}

#[test]
fn a_hard_link_that_ends_is_said() {
    let site = Site::new();
    let other = site.write("dotfiles/codex.toml", "a = 1\n");
    std::fs::create_dir(site.home(".codex")).unwrap();
    std::fs::hard_link(&other, site.home(".codex/config.toml")).unwrap();
    let result = site.json(&["connect", "codex"]);
    let note = result["notes"][0].as_str().unwrap();
    assert!(
        note.contains("config.toml is no longer a hard link"),
        "{note}"
    );
    assert_eq!(site.read("dotfiles/codex.toml"), "a = 1\n");
    let again = site.json(&["connect", "codex"]);
    assert_eq!(again["notes"], serde_json::json!([]));
}

#[test]
fn a_link_to_nothing_gets_its_file() {
    let site = Site::new();
    std::fs::create_dir(site.home(".codex")).unwrap();
    std::os::unix::fs::symlink(site.path("new/codex.toml"), site.home(".codex/config.toml"))
        .unwrap();
    site.json(&["connect", "codex"]);
    assert!(site.home(".codex/config.toml").is_symlink());
    assert!(
        site.read("new/codex.toml")
            .starts_with("[mcp_servers.pyro]\n")
    );
    let mode = std::fs::metadata(site.path("new/codex.toml"))
        .unwrap()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// What is committed is read by whoever has the project.
#[test]
fn a_projects_new_file_is_as_readable_as_any_other() {
    let site = Site::new();
    let theirs = site.write("project/main.c", "");
    for (host, _) in HOSTS {
        let result = site.json(&["connect", host, "--scope", "project"]);
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        let path = result["config_path"].as_str().unwrap();
        assert_eq!(mode(path.as_ref()), mode(&theirs), "{path}");
    }
}

/// A backup in a work tree is one that somebody commits.
#[test]
fn a_work_tree_gets_no_backups() {
    let site = Site::new();
    std::fs::create_dir_all(site.path("project/.git")).unwrap();
    let project = site.path("project").canonicalize().unwrap();
    let kept = site
        .path("state/host-backups")
        .join(project.strip_prefix("/").unwrap());
    for (words, file) in [
        (
            vec!["connect", "claude-code", "--scope", "project"],
            ".mcp.json",
        ),
        (
            vec!["repair", "opencode", "--scope", "project"],
            "opencode.json",
        ),
        (
            vec!["print-config", "cursor", "--output", ".cursor/mcp.json"],
            ".cursor/mcp.json",
        ),
    ] {
        site.write(&format!("project/{file}"), "{ }\n");
        let backup = site.json(&words)["backup_path"]
            .as_str()
            .unwrap()
            .to_owned();
        let backup = std::path::PathBuf::from(backup);
        assert_eq!(std::fs::read_to_string(&backup).unwrap(), "{ }\n");
        assert!(site.backups(&format!("project/{file}")).is_empty());
        assert_eq!(backup.parent().unwrap(), kept.join(file).parent().unwrap());
    }
    assert_eq!(
        std::fs::metadata(site.path("state")).unwrap().mode() & 0o777,
        0o700
    );
}

#[test]
fn the_newest_backups_stay_and_nothing_else_goes() {
    let site = Site::new();
    site.write("home/.codex/config.toml", "first = 1\n");
    let own = site.write("home/.codex/config.toml.bak-mine", "x");
    let old = site.write("home/.codex/config.toml.bak-20200101000000", "x");
    for number in 0..7 {
        let mode = ["inspect", "repro-fix"][number % 2];
        site.json(&["connect", "codex", "--mode", mode]);
    }
    let backups = site.backups("home/.codex/config.toml");
    assert_eq!(backups.len(), 6, "{backups:?}");
    assert!(own.exists() && !old.exists());
    assert!(
        site.read("home/.codex/config.toml")
            .starts_with("first = 1\n")
    );
}

#[test]
fn a_key_that_is_there_twice_is_changed_where_hosts_read_it() {
    let site = Site::new();
    let file = "home/.config/opencode/opencode.json";
    site.write(
        file,
        r#"{"mcp": {"a": 1}, "mcp": {"pyro": {"x": 1}, "pyro": {"y": 2}}}"#,
    );
    site.json(&["connect", "opencode"]);
    let after = site.read(file);
    assert!(
        after.starts_with(r#"{"mcp": {"a": 1}, "mcp": {"pyro": {"x": 1}, "pyro": {"y": 2, "type""#),
        "{after}"
    );
}

#[test]
fn empty_files_and_large_ones() {
    let site = Site::new();
    for (host, file) in HOSTS {
        let file = format!("home/{file}");
        site.write(
            &file,
            if host == "opencode" {
                " \n// only words\n"
            } else {
                " \n"
            },
        );
        site.json(&["connect", host]);
        assert!(site.read(&file).contains("pyro"), "{host}");
        assert_eq!(site.json(&["connect", host])["changed"], false);
    }
    assert!(
        site.read("home/.config/opencode/opencode.json")
            .contains("// only words\n{")
    );

    let many: Vec<_> = (0..100_000)
        .map(|number| format!("  \"key{number}\": [{number}, \"some text that fills a line\"]"))
        .collect();
    let before = format!("{{\n{}\n}}\n", many.join(",\n"));
    site.write("home/.claude.json", &before);
    site.json(&["connect", "claude-code"]);
    let after = site.read("home/.claude.json");
    assert!(after.starts_with(before.strip_suffix("\n}\n").unwrap()));
    let parsed: serde_json::Value = serde_json::from_str(&after).unwrap();
    assert_eq!(parsed["mcpServers"]["pyro"]["args"][1], "serve");
}
