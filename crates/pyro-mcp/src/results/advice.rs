//! The next step after an error, in words of this server.
//!
//! The engine speaks to a person with a terminal. A model has tools instead of
//! commands, arguments instead of flags, and an operator who alone can restart
//! the server.
//!
//! ```text
//!   pyro workspace logs --sequence N     a command of the table, a flag of its parser
//!           workspace_logs sequence N    a tool, an input: where this server offers both
//!   pyro doctor, --backend               nothing here does that: for the user
//!   --allow-path                         of the server itself: for who starts it
//! ```
//!
//! Owns: this translation, derived from the operation table and the server's
//! own flags, and the few steps that are others for a model. Refuses: any
//! sentence of the engine; it knows the names of commands and flags alone, and
//! `advice_tests` looks at every sentence that has one.

use crate::boundary::NOT_ALLOWED;
use crate::config::Config;
use crate::tools;
use pyro::server_options::ServerOptions;
use pyro::{Error, Kind, Row, ops};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Every flag of the command line: the operations that have it, and the input
/// it is of each.
pub(super) static FLAGS: LazyLock<BTreeMap<String, Vec<(&'static Row, String)>>> =
    LazyLock::new(|| {
        let mut flags = BTreeMap::<_, Vec<_>>::new();
        for row in ops::TABLE {
            let command = (row.augment)(clap::Command::new(row.name));
            for argument in command.get_arguments() {
                if let Some(flag) = argument.get_long() {
                    let input = argument.get_id().to_string();
                    flags
                        .entry(format!("--{flag}"))
                        .or_default()
                        .push((row, input));
                }
            }
        }
        flags
    });

/// Flags of the server itself.
pub(super) static SERVER: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let command = <ServerOptions as clap::Args>::augment_args(clap::Command::new("serve"));
    let longs = command.get_arguments().filter_map(|flag| flag.get_long());
    longs.map(|flag| format!("--{flag}")).collect()
});

/// The next step.
pub fn next(config: &Config, tool: &str, error: &Error) -> String {
    match (of_model(tool, error.code), &error.hint) {
        (Some(step), _) => step.to_owned(),
        // Its words are this crate's own, and its flags the operator's.
        (None, Some(hint)) if error.code == NOT_ALLOWED => hint.clone(),
        (None, Some(hint)) => translated(config, hint),
        (None, None) => usual(tool, error),
    }
}

/// Where a model does something else than a person at a terminal: a code, the
/// tool if it is of one alone, the step.
pub(super) const STEPS: &[(&str, Option<&str>, &str)] = &[
    (
        "unknown_workspace",
        None,
        "see workspace_list for those there are, or make a new one with workspace_create",
    ),
    (
        "unknown_environment",
        None,
        "give one of those as environment, or leave it out",
    ),
    (
        "unknown_shell",
        None,
        "open another with shell_open; shells end when the workspace is stopped or reset",
    ),
    (
        "too_many_shells",
        None,
        "end those you need no more with shell_close",
    ),
    (
        "empty_command",
        Some("workspace_exec"),
        "give command, or the command_id of one that was begun before",
    ),
    (
        "empty_command",
        None,
        "give command, for example git --version",
    ),
    (
        "invalid_command",
        None,
        "leave NUL out of it; for long or binary input write a file first and use that",
    ),
];

fn of_model(tool: &str, code: &str) -> Option<&'static str> {
    let fits = |of: &Option<&str>| of.is_none_or(|of| of == tool);
    let step = STEPS.iter().find(|(of, only, _)| *of == code && fits(only));
    step.map(|(.., step)| *step)
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
pub fn translated(config: &Config, hint: &str) -> String {
    let mut text = hint.to_owned();
    let tools: BTreeSet<&str> = config.surface.tools().collect();
    let mut rows: Vec<_> = ops::TABLE
        .iter()
        .filter(|row| !row.cli.is_empty())
        .collect();
    // `workspace file list` before `workspace`.
    rows.sort_by_key(|row| std::cmp::Reverse(row.cli.join(" ").len()));
    for row in rows.iter().filter(|row| tools.contains(row.name)) {
        for command in commands(row) {
            text = replace_words(&text, &command, row.name);
        }
    }
    let (operator, person) = flags_as_inputs(config, &mut text, &tools);
    if operator {
        text.push_str("; that is a flag of `pyro mcp serve`, with which the user has to start this server again");
    } else if person || text.contains("pyro ") || text.contains("PYRO_") {
        text.push_str("; that is for the user, in a terminal");
    }
    text
}

/// How a hint writes the command of an operation: without the program's name
/// only what is no plain words.
pub(super) fn commands(row: &Row) -> impl Iterator<Item = String> {
    let words = row.cli.join(" ");
    let bare = (row.cli.len() > 1).then(|| words.clone());
    let named = (!words.is_empty()).then(|| format!("pyro {words}"));
    named.into_iter().chain(bare)
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

/// Turns flags into inputs of the tools; whether one is the server's own, and
/// whether one is of no tool here.
fn flags_as_inputs(config: &Config, text: &mut String, tools: &BTreeSet<&str>) -> (bool, bool) {
    let (mut operator, mut person) = (false, false);
    for flag in flags(text) {
        let uses = FLAGS.get(&flag);
        let offered = uses
            .into_iter()
            .flatten()
            .find(|(row, input)| tools.contains(row.name) && tools::offers(config, row, input));
        match offered {
            Some((_, input)) => *text = replace_words(text, &flag, input),
            None if SERVER.contains(&flag) => operator = true,
            None => person |= uses.is_some(),
        }
    }
    (operator, person)
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
    use crate::config::tests::{config, each_surface};

    fn told(hint: &str) -> String {
        let error = Error::invalid("x", "y").hint(hint);
        next(&config(""), "workspace_exec", &error)
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
        assert!(next(&config(""), "workspace_exec", &start).contains("for the user"));
        let full = config("--profile workspace-full");
        assert_eq!(next(&full, "workspace_exec", &start), "workspace_start abc");
    }

    #[test]
    fn an_argument_that_no_tool_offers_is_not_named_as_one() {
        let backend = "use --backend qemu, or --backend auto to let pyro choose";
        assert!(told(backend).ends_with("that is for the user, in a terminal"));
        let secret = "give --secret NAME=VALUE";
        for secret in [secret, "give --secret-file NAME=PATH"] {
            assert!(told(secret).contains("for the user"), "{}", told(secret));
        }
        let error = Error::invalid("x", "y").hint(secret);
        let full = config("--profile workspace-full");
        let told = next(&full, "workspace_create", &error);
        assert_eq!(told, "give secrets NAME=VALUE");
    }

    #[test]
    fn a_step_of_a_model_names_only_what_its_surface_has() {
        for (name, config) in each_surface("") {
            let tools: BTreeSet<&str> = config.surface.tools().collect();
            for (code, tool, step) in STEPS {
                // A tool that meets it.
                let tool = tool.unwrap_or(match *code {
                    "unknown_workspace" => "workspace_exec",
                    "unknown_shell" | "too_many_shells" => "shell_open",
                    _ => "vm_run",
                });
                let named = ops::TABLE.iter().filter(|row| step.contains(row.name));
                for row in named.filter(|_| tools.contains(tool)) {
                    assert!(tools.contains(row.name), "{name}: {step}");
                }
            }
        }
    }

    #[test]
    fn an_unknown_workspace_leads_to_a_new_one() {
        let error = Error::invalid("unknown_workspace", "x").hint("run pyro workspace list");
        let told = next(&config("--mode inspect"), "workspace_diff", &error);
        assert!(told.contains("workspace_create") && told.contains("workspace_list"));
    }

    #[test]
    fn every_error_has_a_next_step() {
        let told = |error| next(&config(""), "workspace_exec", &error);
        assert!(told(Error::invalid("x", "y")).contains("input schema"));
        assert!(told(Error::runtime("x", "y")).contains("try again"));
        assert!(told(Error::runtime("cancelled", "y")).contains("again"));
    }
}
