//! The plugin in the hosts that have plugins: installed from the checkout by
//! the host's own commands, and then seen by its model.

use crate::hosts::Host;
use crate::installed::checkout;
use crate::model::{Model, Next};
use crate::place::Place;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// A host's own command, with pyro on PATH as the plugin expects it.
fn command(place: &Place, words: &[&str]) -> Command {
    let pyro = Path::new(env!("CARGO_BIN_EXE_pyro")).parent().unwrap();
    let path = crate::installed::path();
    let folders = [pyro.to_owned()]
        .into_iter()
        .chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).unwrap();
    let mut command = place.command(words[0]);
    command.args(&words[1..]).env("PATH", path);
    command
}

fn says(place: &Place, words: &[&str]) -> String {
    place.run(command(place, words), 60).stdout()
}

/// A phrase of the skill's description, which hosts show to their models.
const SKILL: &str = "disposable computer (a microVM)";

#[test]
fn claude_code_accepts_both_manifests() {
    let place = Place::new();
    let market = checkout().display().to_string();
    let plugin = format!("{market}/plugin");
    for path in [&market, &plugin] {
        let words = ["claude", "plugin", "validate", "--strict", "--json", path];
        let report: Value = serde_json::from_str(&says(&place, &words)).unwrap();
        assert_eq!(report["success"], true, "{report}");
    }
}

#[test]
fn claude_code_installs_it() {
    let model = Model::start(Host::ClaudeCode.api(), |results| match results.len() {
        0 => Next::Call(
            "mcp__plugin_pyro_pyro__workspace_list".to_owned(),
            json!({}),
        ),
        _ => Next::End,
    });
    let place = Place::new().behind(&model.url());
    let market = checkout().display().to_string();
    says(&place, &["claude", "plugin", "marketplace", "add", &market]);
    says(&place, &["claude", "plugin", "install", "pyro@pyro"]);
    let list: Value =
        serde_json::from_str(&says(&place, &["claude", "plugin", "list", "--json"])).unwrap();
    assert_eq!(list[0]["id"], "pyro@pyro");
    assert_eq!(list[0]["enabled"], true);
    let servers = says(&place, &["claude", "mcp", "list"]);
    assert!(servers.contains("plugin:pyro:pyro"), "{servers}");
    assert!(servers.contains("Connected"), "{servers}");

    let words = [
        "claude",
        "-p",
        "go",
        "--allowedTools",
        "mcp__plugin_pyro_pyro",
    ];
    let mut command = command(&place, &words);
    command
        .env("ANTHROPIC_BASE_URL", model.url())
        .env("ANTHROPIC_API_KEY", "none");
    place.run(command, 60).stdout();
    assert!(model.everything().contains(SKILL));
    assert_eq!(model.received()[0].field("count"), 0);
    place.nothing_is_left();
}

#[test]
fn codex_installs_it() {
    let model = Model::start(Host::Codex.api(), |results| match results.len() {
        0 => Host::Codex.call("workspace_list", json!({})),
        _ => Next::End,
    });
    let place = Place::new().behind(&model.url());
    Host::Codex.write_settings(&place, &model);
    let market = checkout().display().to_string();
    says(&place, &["codex", "plugin", "marketplace", "add", &market]);
    says(&place, &["codex", "plugin", "add", "pyro@pyro"]);
    let list = says(&place, &["codex", "plugin", "list"]);
    assert!(list.contains("installed, enabled"), "{list}");

    let words = ["codex", "exec", "--json", "go"];
    let mut command = command(&place, &words);
    command.env("FAKE_KEY", "none");
    place.run(command, 60).stdout();
    assert!(model.everything().contains(SKILL));
    assert!(model.offered().contains(&"workspace_create".to_owned()));
    assert_eq!(model.received()[0].field("count"), 0);
    place.nothing_is_left();
}
