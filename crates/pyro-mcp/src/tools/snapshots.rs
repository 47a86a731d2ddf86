//! Every tool of every surface as a model gets it, word for word, so that no
//! change of it goes unseen: `workspace-full` whole, of the others what
//! differs from it.

use super::{Tool, Tools};
use crate::config::Config;
use crate::config::tests::{config, each_surface, with_project};
use crate::instructions;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

const FULL: &str = "--profile workspace-full";

/// A tool as text, an input per line.
fn text(tool: &Tool) -> String {
    let wire = &tool.wire;
    let mut text = format!("{}\n", wire.description.as_deref().unwrap_or_default());
    let required = wire.input_schema.get("required");
    let required = required
        .and_then(|names| names.as_array().cloned())
        .unwrap_or_default();
    for (name, property) in wire.input_schema["properties"].as_object().unwrap() {
        let mark = if required.iter().any(|known| known == name) {
            " (required)"
        } else {
            ""
        };
        writeln!(text, "  {name}{mark}: {property}").unwrap();
    }
    writeln!(text, "  -> {}", json(&wire.output_schema)).unwrap();
    writeln!(text, "  hints {}", json(&wire.annotations)).unwrap();
    writeln!(text, "  meta {}", json(&wire.meta)).unwrap();
    text
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn texts(config: &Config) -> Vec<(&'static str, String)> {
    let tools = Tools::of(config);
    tools
        .0
        .iter()
        .map(|tool| (tool.row.name, text(tool)))
        .collect()
}

/// What differs from `workspace-full`, the rest by name.
fn differences(config: &Config) -> String {
    let full: BTreeMap<_, _> = texts(&at_home(self::config(FULL))).into_iter().collect();
    let (mut same, mut other) = (Vec::new(), String::new());
    for (name, text) in texts(config) {
        match full.get(name) == Some(&text) {
            true => same.push(name),
            false => writeln!(other, "## {name}\n{text}").unwrap(),
        }
    }
    format!("as in workspace-full: {}\n\n{other}", same.join(", "))
}

fn at_home(config: Config) -> Config {
    with_project(config, "/home/user/project")
}

#[test]
fn the_full_surface() {
    let mut whole = String::new();
    for (name, text) in texts(&at_home(config(FULL))) {
        writeln!(whole, "## {name}\n{text}").unwrap();
    }
    insta::assert_snapshot!("workspace-full", whole);
}

#[test]
fn the_other_surfaces() {
    for (name, config) in each_surface("") {
        if name != "workspace-full" {
            insta::assert_snapshot!(name, differences(&at_home(config)));
        }
    }
}

#[test]
fn what_an_operator_can_widen() {
    let all =
        "--network-policy egress+published-ports --allow-domain registries --allow-host-compat";
    for (name, words) in [
        ("workspace-full_widened", format!("{FULL} {all}")),
        ("cold-start_widened", format!("--mode cold-start {all}")),
    ] {
        insta::assert_snapshot!(name, differences(&at_home(config(&words))));
    }
}

#[test]
fn instructions_of_each_surface() {
    let mut whole = String::new();
    for (name, config) in each_surface("") {
        writeln!(whole, "## {name}\n{}\n", instructions::of(&at_home(config))).unwrap();
    }
    let networked =
        config("--network-policy egress --allow-domain example.org --environment debian:12-build");
    writeln!(
        whole,
        "## no project, a network\n{}",
        instructions::of(&networked)
    )
    .unwrap();
    insta::assert_snapshot!("instructions", whole);
}
