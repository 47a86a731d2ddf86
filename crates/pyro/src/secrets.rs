//! Secrets: `--secret` and `--secret-file` on a command line, a list in JSON.
//!
//! ```text
//!   --secret NAME=VALUE        {"name": …, "value": …}
//!   --secret NAME              {"name": …, "env_var": NAME}     a variable of pyro itself
//!   --secret-file NAME=PATH    {"name": …, "file_path": PATH}
//!   --secret-file NAME=-       {"name": …, "file_path": "-"}    standard input
//!   --secret-hosts NAME=HOST,… "hosts": [HOST, …]               of one of them
//!   --secret NAME[=VALUE]@HOST,…                                both at once
//! ```
//!
//! What follows the last `@` is hosts only if each has a dot and looks like
//! the name of a host, and nothing before it looks like a URL; a value that
//! ends like that comes by another way.
//!
//! Owns: how words become the list, and which of the three a secret has; a
//! word on a command line is seen by others in the list of processes, the
//! other three are not. Refuses: the rules about names and values, which are
//! the engine's; printing a value.

use crate::workspaces::secrets::{MAX_SECRET_BYTES, NewSecret, Source};
use crate::{Context, Error, Result};
use clap::{Arg, ArgAction, ArgMatches, Command};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::Read;

const GIVEN: &str = "secrets";
// Both fill fields of that list's items.
const FILES: &str = "secrets.file_path";
const HOSTS: &str = "secrets.hosts";
/// Names standard input where a file is asked for.
const STDIN: &str = "-";

/// Secrets of a new workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secrets(pub Vec<SecretInput>);

/// One secret: a name, and exactly one of `value`, `file_path` and `env_var`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretInput {
    /// Up to 64 letters, digits and underscores, no digit first
    pub name: String,
    /// Its value, 1 byte to 64 KiB
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// A regular file of this host that holds it; `-` is standard input
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    /// A variable of pyro's own environment that holds it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_var: Option<String>,
    /// Hosts whose requests get it; the guest then has a placeholder only
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
}

impl std::fmt::Debug for SecretInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretInput({})", self.name)
    }
}

impl Secrets {
    /// For the engine; standard input is read here.
    ///
    /// # Errors
    /// `invalid_secret`; `source_io` for standard input.
    pub fn sources(self, context: &Context) -> Result<Vec<NewSecret>> {
        let stdins = self.0.iter().filter(|one| one.is_stdin()).count();
        if stdins > 1 {
            return Err(Error::invalid(
                "invalid_secret",
                "standard input can hold one secret, and more are asked of it",
            )
            .hint("give the others by --secret-file NAME=PATH or --secret NAME"));
        }
        self.0
            .into_iter()
            .map(|input| {
                let (name, hosts) = (input.name.clone(), input.hosts.clone());
                let source = input.source(context)?;
                Ok(NewSecret {
                    name,
                    source,
                    hosts,
                })
            })
            .collect()
    }
}

impl SecretInput {
    fn is_stdin(&self) -> bool {
        self.file_path.as_deref() == Some(STDIN)
    }

    fn source(self, context: &Context) -> Result<Source> {
        match (self.value, self.file_path, self.env_var) {
            (Some(value), None, None) => Ok(Source::Value(value.into_bytes())),
            (None, Some(path), None) if path == STDIN => stdin(context).map(Source::Value),
            (None, Some(path), None) => Ok(Source::File(path)),
            (None, None, Some(variable)) => Ok(Source::Variable(variable)),
            _ => Err(Error::invalid(
                "invalid_secret",
                format!(
                    "secret {} needs exactly one of value, file_path and env_var",
                    self.name
                ),
            )
            // Words always give one, so whoever reads this sent JSON.
            .hint("give the value itself, or say where it is by one of the others")),
        }
    }
}

fn stdin(context: &Context) -> Result<Vec<u8>> {
    let mut value = Vec::new();
    let read = match context.clone_stdin()? {
        // One more says that there are too many.
        Some(file) => file
            .take(MAX_SECRET_BYTES as u64 + 1)
            .read_to_end(&mut value),
        None => Ok(0),
    };
    read.map_err(|error| {
        Error::runtime(
            "source_io",
            format!("cannot read the secret from standard input: {error}"),
        )
        .hint("pipe its value in")
    })?;
    Ok(value)
}

fn given(word: &str) -> Result<SecretInput, String> {
    let (word, hosts) = with_hosts(word);
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (word, None),
    };
    if name.is_empty() {
        return Err("needs NAME=VALUE, or NAME alone for the variable of that name".to_owned());
    }
    Ok(SecretInput {
        name: name.to_owned(),
        env_var: value.is_none().then(|| name.to_owned()),
        value,
        file_path: None,
        hosts,
    })
}

/// The hosts behind the last `@`, if all of it can only be hosts.
fn with_hosts(word: &str) -> (&str, Vec<String>) {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_host = |host: &str| host.contains('.') && host.split('.').all(is_label);
    match word.rsplit_once('@') {
        Some((front, hosts)) if hosts.split(',').all(is_host) && !front.contains("://") => {
            (front, hosts.split(',').map(String::from).collect())
        }
        _ => (word, Vec::new()),
    }
}

fn hosts(word: &str) -> Result<(String, Vec<String>), String> {
    match word.split_once('=') {
        Some((name, hosts)) if !name.is_empty() && !hosts.is_empty() => Ok((
            name.to_owned(),
            hosts
                .split(',')
                .map(|host| host.trim().to_owned())
                .collect(),
        )),
        _ => Err("needs NAME=HOST[,HOST]".to_owned()),
    }
}

fn file(word: &str) -> Result<SecretInput, String> {
    match word.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok(SecretInput {
            name: name.to_owned(),
            value: None,
            file_path: Some(path.to_owned()),
            env_var: None,
            hosts: Vec::new(),
        }),
        _ => Err("needs NAME=PATH".to_owned()),
    }
}

// By hand, because a derived parser cannot make one list of two flags.
impl clap::Args for Secrets {
    fn augment_args(command: Command) -> Command {
        let many = |id, flag, value, help| {
            Arg::new(id)
                .long(flag)
                .value_name(value)
                .help(help)
                .action(ArgAction::Append)
        };
        command
            .arg(
                many(
                    GIVEN,
                    "secret",
                    "NAME[=VALUE][@HOST,…]",
                    "A secret; NAME alone takes the variable of that name, which unlike a word \
                     here is not in the list of processes; hosts behind the last @ are those of \
                     --secret-hosts, so a value that ends like that comes by NAME or --secret-file; \
                     may be given several times",
                )
                .value_parser(given)
                .hide_possible_values(true),
            )
            .arg(
                many(
                    FILES,
                    "secret-file",
                    "NAME=PATH",
                    "A secret whose value is in a file of this host, or on standard input when \
                     PATH is `-`; may be given several times",
                )
                .value_parser(file),
            )
            .arg(
                many(
                    HOSTS,
                    "secret-hosts",
                    "NAME=HOST[,HOST]",
                    "Keeps a secret out of the guest: it has a placeholder, and HTTPS requests to \
                     exactly these hosts get the value outside; may be given several times",
                )
                .value_parser(hosts),
            )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Secrets {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let of = |id| matches.get_many::<SecretInput>(id).unwrap_or_default();
        let mut all: Vec<SecretInput> = of(GIVEN).chain(of(FILES)).cloned().collect();
        let named = matches.get_many::<(String, Vec<String>)>(HOSTS);
        for (name, hosts) in named.unwrap_or_default() {
            let Some(one) = all.iter_mut().find(|one| one.name == *name) else {
                let message =
                    format!("--secret-hosts {name}: no --secret or --secret-file has that name\n");
                return Err(clap::Error::raw(
                    clap::error::ErrorKind::ValueValidation,
                    message,
                ));
            };
            one.hosts.extend(hosts.iter().cloned());
        }
        Ok(Self(all))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, FromArgMatches};

    fn parsed(words: &[&str]) -> Secrets {
        let command = Secrets::augment_args(Command::new("create").no_binary_name(true));
        Secrets::from_arg_matches(&command.get_matches_from(words)).unwrap()
    }

    #[test]
    fn words_and_json_are_the_same() {
        let words = [
            "--secret-file",
            "KEY=~/key",
            "--secret",
            "A=b=c ",
            "--secret",
            "TOKEN",
        ];
        let json = r#"[{"name":"A","value":"b=c "},{"name":"TOKEN","env_var":"TOKEN"},{"name":"KEY","file_path":"~/key"}]"#;
        assert_eq!(parsed(&words), serde_json::from_str(json).unwrap());
        assert_eq!(serde_json::to_string(&parsed(&words)).unwrap(), json);
    }

    #[test]
    fn hosts_come_behind_an_at_sign_or_by_a_flag() {
        let hosts = |words: &[&str]| parsed(words).0.remove(0);
        let one = hosts(&["--secret", "A=v@lue@api.example.org,b.example"]);
        assert_eq!(one.value.as_deref(), Some("v@lue"));
        assert_eq!(one.hosts, ["api.example.org", "b.example"]);
        let one = hosts(&["--secret", "A@api.example.org"]);
        assert_eq!((one.env_var.as_deref(), one.hosts.len()), (Some("A"), 1));
        let one = hosts(&[
            "--secret-file",
            "A=~/k",
            "--secret-hosts",
            "A=a.example, b.example",
        ]);
        assert_eq!(one.hosts, ["a.example", "b.example"]);
        for value in [
            "p@ss",
            "p@ss/a.b",
            "p@.a",
            "p@a.b,",
            "p@a.b:1",
            "https://u:p@a.example",
            "p@a b.c",
            "@",
        ] {
            let one = hosts(&["--secret", &format!("A={value}")]);
            assert_eq!(one.value.as_deref(), Some(value));
            assert!(one.hosts.is_empty(), "{value}");
        }
        let command = Secrets::augment_args(Command::new("create").no_binary_name(true));
        let matches = command.get_matches_from(["--secret-hosts", "B=a.example"]);
        assert!(Secrets::from_arg_matches(&matches).is_err());
    }

    #[test]
    fn each_has_one_source_and_one_may_have_standard_input() {
        for json in [
            r#"[{"name":"A"}]"#,
            r#"[{"name":"A","value":"x","file_path":"y"}]"#,
            r#"[{"name":"A","file_path":"-"},{"name":"B","file_path":"-"}]"#,
        ] {
            let secrets: Secrets = serde_json::from_str(json).unwrap();
            let error = secrets.sources(&Context::quiet()).unwrap_err();
            assert_eq!(error.code, "invalid_secret", "{json}");
        }
    }

    #[test]
    fn no_value_is_printed() {
        let secrets = parsed(&["--secret", "A=quite-secret"]);
        assert_eq!(format!("{secrets:?}").find("quite"), None);
        let sources = secrets.sources(&Context::quiet()).unwrap();
        assert_eq!(format!("{sources:?}").find("quite"), None);
    }
}
