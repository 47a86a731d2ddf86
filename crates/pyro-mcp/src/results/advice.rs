//! The next step after an error, in words of this server.
//!
//! The engine speaks to a person with a terminal. A model has tools instead of
//! commands, arguments instead of flags, and an operator who alone can restart
//! the server.
//!
//! Owns: this translation, derived from the operation table and the server's
//! own flags. Refuses: other texts than hints.

use pyro::server_options::ServerOptions;
use pyro::surface::Surface;
use pyro::{Error, Kind, ops};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Flags that are called otherwise than the argument they become.
const RENAMED: &[(&str, &str)] = &[
    ("--label", "labels"),
    ("--clear-label", "clear_labels"),
    ("--secret-file", "secrets"),
    ("--secret", "secrets"),
    ("--allow-domain", "allow_domains"),
    ("--allow-cidr", "allow_cidrs"),
    ("--cwd", "cwd"),
];

/// The next step.
pub fn next(surface: Surface, tool: &str, error: &Error) -> String {
    if error.code == "unknown_workspace" {
        return "see workspace_list for those there are, or make a new one with workspace_create"
            .to_owned();
    }
    match &error.hint {
        Some(hint) => translated(surface, hint),
        None => usual(tool, error),
    }
}

fn usual(tool: &str, error: &Error) -> String {
    match (error.code, error.kind) {
        ("cancelled", _) => format!("call {tool} again if it is still wanted"),
        (_, Kind::Invalid) => format!("see the input schema of {tool}, and send other arguments"),
        (_, Kind::Runtime) => {
            "try again; if it fails again, the user can run `pyro doctor` in a terminal".to_owned()
        }
    }
}

/// A hint for a terminal as one for a model.
fn translated(surface: Surface, hint: &str) -> String {
    let mut text = hint.to_owned();
    let tools: BTreeSet<&str> = surface.tools().collect();
    let mut rows: Vec<_> = ops::TABLE
        .iter()
        .filter(|row| !row.cli.is_empty())
        .collect();
    // `workspace file list` before `workspace`.
    rows.sort_by_key(|row| std::cmp::Reverse(row.cli.join(" ").len()));
    for row in rows.iter().filter(|row| tools.contains(row.name)) {
        for start in ["pyro ", ""] {
            // Without the program's name only what is no plain words.
            if start.is_empty() && row.cli.len() < 2 {
                continue;
            }
            text = replace_words(&text, &format!("{start}{}", row.cli.join(" ")), row.name);
        }
    }
    let operator = operator_flags(&mut text, &tools);
    if operator {
        text.push_str("; that is a flag of `pyro mcp serve`, with which the user has to start this server again");
    } else if text.contains("pyro ") || text.contains("PYRO_") {
        text.push_str("; that is for the user, in a terminal");
    }
    text
}

/// Replaces whole words.
fn replace_words(text: &str, from: &str, to: &str) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let whole = !before.ends_with(part) && !after.starts_with(part);
        replaced.push_str(before);
        replaced.push_str(if whole { to } else { from });
        rest = after;
    }
    replaced + rest
}

/// Turns flags into arguments; true when one is the server's own.
fn operator_flags(text: &mut String, tools: &BTreeSet<&str>) -> bool {
    static SERVER: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let command = <ServerOptions as clap::Args>::augment_args(clap::Command::new("serve"));
        let longs = command.get_arguments().filter_map(|flag| flag.get_long());
        longs.map(|flag| format!("--{flag}")).collect()
    });
    let arguments: BTreeSet<String> = ops::TABLE
        .iter()
        .filter(|row| tools.contains(row.name))
        .filter_map(|row| match (row.request_schema)().get("properties") {
            Some(Value::Object(properties)) => Some(properties.keys().cloned().collect::<Vec<_>>()),
            _ => None,
        })
        .flatten()
        .collect();
    let mut operator = false;
    for flag in flags(text) {
        let name = RENAMED
            .iter()
            .find(|(from, _)| *from == flag)
            .map_or_else(|| flag[2..].replace('-', "_"), |(_, to)| (*to).to_owned());
        // What both have is the operator's: a model cannot raise it.
        if SERVER.contains(&flag) {
            operator = true;
        } else if arguments.contains(&name) {
            *text = replace_words(text, &flag, &name);
        }
    }
    operator
}

/// The long ones first, so that `--secret` leaves `--secret-file` alone.
fn flags(text: &str) -> Vec<String> {
    let mut found: Vec<String> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.len() > 2 && word.starts_with("--"))
        .map(|word| word.trim_end_matches('-').to_owned())
        .collect();
    found.sort_by_key(|flag| std::cmp::Reverse(flag.len()));
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyro::surface::{Mode, Profile};

    const CORE: Surface = Surface::Profile(Profile::WorkspaceCore);

    fn told(hint: &str) -> String {
        next(CORE, "workspace_exec", &Error::invalid("x", "y").hint(hint))
    }

    #[test]
    fn commands_become_tools_and_flags_arguments() {
        for (hint, expected) in [
            (
                "give --sequence N; pyro workspace logs without it shows the numbers",
                "give sequence N; workspace_logs without it shows the numbers",
            ),
            (
                "list the files that are there: pyro workspace file list",
                "list the files that are there: workspace_file_list",
            ),
            (
                "give --offset, or --first-line and --last-line",
                "give offset, or first_line and last_line",
            ),
            (
                "give --name, --clear-name, --label KEY=VALUE or --clear-label KEY",
                "give name, clear_name, labels KEY=VALUE or clear_labels KEY",
            ),
            (
                "stop a workspace (pyro workspace list), or give --mem-mib less",
                "stop a workspace (workspace_list), or give mem_mib less",
            ),
            ("try again", "try again"),
        ] {
            assert_eq!(told(hint), expected);
        }
    }

    #[test]
    fn what_only_the_user_can_do_says_so() {
        assert_eq!(
            told("run pyro doctor"),
            "run pyro doctor; that is for the user, in a terminal"
        );
        let told = told("start the server with --allow-path /data");
        assert!(
            told.contains("--allow-path /data; that is a flag of `pyro mcp serve`"),
            "{told}"
        );
        // No tool of this surface starts a workspace.
        let start = Error::runtime("wrong_state", "stopped").hint("pyro workspace start abc");
        assert!(next(CORE, "workspace_exec", &start).contains("for the user"));
        let full = Surface::Profile(Profile::WorkspaceFull);
        assert_eq!(next(full, "workspace_exec", &start), "workspace_start abc");
    }

    #[test]
    fn an_unknown_workspace_leads_to_a_new_one() {
        let error = Error::invalid("unknown_workspace", "x").hint("run pyro workspace list");
        let told = next(Surface::Mode(Mode::Inspect), "workspace_diff", &error);
        assert!(told.contains("workspace_create") && told.contains("workspace_list"));
    }

    #[test]
    fn every_error_has_a_next_step() {
        let told = |error| next(CORE, "workspace_exec", &error);
        assert!(told(Error::invalid("x", "y")).contains("input schema"));
        assert!(told(Error::runtime("x", "y")).contains("try again"));
        assert!(told(Error::runtime("cancelled", "y")).contains("again"));
    }
}
