//! Broken, unreadable and odd files, and a pyro that is killed.

use super::site::{HOSTS, Site, is_root, refused};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::time::Duration;

const BROKEN: [(&str, &str, &str); 5] = [
    (
        "claude-code",
        "{\n  \"a\": 1,,\n}",
        ".claude.json, line 2, column 10: ",
    ),
    (
        "claude-code",
        "{ // no\n}",
        ".claude.json, line 1, column 3: ",
    ),
    (
        "claude-code",
        "[1]",
        ".claude.json, line 1, column 1: the document is no object",
    ),
    ("codex", "a = 1\nb = [", "config.toml, line 2, column "),
    ("opencode", "{\"mcp\": [}", "opencode.json, line 1, column "),
];

fn file(host: &str) -> String {
    let (_, file) = HOSTS.iter().find(|(name, _)| *name == host).unwrap();
    format!("home/{file}")
}

#[test]
fn connect_says_where_a_document_is_broken_and_leaves_it() {
    let site = Site::new();
    for (host, text, place) in BROKEN {
        site.write(&file(host), text);
        let error = site.refused(&["connect", host]);
        assert!(
            error.starts_with("host_config_broken: ") && error.contains(place),
            "{error}"
        );
        assert_eq!(site.read(&file(host)), text);
        assert!(site.backups(&file(host)).is_empty());
    }
    site.write(&file("codex"), b"a = \"\xff\"");
    let error = site.refused(&["connect", "codex"]);
    assert!(error.ends_with("line 1, column 6: not UTF-8"), "{error}");
}

#[test]
fn repair_keeps_a_broken_document_as_the_backup() {
    let site = Site::new();
    for (host, text, _) in BROKEN {
        site.write(&file(host), text);
        let result = site.json(&["repair", host]);
        let backup = result["backup_path"].as_str().unwrap();
        assert_eq!(std::fs::read_to_string(backup).unwrap(), text);
        assert_eq!(site.json(&["connect", host])["changed"], false);
    }
}

/// A table that splices cannot replace is no reason to lose the rest.
#[test]
fn repair_does_not_give_up_a_document_that_is_whole() {
    let site = Site::new();
    for text in ["a = 1\n[[mcp_servers]]\n", "a = 1\n[[mcp_servers.pyro]]\n"] {
        site.write(&file("codex"), text);
        for verb in ["connect", "repair"] {
            let error = site.refused(&[verb, "codex"]);
            assert!(error.contains("config.toml, line 2, column 1: "), "{error}");
        }
        assert_eq!(site.read(&file("codex")), text);
    }
}

/// Hosts read deeper documents than pyro does: none is given up for that.
#[test]
fn what_only_pyro_cannot_read_is_left() {
    let site = Site::new();
    let text = format!("{{\n\"a\": {}{}}}", "[".repeat(600), "]".repeat(600));
    for host in ["claude-code", "opencode"] {
        site.write(&file(host), &text);
        for verb in ["connect", "repair"] {
            let error = site.refused(&[verb, host]);
            let why = "line 2, column 516: nested deeper than 512, and pyro reads no further";
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(site.read(&file(host)), text);
        assert!(site.backups(&file(host)).is_empty());
    }
    let report = site.json(&["doctor"]);
    let details = report["hosts"][0]["details"].as_str().unwrap();
    assert!(details.contains("pyro reads no further"), "{details}");
}

/// Programs cut texts between the halves of a letter, and `JSON.parse` does not mind.
#[test]
fn half_a_letter_breaks_nothing() {
    let site = Site::new();
    let before = r#"{"history": ["so \ud83d"], "theme": "dark"}"#;
    for verb in ["connect", "repair"] {
        site.write(&file("claude-code"), before);
        site.json(&[verb, "claude-code"]);
        let after = site.read(&file("claude-code"));
        assert!(
            after.starts_with(before.strip_suffix('}').unwrap()),
            "{after}"
        );
        assert_eq!(site.json(&["connect", "claude-code"])["changed"], false);
    }
}

#[test]
fn a_value_in_the_way_is_replaced_by_repair_only() {
    let site = Site::new();
    for (host, text, kept) in [
        (
            "claude-code",
            "{\"a\": 1, \"mcpServers\": []}",
            "{\"a\": 1, \"mcpServers\": {",
        ),
        ("opencode", "{\"mcp\": {\"pyro\": 3}} // end", "// end"),
        ("codex", "mcp_servers = 3 # why\n", " # why\n"),
        ("codex", "[mcp_servers]\npyro = 'x' # why\n", " # why\n"),
    ] {
        site.write(&file(host), text);
        let error = site.refused(&["connect", host]);
        assert!(error.starts_with("host_config_broken: "), "{error}");
        site.json(&["repair", host]);
        assert!(
            site.read(&file(host)).contains(kept),
            "{}",
            site.read(&file(host))
        );
        assert_eq!(site.json(&["connect", host])["changed"], false);
    }
}

#[test]
fn an_entry_of_another_kind_of_server_is_not_mixed_with() {
    let site = Site::new();
    for (host, text, place, kept) in [
        (
            "codex",
            "[mcp_servers.pyro] # why\nhttp_headers = { a = 'b' }\nurl = 'https://example.org'\n\n[a]\nb = 1\n",
            "line 3, column 7",
            "\n[a]\nb = 1\n",
        ),
        (
            "opencode",
            "{\"mcp\": {\"pyro\": {\"type\": \"remote\", \"url\": \"x\"}}, \"a\": 1 }",
            "line 1, column 37",
            ", \"a\": 1 }",
        ),
    ] {
        site.write(&file(host), text);
        let error = site.refused(&["connect", host]);
        let wanted = format!("{place}: the entry has a url");
        assert!(error.ends_with(&wanted), "{error}");
        assert_eq!(site.read(&file(host)), text);
        let report = site.json(&["doctor"]);
        let report = report["hosts"].to_string();
        assert!(report.contains("expected a command"), "{report}");
        site.json(&["repair", host]);
        let after = site.read(&file(host));
        assert!(after.contains(kept) && !after.contains("url"), "{after}");
        assert!(!after.contains("http_headers"), "{after}");
        assert_eq!(site.json(&["connect", host])["changed"], false);
    }
}

#[test]
fn what_is_no_file_is_named() {
    let site = Site::new();
    std::fs::create_dir_all(site.home(".codex/config.toml")).unwrap();
    let error = site.refused(&["connect", "codex"]);
    assert!(
        error.starts_with("host_config_kind: ") && error.contains("/.codex/config.toml is no file"),
        "{error}"
    );
    // A folder that is a file.
    site.write("home/.config", "x");
    let error = site.refused(&["connect", "opencode"]);
    assert!(
        error.starts_with("host_config_io: ") && error.contains("/.config/opencode"),
        "{error}"
    );
    let circle = site.home(".claude.json");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    let error = site.refused(&["connect", "claude-code"]);
    assert!(
        error.starts_with("host_config_kind: ") && error.contains("circle"),
        "{error}"
    );
    std::fs::remove_file(&circle).unwrap();
    let huge = std::fs::File::create(&circle).unwrap();
    huge.set_len(100 << 20).unwrap();
    let error = site.refused(&["connect", "claude-code"]);
    assert!(error.starts_with("host_config_large: "), "{error}");
}

/// The words as a user who owns nothing here; nothing if that cannot be tried.
fn as_stranger(site: &Site, words: &[&str]) -> Option<std::process::Output> {
    let mut command = site.command(words);
    if is_root() {
        command.uid(54321).gid(54321);
    }
    match command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: user 54321 cannot run pyro here: {error}");
            None
        }
    }
}

#[test]
fn a_read_only_file_or_folder_is_named() {
    let site = Site::new();
    let path = site.write("home/.codex/config.toml", "a = 1\n");
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    mode(&path, 0o666);
    mode(&site.home(".codex"), 0o555);
    let Some(output) = as_stranger(&site, &["connect", "codex", "--json"]) else {
        return;
    };
    let error = refused(&output);
    assert!(
        error.starts_with("host_config_read_only: cannot write in the folder "),
        "{error}"
    );
    assert!(error.contains("home/.codex: "), "{error}");
    mode(&path, 0o000);
    let error = refused(&as_stranger(&site, &["connect", "codex", "--json"]).unwrap());
    assert!(
        error.starts_with("host_config_read_only: cannot read ") && error.contains("config.toml"),
        "{error}"
    );
    mode(&site.home(".codex"), 0o777);
    mode(&path, 0o444);
    let error = refused(&as_stranger(&site, &["connect", "codex", "--json"]).unwrap());
    assert!(
        error.starts_with("host_config_read_only: cannot write ") && error.contains("config.toml"),
        "{error}"
    );
    assert!(site.backups("home/.codex/config.toml").is_empty());
    mode(&path, 0o644);
    mode(&site.home(".codex"), 0o755);
    assert_eq!(site.read("home/.codex/config.toml"), "a = 1\n");
}

#[test]
fn without_a_home_directory() {
    if !is_root() {
        println!("skipped: only root can be a user who has no home directory");
        return;
    }
    let site = Site::new();
    for (host, variable) in [
        ("claude-code", "CLAUDE_CONFIG_DIR"),
        ("codex", "CODEX_HOME"),
    ] {
        let mut command = site.command(&["connect", host, "--json"]);
        let output = command
            .env_remove("HOME")
            .uid(54321)
            .gid(54321)
            .output()
            .unwrap();
        let error = refused(&output);
        assert!(error.starts_with("no_home: "), "{error}");
        let hint: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(hint["hint"].as_str().unwrap().contains(variable), "{hint}");
    }
}

#[test]
fn a_host_that_is_not_installed() {
    let site = Site::new();
    std::fs::remove_file(site.path("bin/codex")).unwrap();
    let error = site.refused(&["connect", "codex"]);
    assert!(
        error.starts_with("host_missing: codex, the program of codex, is not on PATH"),
        "{error}"
    );
    std::fs::remove_file(site.path("bin/opencode")).unwrap();
    let result = site.json(&["connect", "opencode"]);
    assert_eq!(result["notes"][0], "opencode is not on PATH");
}

/// Killed at any moment, the file is the old one or the new one.
#[test]
fn a_kill_leaves_a_whole_file() {
    let site = Site::new();
    // Large, so that there is something to be in the middle of.
    let many: String = (0..8_000)
        .map(|number| format!("k{number} = 'some text'\n"))
        .collect();
    let path = "home/.codex/config.toml";
    site.write(path, &many);
    site.json(&["connect", "codex", "--mode", "inspect"]);
    let mut wholes = vec![site.read(path)];
    site.json(&["connect", "codex", "--mode", "repro-fix"]);
    wholes.push(site.read(path));
    let (mut killed, rounds) = (0, 30_u64);
    for round in 0..rounds {
        let mode = ["inspect", "repro-fix"][usize::try_from(round % 2).unwrap()];
        let mut child = site
            .command(&["connect", "codex", "--mode", mode])
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(5 * round));
        if child.try_wait().unwrap().is_none() {
            killed += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(wholes.contains(&site.read(path)), "round {round}");
        for backup in site.backups(path) {
            let backup = std::fs::read_to_string(backup).unwrap();
            assert!(backup == many || wholes.contains(&backup), "round {round}");
        }
    }
    assert!(killed > 0, "nothing was killed");
    site.json(&["connect", "codex", "--mode", "inspect"]);
    assert_eq!(site.read(path), wholes[0]);
}
