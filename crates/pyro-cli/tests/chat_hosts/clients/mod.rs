//! The public MCP clients, each at its strictest.
//!
//! ```text
//! steps (JSON) --> program of the client's language --stdio--> pyro mcp serve
//!       <-- tools and results, or what the client threw
//! ```
//!
//! Owns: starting them. Refuses: what each is asked, which is its own file's.

mod inspector;
mod python;
mod typescript;

use crate::place::Place;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::path::PathBuf;

/// A program beside this file.
fn program(name: &str) -> PathBuf {
    crate::installed::checkout()
        .join("crates/pyro-cli/tests/chat_hosts/clients")
        .join(name)
}

/// What a client's program has seen: `tools`, `results` and more.
fn seen(place: &Place, words: &[&OsStr], options: &[&str], steps: &Value) -> Value {
    let server = [&[env!("CARGO_BIN_EXE_pyro"), "mcp", "serve"], options].concat();
    let mut command = place.command(words[0]);
    command
        .args(&words[1..])
        .arg(json!(server).to_string())
        .arg(steps.to_string());
    let printed = place.run(command, 240).stdout();
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

/// The results of a client, none of them thrown by itself.
fn results(seen: &Value) -> &Vec<Value> {
    let results = seen["results"].as_array().unwrap();
    for result in results {
        assert!(result["thrown"].is_null(), "{result}");
    }
    results
}

/// Names of the tools that it was shown.
fn tools(seen: &Value) -> Vec<&str> {
    let tools = seen["tools"].as_array().unwrap().iter();
    tools.map(|tool| tool.as_str().unwrap()).collect()
}
