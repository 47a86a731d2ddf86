//! What a host's own command says of pyro's entry.
//!
//! Owns: those commands and what their output means. Refuses: files, but for
//! what Codex's version does not print.

use crate::chat_hosts::ask_host::ask;
use crate::chat_hosts::host::{Host, SERVER};
use crate::chat_hosts::places::Surroundings;
use crate::chat_hosts::survey::{State, Surveyed};
use serde_json::{Map, Value};
use std::path::Path;

/// What a host's own command says.
pub enum Answer {
    /// The entry, or that there is none.
    Says(&'static str, Option<Value>),
    /// Why it is none.
    Useless(String),
}

/// Asks the host, where it has such a command.
pub fn ask_it(
    host: Host,
    program: &Path,
    around: &Surroundings,
    chosen: Option<&Surveyed>,
) -> Option<Answer> {
    let (command, arguments): (_, &[&str]) = match host {
        Host::ClaudeCode => return None,
        Host::Codex => (
            "codex mcp get pyro --json",
            &["mcp", "get", SERVER, "--json"],
        ),
        Host::OpenCode => ("opencode debug config", &["debug", "config"]),
    };
    let said = match ask(program, arguments, Some(&around.cwd)) {
        Ok(said) => said,
        // Codex says in prose that it has no such server.
        Err(why)
            if host == Host::Codex
                && why.contains("No MCP server")
                && chosen.is_none_or(|one| matches!(one.state, State::Absent | State::Without)) =>
        {
            return Some(Answer::Says(command, None));
        }
        Err(why) => return Some(Answer::Useless(format!("{command} failed: {why}"))),
    };
    let object = serde_json::from_str::<Value>(said.trim()).ok();
    let Some(object) = object.filter(Value::is_object) else {
        return Some(Answer::Useless(format!("{command} printed no JSON object")));
    };
    if host == Host::OpenCode {
        let entry = ["/mcp/pyro", "/mcp/servers/pyro"]
            .iter()
            .find_map(|path| object.pointer(path));
        return Some(Answer::Says(command, entry.cloned()));
    }
    let in_file = match chosen.map(|one| &one.state) {
        Some(State::With(Value::Object(entry))) => entry.clone(),
        _ => Map::new(),
    };
    Some(match codex_entry(&object, in_file) {
        Some(entry) => Answer::Says(command, Some(Value::Object(entry))),
        None => Answer::Useless(format!("{command} printed no entry")),
    })
}

/// Codex's JSON as an entry; what its version does not print is in the file.
fn codex_entry(object: &Value, mut entry: Map<String, Value>) -> Option<Map<String, Value>> {
    let transport = object.get("transport")?.as_object()?;
    let top = [
        "enabled",
        DISABLED,
        "startup_timeout_sec",
        "tool_timeout_sec",
    ];
    let below = ["command", "args", "env_vars", "url"];
    let printed = (top.iter().filter_map(|key| Some((*key, object.get(*key)?)))).chain(
        below
            .iter()
            .filter_map(|key| Some((*key, transport.get(*key)?))),
    );
    for (key, value) in printed {
        match value {
            Value::Null => entry.remove(key),
            value => entry.insert(key.to_owned(), value.clone()),
        };
    }
    Some(entry)
}

const DISABLED: &str = "disabled_reason";

/// Who keeps the server off, other than its entry.
pub fn switched_off(entry: &Value) -> Option<String> {
    let reason = entry.get(DISABLED)?.as_str()?;
    Some(format!("codex keeps it switched off: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn codex_prints_what_the_file_lacks_and_the_other_way_round() {
        let object = json!({"name": "pyro", "enabled": true, "tool_timeout_sec": 3600.0,
            "startup_timeout_sec": null, "transport": {"type": "stdio", "command": "pyro",
            "args": ["mcp"], "env": null, "cwd": null}});
        let in_file = json!({"env_vars": ["A"], "startup_timeout_sec": 5, "command": "old"});
        let entry = codex_entry(&object, in_file.as_object().unwrap().clone()).unwrap();
        assert_eq!(
            Value::Object(entry),
            json!({"command": "pyro", "args": ["mcp"], "env_vars": ["A"], "enabled": true,
                "tool_timeout_sec": 3600.0})
        );
        assert_eq!(codex_entry(&json!({"transport": 3}), Map::new()), None);
    }
}
