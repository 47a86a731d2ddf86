//! The server that pyro's plugin brings to Claude Code, beside any entry.
//!
//! Owns: whether it is switched on, and what it starts. Refuses: installing
//! it; Codex, in which an entry of the same name replaces it and which says so.

use super::host::{Host, SERVER};
use super::places::Surroundings;
use super::trust::settings;
use serde_json::{Map, Value};

/// Its name with that of its marketplace, where it is switched on.
pub fn name(host: Host, around: &Surroundings) -> Option<String> {
    if host != Host::ClaudeCode {
        return None;
    }
    let own = around.folder("CLAUDE_CONFIG_DIR", ".claude").ok();
    let project = around.top_level().join(".claude");
    let files = [
        own.map(|folder| folder.join("settings.json")),
        Some(project.join("settings.json")),
        Some(project.join("settings.local.json")),
    ];
    let mut switches = Map::new();
    for file in files.into_iter().flatten() {
        if let Value::Object(said) = settings(&file)["enabledPlugins"].take() {
            switches.extend(said);
        }
    }
    let start = format!("{SERVER}@");
    let mut on = switches.into_iter().filter(|(_, on)| *on == true);
    on.find_map(|(name, _)| name.starts_with(&start).then_some(name))
}

/// What it starts, as an entry (`plugin/.mcp.json`).
pub fn entry() -> Value {
    let command = [SERVER, "mcp", "serve"].map(str::to_owned);
    Host::ClaudeCode.entry(&command).object()
}

/// A word about it, for an entry that is there as well.
pub fn beside(name: &str) -> String {
    format!(
        "its plugin {name} starts a server, too, so a model sees each tool twice: \
         claude plugin disable {name}"
    )
}
