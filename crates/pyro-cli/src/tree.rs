//! The command tree, made of the operation table.
//!
//! Owns: groups, `--json`, examples, the text around the commands. Refuses:
//! arguments of operations; they come from the request types.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, ValueHint};
use clap_complete::Shell;
use pyro::{Row, ops::TABLE};
use std::path::PathBuf;

/// Id of the flag that every command has.
pub const JSON: &str = "json";
/// Id of the flag of commands of which one field may be all that is printed.
pub const ONLY: &str = "only";
/// Ids of flags that leave a field empty which may be all that is printed.
const SHORT_FORMS: [&str; 2] = ["stat", "name_only"];
/// Name of the command by which a workspace's supervisor starts.
const SUPERVISE: &str = "supervise";
/// Name of the command by which a guest's gateway starts.
const GATEWAY: &str = "gateway";
/// Group and name of the command that is a server, not an operation.
const MCP: &str = "mcp";
const SERVE: &str = "serve";
const TOOLS: &str = "tools";

const GROUPS: &[(&str, &str)] = &[
    ("disk", "Look at the disk of a stopped workspace"),
    ("file", "Look at and change single files"),
    ("network", "What a workspace's guest asked of the network"),
    ("patch", "Change several files at once"),
    ("service", "Commands that run until they are stopped"),
    ("shell", "Interactive programs that outlive their caller"),
    ("port", "Ports of this host that lead into a workspace"),
    ("snapshot", "Copies of the whole disk to go back to"),
    ("sync", "Bring content of this host in"),
    (
        "env",
        "Manage environments, the systems that VMs are made of",
    ),
    (
        MCP,
        "The same computer for models, over the Model Context Protocol",
    ),
    ("host", "Make chat hosts know the server for models"),
    (
        "workspace",
        "Machines with a disk that stay until they are deleted",
    ),
    (
        "setup",
        "Install what pyro starts and does not carry itself",
    ),
];

const AFTER_HELP: &str = "\
The path to a chat:
  pyro doctor                             what this machine can do, and what to mend
  pyro prepare debian:12                  install an environment and prove that VMs of it run
  pyro run debian:12 -- git --version     one command in a VM of its own
  pyro mcp serve --mode repro-fix         the same computer for a model
  pyro host connect claude-code --mode repro-fix    let a chat host start that server
Then say what you want: docs/use-cases/ has five recipes. The same by hand:
  pyro workspace create debian:12 --name demo       a machine that stays
  pyro workspace exec demo -- git --version         a command in it

Exit codes: 0 success; `run`, `workspace exec` and `demo` exit with the guest's code (128 + n after
signal n, 124 at the deadline; 0 while it runs on); `service start` with 1 when the service
failed; 125 pyro's own error, with its remedy; 2 usage;
130, 143, 129 after Ctrl-C, TERM, HUP.

Variables: PYRO_BACKEND, PYRO_ENVIRONMENT_CACHE_DIR, PYRO_STATE_DIR, PYRO_QEMU_BIN,
PYRO_FIRECRACKER_BIN, PYRO_LOG (for example debug).";

/// What the words asked for.
pub enum Chosen<'a> {
    /// An operation.
    Row(&'static Row, &'a ArgMatches),
    /// A completion script.
    Completions(&'a ArgMatches),
    /// The man pages.
    Man(&'a ArgMatches),
    /// The server for models.
    McpServe(&'a ArgMatches),
    /// What the server's tools cost.
    McpTools(&'a ArgMatches),
    /// A workspace's supervisor, by the workspace's id.
    Supervise(&'a str),
    /// A guest's gateway, by the number of its socket.
    Gateway(i32),
}

pub fn tree() -> Command {
    let mut root = Command::new("pyro")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A disposable microVM computer for coding agents")
        .after_help(AFTER_HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true);
    for row in rows() {
        if let Some((name, groups)) = row.cli.split_last() {
            root = plant(root, groups, leaf(row, name));
        }
    }
    root = plant(root, &[MCP], serve());
    root = plant(root, &[MCP], tools());
    root.subcommand(completions())
        .subcommand(man())
        .subcommand(supervise())
        .subcommand(gateway())
}

/// Puts a command below its groups, which are made when they are missing.
fn plant(parent: Command, groups: &[&'static str], command: Command) -> Command {
    let Some((first, rest)) = groups.split_first() else {
        return parent.subcommand(command);
    };
    let parent = match parent.find_subcommand(first) {
        Some(_) => parent,
        None => parent.subcommand(group(first)),
    };
    parent.mut_subcommand(*first, |below| plant(below, rest, command))
}

fn rows() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(|row| !row.cli.is_empty())
}

fn group(name: &'static str) -> Command {
    let about = GROUPS.iter().find(|(known, _)| *known == name);
    Command::new(name)
        .about(about.map_or("", |(_, about)| about))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
}

fn leaf(row: &Row, name: &'static str) -> Command {
    let json = Arg::new(JSON)
        .long("json")
        .action(ArgAction::SetTrue)
        .help("Print one JSON object, also for errors, and nothing else");
    let examples: String = row
        .examples
        .iter()
        .map(|example| format!("\n  {example}"))
        .collect();
    let command = (row.augment)(Command::new(name)).arg(json);
    let short = SHORT_FORMS.into_iter();
    let short: Vec<_> = short
        .filter(|id| {
            command
                .get_arguments()
                .any(|argument| argument.get_id() == id)
        })
        .collect();
    let command = match row.only {
        None => command,
        Some((flag, field)) => command.arg(
            Arg::new(ONLY)
                .long(flag)
                .action(ArgAction::SetTrue)
                .conflicts_with(JSON)
                .conflicts_with_all(short)
                .help(format!(
                    "Print the {} and nothing else",
                    field.replace('_', " ")
                )),
        ),
    };
    command.after_help(format!("Examples:{examples}"))
}

fn completions() -> Command {
    Command::new("completions")
        .about("Print a completion script")
        .hide(true)
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(clap::value_parser!(Shell)),
        )
        .after_help(
            "Examples:\n  pyro completions bash > ~/.local/share/bash-completion/completions/pyro",
        )
}

fn man() -> Command {
    Command::new("man")
        .about("Write a man page for each command")
        .hide(true)
        .arg(
            Arg::new("out")
                .long("out")
                .value_name("DIR")
                .required(true)
                .value_hint(ValueHint::DirPath)
                .value_parser(clap::value_parser!(PathBuf)),
        )
        .after_help("Examples:\n  pyro man --out ~/.local/share/man/man1")
}

fn serve() -> Command {
    pyro_mcp::ServeArgs::augment_args(Command::new(SERVE)).after_help(
        "Examples:
  pyro mcp serve
  pyro mcp serve --mode repro-fix --project-path ~/src/app
  pyro mcp serve --repo-url https://example.org/app.git --repo-ref main
  pyro mcp serve --network-policy egress --allow-domain registries",
    )
}

fn tools() -> Command {
    pyro_mcp::ToolsArgs::augment_args(Command::new(TOOLS)).after_help(
        "Examples:
  pyro mcp tools
  pyro mcp tools --mode repro-fix --json
  pyro mcp tools --all",
    )
}

fn supervise() -> Command {
    Command::new(SUPERVISE)
        .about("Run a workspace in the background; pyro calls this")
        .hide(true)
        .arg(Arg::new("id").value_name("ID").required(true))
}

fn gateway() -> Command {
    Command::new(GATEWAY)
        .about("Keep a guest's network; pyro calls this")
        .hide(true)
        .arg(
            Arg::new("socket")
                .value_name("NUMBER")
                .required(true)
                .value_parser(clap::value_parser!(i32)),
        )
}

pub fn chosen(matches: &ArgMatches) -> Chosen<'_> {
    let mut words = Vec::new();
    let mut deepest = matches;
    while let Some((word, below)) = deepest.subcommand() {
        words.push(word);
        deepest = below;
    }
    match words.as_slice() {
        [MCP, SERVE] => Chosen::McpServe(deepest),
        [MCP, TOOLS] => Chosen::McpTools(deepest),
        ["completions"] => Chosen::Completions(deepest),
        ["man"] => Chosen::Man(deepest),
        [SUPERVISE] => {
            Chosen::Supervise(deepest.get_one::<String>("id").map_or("", String::as_str))
        }
        [GATEWAY] => Chosen::Gateway(deepest.get_one("socket").copied().unwrap_or(-1)),
        words => match rows().find(|row| row.cli == words) {
            Some(row) => Chosen::Row(row, deepest),
            // The parser only accepts what tree() made.
            None => unreachable!("no operation for {words:?}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Chosen, chosen, rows, tree};
    use std::path::{Path, PathBuf};

    #[test]
    fn the_tree_is_well_formed() {
        tree().debug_assert();
    }

    #[test]
    fn every_example_parses_to_its_own_operation() {
        for row in rows() {
            for example in row.examples {
                // The shell's part of an example is not pyro's to parse.
                let own = example.rsplit("| ").next().unwrap();
                let own = own.split(['<', '>']).next().unwrap();
                let words = shell_words::split(own).unwrap();
                let matches = tree().try_get_matches_from(&words).unwrap_or_else(|error| {
                    panic!("{example}: {error}");
                });
                match chosen(&matches) {
                    Chosen::Row(found, _) => assert_eq!(found.name, row.name, "{example}"),
                    _ => panic!("{example} is no operation"),
                }
            }
        }
    }

    /// README.md and every page of docs/.
    fn pages() -> Vec<(PathBuf, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut places = vec![root.join("README.md"), root.join("docs")];
        let mut pages = Vec::new();
        while let Some(place) = places.pop() {
            if place.is_dir() {
                let inside = std::fs::read_dir(&place).unwrap();
                places.extend(inside.map(|entry| entry.unwrap().path()));
            } else if place.extension().is_some_and(|kind| kind == "md") {
                let text = std::fs::read_to_string(&place).unwrap();
                pages.push((place, text));
            }
        }
        pages
    }

    #[test]
    fn every_command_of_the_pages_parses() {
        let pages = pages();
        assert!(pages.len() > 5);
        for (page, text) in pages {
            // A page about commands has some; one that explains needs none.
            let commands = text.lines().filter(|line| line.starts_with("pyro "));
            for command in commands {
                let words = shell_words::split(command).unwrap();
                let parsed = tree().try_get_matches_from(&words);
                let page = page.display();
                assert!(parsed.is_ok(), "{page}: {command}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn links_of_the_pages_lead_somewhere() {
        for (page, text) in pages() {
            for piece in text.split("](").skip(1) {
                let link = piece.split([')', '#']).next().unwrap();
                let place = page.parent().unwrap().join(link);
                let outside = link.is_empty() || link.contains("://");
                assert!(outside || place.exists(), "{}: {link}", page.display());
            }
        }
    }
}
