//! The public conformance suite, both eras, over HTTP: whatever it can ask of a
//! server that has none of its fixtures has to pass.
//!
//! Most of its scenarios call tools, prompts and resources with names of its
//! own, or want what this server does not declare (completion, logging,
//! subscriptions, tasks). Those fail, and nothing is said about them but that
//! every message of theirs fits the protocol's schema, too.
//!
//! Owns: the list of what passes. Refuses: a scenario that got lost.

use crate::installed;
use crate::place::Place;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

const PASS: [&str; 13] = [
    "caching",
    "dns-rebinding-protection",
    "http-header-validation",
    "ping",
    "prompts-list",
    "resources-list",
    "sep-2164-resource-not-found",
    "server-initialize",
    "server-session-lifecycle",
    "server-sse-multiple-streams",
    "server-sse-polling",
    "server-stateless",
    "tools-list",
];

/// The suite has no option for a header; its requests, by whichever client of
/// Node, get the token here.
const WITH_TOKEN: &str = "data:text/javascript,\
    import { channel } from 'node:diagnostics_channel';\
    const token = `Bearer ${process.env.TOKEN}`;\
    channel('undici:request:create').subscribe(({ request }) =>\
        request.addHeader('authorization', token));\
    channel('http.client.request.created').subscribe(({ request }) =>\
        request.setHeader('authorization', token));";

/// `pyro mcp serve --http`.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(place: &Place) -> Self {
        let mut command = place.command(env!("CARGO_BIN_EXE_pyro"));
        command.args(["mcp", "serve", "--http", "0"]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("serving ").map(str::to_owned))
            .expect("it says where it serves");
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every check of a scenario.
fn checks(results: &Path, scenario: &str) -> Vec<Value> {
    // server-SCENARIO-2026-11-21T…
    let start = format!("server-{scenario}-2");
    let mut folders = std::fs::read_dir(results).unwrap().flatten();
    let folder = folders
        .find(|folder| folder.file_name().to_str().unwrap().starts_with(&start))
        .unwrap_or_else(|| panic!("{scenario} was not run"));
    let checks = std::fs::read(folder.path().join("checks.json")).unwrap();
    serde_json::from_slice(&checks).unwrap()
}

fn failed(check: &Value) -> bool {
    let why = check["errorMessage"].as_str().unwrap_or_default();
    // It wants a tool of its own for that one check.
    check["status"] == "FAILURE" && !why.starts_with("Not testable")
}

#[test]
fn all_that_needs_no_fixture_passes() {
    let place = Place::new();
    let server = Server::start(&place);
    let token = std::fs::read_to_string(place.home().join("state/mcp-token")).unwrap();
    let suite = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
    let results = place.home().join("results");
    let mut command = place.command(installed::node());
    command
        .env("TOKEN", token.trim())
        .args(["--import", WITH_TOKEN])
        .arg(installed::folder().join(suite))
        .args(["server", "--suite", "all", "--url", &server.url])
        .arg("--output-dir")
        .arg(&results);
    let ended = place.run(command, 120);
    assert!(results.is_dir(), "{}\n{}", ended.stdout, ended.stderr);
    for scenario in PASS {
        let checks = checks(&results, scenario);
        let wrong: Vec<_> = checks.iter().filter(|check| failed(check)).collect();
        assert!(wrong.is_empty(), "{scenario}: {wrong:#?}");
        assert!(
            checks.iter().any(|check| check["status"] == "SUCCESS"),
            "{scenario}: {checks:#?}"
        );
    }
    for folder in std::fs::read_dir(&results).unwrap().flatten() {
        let checks = std::fs::read(folder.path().join("checks.json")).unwrap();
        let checks: Vec<Value> = serde_json::from_slice(&checks).unwrap();
        let frames = checks
            .iter()
            .find(|check| check["id"] == "wire-schema-valid");
        if let Some(frames) = frames {
            assert_eq!(frames["status"], "SUCCESS", "{frames:#}");
        }
    }
}
