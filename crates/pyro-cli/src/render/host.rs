//! Chat hosts as text (contract: `cli.md` §8).

use super::text;
use serde_json::Value;
use std::fmt::Write;

/// `host connect` and `host repair`: what was written, and how to see it.
pub fn connected(operation: &str, response: &Value) -> String {
    let mut out = String::new();
    let mut line = |label: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "{label}: {value}");
        }
    };
    line("Host", &text(response, "host"));
    line("Version", &text(response, "host_version"));
    line("Server command", &words(&response["server_command"]));
    let scope = text(response, "scope");
    line(
        "Config",
        &format!("{} ({scope})", text(response, "config_path")),
    );
    line("Backup", &text(response, "backup_path"));
    let result = match (operation, response["changed"] == true) {
        ("host_repair", true) => "repaired",
        ("host_repair", false) => "nothing to repair",
        (_, true) => "connected",
        (_, false) => "already connected",
    };
    line("Result", result);
    for note in response["notes"].as_array().into_iter().flatten() {
        line("Note", note.as_str().unwrap_or_default());
    }
    line("Verify", &words(&response["verification_command"]));
    out
}

/// `host print-config`: the document and nothing else, or where it went.
pub fn printed(response: &Value) -> String {
    if let Some(document) = response["rendered_config"].as_str() {
        return document.to_owned();
    }
    let mut out = String::new();
    let _ = writeln!(out, "Config: {}", text(response, "output_path"));
    let backup = text(response, "backup_path");
    if !backup.is_empty() {
        let _ = writeln!(out, "Backup: {backup}");
    }
    let changed = response["changed"] == true;
    let result = if changed { "written" } else { "already there" };
    let _ = writeln!(out, "Result: {result}");
    let _ = writeln!(
        out,
        "Server command: {}",
        words(&response["server_command"])
    );
    out
}

/// `host doctor`: one block per host.
pub fn report(response: &Value) -> String {
    let mut out = String::new();
    let command = words(&response["server_command"]);
    let _ = writeln!(out, "Server command: {command}");
    for host in response["hosts"].as_array().into_iter().flatten() {
        let version = text(host, "host_version");
        let version = if version.is_empty() {
            version
        } else {
            format!(" ({version})")
        };
        let (name, status) = (text(host, "host"), text(host, "status"));
        let _ = writeln!(out, "{name}: {}{version}", status.to_uppercase());
        let _ = writeln!(out, "  Details: {}", text(host, "details"));
        let path = text(host, "config_path");
        if !path.is_empty() {
            let _ = writeln!(out, "  Config: {path}");
        }
        let repair = text(host, "repair_command");
        if host["repairable"] == true {
            let _ = writeln!(out, "  Repair: {repair}");
        }
    }
    let problem = text(response, "project_problem");
    if !problem.is_empty() {
        let _ = writeln!(out, "Project: {problem}");
    }
    out
}

/// A command as a shell reads it.
fn words(command: &Value) -> String {
    let words = command.as_array().into_iter().flatten();
    let words: Vec<_> = words.filter_map(Value::as_str).collect();
    shell_words::join(words)
}
