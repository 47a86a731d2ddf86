//! The plugin for chat hosts is true: its skill names tools that exist with
//! arguments that they take, its manifests fit this version. (That the real
//! hosts install it is tested in `chat_hosts`.)

use pyro::surface::{Profile, Surface};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

const SKILL: &str = include_str!("../../../plugin/skills/pyro/SKILL.md");

/// The calls of its ```tool blocks.
fn examples() -> Vec<(&'static str, Value)> {
    let mut inside = false;
    let mut examples = Vec::new();
    for line in SKILL.lines().map(str::trim) {
        if line.starts_with("```") {
            inside = line == "```tool";
        } else if inside {
            let (tool, arguments) = line.split_once(' ').unwrap();
            let arguments =
                serde_json::from_str(arguments).unwrap_or_else(|error| panic!("{line}: {error}"));
            examples.push((tool, arguments));
        }
    }
    assert!(examples.len() > 10);
    examples
}

/// Answers of `pyro mcp serve` in a sealed place, one for each request.
fn ask(requests: &[Value]) -> Vec<Value> {
    let sealed = tempfile::tempdir().unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_pyro"))
        .args(["mcp", "serve"])
        .current_dir(sealed.path())
        .env("PYRO_ENVIRONMENT_CACHE_DIR", sealed.path().join("cache"))
        .env("PYRO_STATE_DIR", sealed.path().join("state"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = server.stdin.take().unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap()).lines();
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}}});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let mut answers = Vec::new();
    for message in [&hello, &ready].into_iter().chain(requests) {
        writeln!(input, "{message}").unwrap();
        if message["id"].is_null() {
            continue;
        }
        let answer: Value = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer["id"], message["id"]);
        answers.push(answer["result"].clone());
    }
    drop(input);
    assert!(server.wait().unwrap().success());
    answers.split_off(1)
}

#[test]
fn the_skill_opens_with_its_name_and_when_to_use_it() {
    let front = SKILL.strip_prefix("---\n").unwrap();
    let (front, _) = front.split_once("\n---\n").unwrap();
    let fields: Vec<_> = front
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .collect();
    let [("name", name), ("description", description)] = fields[..] else {
        panic!("{fields:?}");
    };
    assert_eq!(name, "pyro");
    assert!(description.len() <= 1024, "hosts cut it there");
    // Otherwise YAML would see a mapping.
    assert!(!description.contains(": "));
}

#[test]
fn tools_of_the_skill_take_its_arguments() {
    let examples = examples();
    let offered: Vec<_> = Surface::Profile(Profile::default()).tools().collect();
    for (tool, _) in &examples {
        assert!(offered.contains(tool), "{tool}");
    }
    let calls: Vec<_> = examples
        .iter()
        .filter(|(tool, _)| *tool != "workspace_create")
        .enumerate()
        .map(|(at, (tool, arguments))| {
            json!({"jsonrpc": "2.0", "id": at + 1, "method": "tools/call",
                "params": {"name": tool, "arguments": arguments}})
        })
        .collect();
    // Arguments are checked first, so a workspace that nobody made says that
    // they are right.
    for (call, answer) in calls.iter().zip(ask(&calls)) {
        let text = answer["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains("unknown_workspace"), "{call}: {answer}");
    }
}

#[test]
fn creating_takes_the_arguments_of_the_skill() {
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let answer = &ask(&[list])[0];
    let tools = answer["tools"].as_array().unwrap();
    let create = tools
        .iter()
        .find(|tool| tool["name"] == "workspace_create")
        .unwrap();
    for (_, arguments) in examples()
        .iter()
        .filter(|(tool, _)| *tool == "workspace_create")
    {
        for name in arguments.as_object().unwrap().keys() {
            assert!(
                create["inputSchema"]["properties"][name].is_object(),
                "{name}"
            );
        }
    }
}

#[test]
fn every_tool_that_the_skill_names_is_one() {
    let words = SKILL.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let groups = ["vm_", "workspace_", "shell_", "service_", "snapshot_"];
    let named = words.filter(|word| groups.iter().any(|group| word.starts_with(group)));
    // The one argument that looks like a tool.
    for name in named.filter(|name| *name != "workspace_id") {
        assert!(pyro::ops::named(name).is_some(), "{name}");
    }
}

#[test]
fn both_manifests_are_of_this_version() {
    let claude: Value = manifest(include_str!("../../../plugin/.claude-plugin/plugin.json"));
    let codex = manifest(include_str!("../../../plugin/.codex-plugin/plugin.json"));
    for (name, value) in claude.as_object().unwrap() {
        // Codex knows no authors.
        if name != "author" {
            assert_eq!(&codex[name], value, "{name}");
        }
    }
    assert_eq!(claude["version"], env!("CARGO_PKG_VERSION"));
    let market = manifest(include_str!("../../../.claude-plugin/marketplace.json"));
    assert_eq!(market["plugins"][0]["name"], claude["name"]);
    assert_eq!(market["plugins"][0]["description"], claude["description"]);
    assert_eq!(codex["mcpServers"], "./codex.mcp.json");
}

fn manifest(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
