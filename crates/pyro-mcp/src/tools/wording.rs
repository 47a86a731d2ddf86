//! What a model reads about a tool.
//!
//! The doc comment of a request says what an operation does, on every door;
//! its first paragraph is the beginning of the description. What follows is
//! for this door alone: how calls go on that took too long here, what the
//! operator set, what a mode wants done.
//!
//! Owns: those words. Refuses: a word about flags, which a model cannot give.

use super::{narrow, shape};
use crate::calls::WAIT_SECONDS;
use crate::config::Config;
use crate::results::{ENTRIES, MOST_BYTES, PAGE_BYTES};
use pyro::Row;
use pyro::network::NetworkPolicy;
use pyro::project::ProjectSource;
use pyro::surface::{Mode, Surface};
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// A doc comment's text without line breaks, and with flags as the inputs
/// that they are here.
pub fn for_model(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text
        .replace("; may be repeated", "")
        .replace("; may be given several times", "");
    text.split(' ')
        .map(|word| match word.strip_prefix("--") {
            Some(flag) => flag.replace('-', "_"),
            None => word.to_owned(),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The description of a tool.
pub fn description(config: &Config, row: &Row) -> String {
    let doc = row.description();
    let first = doc.split("\n\n").next().unwrap_or_default();
    let mut sentences = vec![for_model(first)];
    match row.name {
        "workspace_create" => sentences.push(beginning(config)),
        name => sentences.extend(note(name).map(String::from)),
    }
    sentences.extend(of_mode(config, row.name).map(String::from));
    sentences.join(" ")
}

/// What a new workspace is made of and begins with.
fn beginning(config: &Config) -> String {
    let source = project(config).map_or_else(
        || "Without seed_path /workspace begins empty.".to_owned(),
        |source| format!("Without seed_path /workspace begins with {source}."),
    );
    format!(
        "{source} Its system is {} unless environment says otherwise. Keep the workspace_id. \
         Idle, it is powered off with its disk kept, and the next command starts it.",
        config.environment
    )
}

/// The project of the server, in words; none without one.
pub fn project(config: &Config) -> Option<String> {
    Some(match config.project.as_ref()? {
        ProjectSource::Path { root, tracked } => {
            let files = if *tracked {
                " (Git-tracked files only)"
            } else {
                ""
            };
            format!("the local project {}{files}", root.display())
        }
        ProjectSource::Url { url, reference } => {
            let at = reference.as_ref().map(|name| format!(" at {name}"));
            format!("a clean clone of {url}{}", at.unwrap_or_default())
        }
    })
}

/// What only this door has to say about a tool.
fn note(tool: &str) -> Option<&'static str> {
    Some(match tool {
        "vm_run" => "Nothing of it stays, and nothing of it reaches the host.",
        "vm_create" => "Then vm_start, vm_exec; vm_exec deletes it.",
        "workspace_delete" => "Export first what has to stay.",
        "workspace_diff" => {
            "A patch that git apply takes; stat and name_only are shorter. .git is left out."
        }
        "workspace_exec" => {
            "By /bin/sh -lc in /workspace; a failing command is a result with its exit_code. When it \
             still runs at the end of the wait, the answer has a command_id: call again with that to \
             wait on, or to cancel."
        }
        "workspace_export" => "For results that the user keeps. It never overwrites.",
        "workspace_file_list" => "search gives matching lines with their numbers.",
        "workspace_file_read" => "Text; page with first_line and last_line, or offset.",
        "workspace_file_write" => "With replace only that fragment changes.",
        "workspace_patch_apply" => {
            "A unified diff as git diff prints it; for edits in several places."
        }
        "workspace_reset" => {
            "Loses its files, packages and command log; keeps its id and snapshots."
        }
        "workspace_logs" => {
            "Of long output a page: sequence, stream, offset; go on at next_offset."
        }
        "workspace_sync_push" => "Adds and overwrites.",
        "shell_open" => {
            "For programs that ask questions; for single commands use workspace_exec. It goes on \
             until it is closed or its workspace stops."
        }
        "shell_read" => {
            "Give next_cursor of one read as cursor of the next. After a shell_write set \
             wait_for_idle_ms or wait_for; plain is best to read."
        }
        "shell_signal" => "INT is Ctrl-C.",
        "service_start" => {
            "Give at most one ready_ condition. The state is running once it is ready, else failed \
             with stop_reason; see service_logs then. A name that ended can be started again."
        }
        "snapshot_create" => "workspace_reset goes back to it. Processes are not part of it.",
        "workspace_disk_list" | "workspace_disk_read" => "Nothing of it runs.",
        _ => return None,
    })
}

/// What a mode wants done with a tool.
fn of_mode(config: &Config, tool: &str) -> Option<&'static str> {
    let Surface::Mode(mode) = config.surface else {
        return None;
    };
    Some(match (mode, tool) {
        (Mode::ReproFix, "workspace_exec") => {
            "First make the failure show itself; run the same command again after each fix."
        }
        (Mode::ReproFix, "workspace_diff") => "Look at it before you export the fix.",
        (Mode::ReproFix, "workspace_export") => "Take the fix out with patch.",
        (Mode::ReproFix, "workspace_reset") => "Then apply the fix alone to prove it.",
        (Mode::Inspect, "workspace_exec") => {
            "The guest has no network. Prefer to read; run only what you must."
        }
        (Mode::Inspect, "workspace_file_list") => "Begin here.",
        (Mode::Inspect, "workspace_export") => "For your report.",
        (Mode::ColdStart, "workspace_exec") => {
            "For installing and building; what has to stay up is a service."
        }
        (Mode::ColdStart, "service_start") => {
            "Its readiness is the proof: always give a condition."
        }
        (Mode::ColdStart, "workspace_reset") => "Then repeat the steps to prove that they suffice.",
        (Mode::ReviewEval, "snapshot_create") => "Take one before each experiment.",
        (Mode::ReviewEval, "workspace_reset") => "Name a snapshot to go back to it.",
        (Mode::ReviewEval, "workspace_export") => "For the report.",
        _ => return None,
    })
}

/// Puts the words and defaults of this server into the inputs below `path`.
pub fn describe(config: &Config, tool: &str, path: &str, properties: &mut Object) {
    for (name, property) in properties.iter_mut() {
        let path = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        let Value::Object(property) = property else {
            continue;
        };
        if let Some(Value::Object(below)) = property
            .get_mut("items")
            .and_then(|items| items.get_mut("properties"))
        {
            describe(config, tool, &path, below);
        }
        set_values(config, tool, &path, property);
        if let Some(text) = input(config, tool, &path) {
            let text = shape::with_limits(&text, property);
            property.insert("description".into(), text.into());
        }
    }
}

/// What this server does with a size or time: its own default, and a larger
/// one is lowered and said, not refused.
fn served(tool: &str, path: &str) -> Option<(u64, u64)> {
    match (tool, path) {
        ("workspace_exec", "wait_seconds") => Some((WAIT_SECONDS, WAIT_SECONDS)),
        ("workspace_file_read" | "workspace_disk_read", "max_bytes")
        | ("shell_read", "max_chars")
        | ("workspace_logs" | "service_logs", "limit") => Some((PAGE_BYTES, MOST_BYTES)),
        _ => None,
    }
}

fn set_values(config: &Config, tool: &str, path: &str, property: &mut Object) {
    if let Some((default, _)) = served(tool, path) {
        property.remove("maximum");
        // One that is sent makes a page of a log, so no host may fill it in.
        if path != "limit" {
            property.insert("default".into(), default.into());
        }
    }
    match path {
        "limit" if tool == "workspace_file_list" => {
            property.insert("default".into(), ENTRIES.into());
        }
        "environment" => {
            property.insert("default".into(), config.environment.clone().into());
        }
        "network_policy" => {
            let most = narrow::network(config);
            let names = NetworkPolicy::ALL
                .into_iter()
                .filter(|policy| *policy <= most);
            let names: Vec<_> = names.map(NetworkPolicy::as_str).collect();
            property.insert("enum".into(), json!(names));
            property.insert("default".into(), most.as_str().into());
        }
        _ => {}
    }
}

/// What an input means here, where the doc comment speaks of another door or
/// the operator has a say.
fn input(config: &Config, tool: &str, path: &str) -> Option<String> {
    if let Some((default, most)) = served(tool, path) {
        return Some(match path {
            "wait_seconds" => format!("Answer after 0 to {most} seconds, also while it runs"),
            "max_chars" => format!("Most characters, 1 to {most}"),
            "limit" => format!("Most bytes of a page, 1 to {most}; {default} unless given"),
            _ => format!("Most bytes, 1 to {most}"),
        });
    }
    let text = match (tool, path) {
        // Every tool has one of these: a word more is one in each.
        (_, "workspace_id") => "Id or unique name",
        (_, "vm_id") => "Id that vm_create gave",
        ("workspace_exec", "command") => "What to run; this or command_id",
        (_, "environment") => "Catalog name of the system, as debian:12-build",
        (_, "network" | "network_policy") => return Some(network(config)),
        (_, "seed_path") => {
            "Begin with this folder or archive (.tar, .tar.gz, .tgz, .tar.zst) of the host instead, \
             in the project or where the operator allowed; empty text: with nothing"
        }
        (_, "source_path") => {
            "Folder or archive (.tar, .tar.gz, .tgz, .tar.zst) of the host, in the project or where \
             the operator allowed"
        }
        (_, "output_path") => {
            "New path: a relative one is in the workspace's export folder on the host, which the \
             answer names"
        }
        ("shell_write", "append_newline") => "Type a newline after it",
        ("workspace_file_list", "limit") => "Most entries or matches, 1 to 200000",
        (_, "secrets.file_path") => "A file of the host that holds it, where the operator allowed",
        (_, "secrets") => {
            "Each a name, and value or file_path; a file /run/pyro-secrets/NAME in the guest, in \
             variables by secret_env; results have [REDACTED] for its value"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn network(config: &Config) -> String {
    let reach = network_in_words(config).unwrap_or_default();
    format!("Network of the guest, to {reach}")
}

/// What guests may reach; none without a network.
pub fn network_in_words(config: &Config) -> Option<String> {
    if narrow::network(config) == NetworkPolicy::Off {
        return None;
    }
    let options = &config.options;
    let allowed = options.allow_domains.iter().chain(&options.allow_cidrs);
    let allowed: Vec<_> = allowed.map(String::as_str).collect();
    Some(match allowed.is_empty() {
        true => "public addresses".to_owned(),
        false => format!("only {}", allowed.join(", ")),
    })
}
