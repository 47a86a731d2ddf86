//! What an administrator's files say of pyro's server, and a user's own lists.
//!
//! ```text
//! claude-code  managed-settings.json, managed-settings.d/*.json   no JSON: it does not start
//!              managed-mcp.json          its servers and no others, also none of a plugin
//!              deniedMcpServers          of any settings
//!              allowedMcpServers         of all settings; of these files alone with
//!                                        allowManagedMcpServersOnly
//!              strictPluginOnlyCustomization    no servers but those of plugins
//! codex        requirements.toml         mcp_servers: allowed by name and command
//!              managed_config.toml       wins over every other file
//! opencode     opencode.json[c]          wins over every other file
//! ```
//!
//! Each line was tried with the real program (Claude Code 2.1, Codex 0.169,
//! `OpenCode` 1.18). What comes from a host's cloud is not known here.
//!
//! Owns: whether a right entry is kept from starting, and which file says so.
//! Refuses: writing any of them; what a project brings along (`trust`).

use super::format::Format;
use super::host::{Host, SERVER};
use super::jsonc::Dialect;
use super::kept_words::command_words;
use super::places::Surroundings;
use super::trust::all_settings;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Where a server of Claude Code comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// Somebody's own file.
    Own,
    /// The plugin of this name (`pyro@MARKETPLACE`).
    Plugin(&'a str),
    /// The file that has its servers and no others.
    Managed,
}

/// Why the host does not start the server of a right entry, if a file says so.
pub fn refusal(host: Host, around: &Surroundings, entry: &Value, origin: Origin) -> Option<String> {
    match host {
        Host::ClaudeCode => claude_code(around, entry, origin),
        Host::Codex => codex(around, entry),
        Host::OpenCode => None,
    }
}

/// The administrator's file whose servers are all that Claude Code has, with
/// pyro's entry if that is one of them.
pub fn exclusive(host: Host, around: &Surroundings) -> Option<(PathBuf, Option<Value>)> {
    let path = around.system.join("claude-code/managed-mcp.json");
    if host != Host::ClaudeCode || !path.exists() {
        return None;
    }
    let text = std::fs::read(&path).unwrap_or_default();
    let mut file: Value = serde_json::from_slice(&text).unwrap_or_default();
    let entry = file["mcpServers"][SERVER].take();
    Some((path, entry.is_object().then_some(entry)))
}

/// The administrator's file with an entry of this name that wins over all
/// that pyro writes.
pub fn wins(host: Host, around: &Surroundings) -> Option<PathBuf> {
    let lax = Format::Json(Dialect::Comments);
    let (files, format, keys): (&[_], _, &[&[&str]]) = match host {
        Host::ClaudeCode => return None,
        Host::Codex => (
            &["codex/managed_config.toml"],
            Format::Toml,
            &[&["mcp_servers", SERVER]],
        ),
        Host::OpenCode => (
            &["opencode/opencode.jsonc", "opencode/opencode.json"],
            lax,
            &[&["mcp", SERVER], &["mcp", "servers", SERVER]],
        ),
    };
    let has_one = |path: &PathBuf| {
        let text = std::fs::read(path).unwrap_or_default();
        keys.iter().any(|keys| {
            let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
            matches!(format.find(&text, &keys), Ok(Some(_)))
        })
    };
    let mut paths = files.iter().map(|file| around.system.join(file));
    paths.find(has_one)
}

/// A word about such a file.
pub fn beside(path: &Path) -> String {
    let path = path.display();
    format!("{path} has an entry {SERVER}, too, and wins over every file that pyro writes")
}

fn codex(around: &Surroundings, entry: &Value) -> Option<String> {
    let path = around.system.join("codex/requirements.toml");
    let text = std::fs::read(&path).unwrap_or_default();
    let shown = path.display();
    let servers = match Format::Toml.find(&text, &["mcp_servers".to_owned()]) {
        Ok(servers) => servers?,
        Err(fault) => return Some(format!("codex does not start: {shown}, {fault}")),
    };
    let Some(own) = servers.get(SERVER) else {
        return Some(format!("{shown} allows no server {SERVER}"));
    };
    let command = own["identity"]["command"].as_str()?;
    let is_other = command_words(entry)
        .first()
        .is_none_or(|own| own != command);
    is_other.then(|| format!("{shown} allows {SERVER} only with the command {command}"))
}

/// A document of an administrator's settings.
struct Document {
    path: PathBuf,
    said: Map<String, Value>,
}

/// The documents in the order in which they count.
///
/// # Errors
/// The first that Claude Code cannot read.
fn documents(around: &Surroundings) -> Result<Vec<Document>, PathBuf> {
    let folder = around.system.join("claude-code");
    let below = std::fs::read_dir(folder.join("managed-settings.d"));
    let mut below: Vec<_> = (below.into_iter().flatten().flatten())
        .map(|file| file.path())
        .filter(|path| {
            let hidden = path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
            !hidden && path.extension().is_some_and(|end| end == "json")
        })
        .collect();
    below.sort();
    let mut documents = Vec::new();
    for path in [folder.join("managed-settings.json")]
        .into_iter()
        .chain(below)
    {
        // One that this user may not read is not Claude Code's either.
        let text = std::fs::read(&path).unwrap_or_default();
        if text.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(&text) {
            Ok(said) => documents.push(Document { path, said }),
            Err(_) => return Err(path),
        }
    }
    Ok(documents)
}

fn claude_code(around: &Surroundings, entry: &Value, origin: Origin) -> Option<String> {
    let managed = match documents(around) {
        Ok(managed) => managed,
        Err(path) => {
            return Some(format!(
                "claude does not start: {} is no JSON object",
                path.display()
            ));
        }
    };
    if origin != Origin::Managed
        && let Some((path, _)) = exclusive(Host::ClaudeCode, around)
    {
        let path = path.display();
        return Some(format!("claude has the servers of {path} and no others"));
    }
    let own = all_settings(around);
    let server = Server::new(around, entry, origin);
    let managed_lists = |key: &'static str| {
        let lists = managed
            .iter()
            .map(move |one| (&one.path, one.said.get(key)));
        lists.filter_map(named)
    };
    let own_lists = |key: &'static str| {
        let lists = own.iter().map(move |one| (&one.path, one.said.get(key)));
        lists.filter_map(named)
    };
    let (denied, allowed) = ("deniedMcpServers", "allowedMcpServers");
    for (path, list) in managed_lists(denied).chain(own_lists(denied)) {
        if items(list).any(|item| server.is_named(item) || server.is_started_by(item)) {
            return Some(format!("deniedMcpServers of {} has it", path.display()));
        }
    }
    if origin == Origin::Managed {
        return None;
    }
    let last = |key| (managed.iter().rev()).find_map(|one| Some((one, one.said.get(key)?)));
    if origin == Origin::Own
        && let Some((one, locked)) = last("strictPluginOnlyCustomization")
        && locks_servers(locked)
    {
        let path = one.path.display();
        return Some(format!(
            "strictPluginOnlyCustomization of {path} allows servers of plugins only"
        ));
    }
    let only = last("allowManagedMcpServersOnly").is_some_and(|(_, only)| *only != false);
    // A list that is none counts as an empty one, in an administrator's file.
    let mut lists: Vec<_> = managed_lists(allowed).collect();
    if !only {
        lists.extend(own_lists(allowed).filter(|(_, list)| list.is_array()));
    }
    let (path, _) = lists.first()?;
    let all = || lists.iter().flat_map(|(_, list)| items(list));
    // One entry by command, and names do not count for a server with a command.
    let admitted = match all().any(|item| item["serverCommand"].is_array()) {
        true => all().any(|item| server.is_started_by(item)),
        false => all().any(|item| server.is_named(item)),
    };
    let path = path.display();
    (!admitted).then(|| format!("allowedMcpServers of {path} does not have it"))
}

fn named<'a>((path, list): (&'a PathBuf, Option<&'a Value>)) -> Option<(&'a PathBuf, &'a Value)> {
    Some((path, list.filter(|list| !list.is_null())?))
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn locks_servers(locked: &Value) -> bool {
    match locked {
        Value::Bool(locked) => *locked,
        Value::Array(_) => items(locked).any(|surface| surface == "mcp"),
        // What is invalid locks all.
        _ => true,
    }
}

/// A server as the lists know it.
struct Server<'a> {
    name: String,
    command: Vec<String>,
    around: &'a Surroundings,
}

impl<'a> Server<'a> {
    fn new(around: &'a Surroundings, entry: &Value, origin: Origin) -> Self {
        let name = match origin {
            Origin::Plugin(plugin) => {
                let plugin = plugin.split('@').next().unwrap_or(plugin);
                format!("plugin:{plugin}:{SERVER}")
            }
            Origin::Own | Origin::Managed => SERVER.to_owned(),
        };
        let words = command_words(entry).into_iter();
        let command = words.map(|word| expanded(&word, around)).collect();
        Self {
            name,
            command,
            around,
        }
    }

    fn is_named(&self, item: &Value) -> bool {
        item["serverName"] == *self.name
    }

    fn is_started_by(&self, item: &Value) -> bool {
        let Some(words) = item["serverCommand"].as_array() else {
            return false;
        };
        let words = words.iter().map(|word| word.as_str().unwrap_or_default());
        let words: Vec<_> = words.map(|word| expanded(word, self.around)).collect();
        words == self.command
    }
}

/// With `${NAME}` and `${NAME:-DEFAULT}` replaced; one that is not set stays.
fn expanded(word: &str, around: &Surroundings) -> String {
    let (mut out, mut rest) = (String::new(), word);
    while let Some((before, (inner, after))) = rest
        .split_once("${")
        .and_then(|(before, behind)| Some((before, behind.split_once('}')?)))
    {
        out += before;
        let (name, default) = inner
            .split_once(":-")
            .map_or((inner, None), |(name, default)| {
                (name, Some(default.to_owned()))
            });
        let value = (around.variable)(name).map(|value| value.to_string_lossy().into_owned());
        out += &value.or(default).unwrap_or_else(|| format!("${{{inner}}}"));
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;
