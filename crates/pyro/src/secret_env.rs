//! Secrets that a call wants in variables: `--secret-env SECRET[=ENV_VAR]` on a
//! command line, an object from secret to variable in JSON.
//!
//! Owns: how words become the mapping; the variable is called as the secret
//! unless said otherwise. Refuses: the rules about names, which are the
//! engine's; a secret that is named twice reaches it twice.

use crate::workspaces::secrets::SecretEnv;
use clap::{Arg, ArgAction, ArgMatches, Command};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const ID: &str = "secret_env";

/// Which secrets a call gets in which variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Given", into = "Given")]
#[schemars(with = "BTreeMap<String, String>")]
pub struct SecretEnvs(pub Vec<SecretEnv>);

/// As JSON has it. Words may name a secret twice, for which an object has no
/// room: those stay a list, so that the engine can refuse them by name.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Given {
    Map(BTreeMap<String, String>),
    List(Vec<SecretEnv>),
}

impl From<Given> for SecretEnvs {
    fn from(given: Given) -> Self {
        Self(match given {
            Given::List(list) => list,
            Given::Map(map) => map
                .into_iter()
                .map(|(secret, env_var)| SecretEnv { secret, env_var })
                .collect(),
        })
    }
}

impl From<SecretEnvs> for Given {
    fn from(envs: SecretEnvs) -> Self {
        let map: BTreeMap<_, _> = envs
            .0
            .iter()
            .map(|one| (one.secret.clone(), one.env_var.clone()))
            .collect();
        if map.len() == envs.0.len() {
            Self::Map(map)
        } else {
            Self::List(envs.0)
        }
    }
}

fn word(word: &str) -> Result<SecretEnv, String> {
    let (secret, env_var) = word.split_once('=').unwrap_or((word, word));
    if secret.is_empty() || env_var.is_empty() {
        return Err("needs SECRET or SECRET=ENV_VAR".to_owned());
    }
    Ok(SecretEnv {
        secret: secret.to_owned(),
        env_var: env_var.to_owned(),
    })
}

// By hand, because a derived parser cannot make a map of repeated flags.
impl clap::Args for SecretEnvs {
    fn augment_args(command: Command) -> Command {
        command.arg(
            Arg::new(ID)
                .long("secret-env")
                .value_name("SECRET[=ENV_VAR]")
                .help(
                    "Put a secret of the workspace into a variable, called as the secret unless \
                     named; may be given several times",
                )
                .action(ArgAction::Append)
                .value_parser(word),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for SecretEnvs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let words = matches.get_many::<SecretEnv>(ID).unwrap_or_default();
        Ok(Self(words.cloned().collect()))
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

    fn parsed(words: &[&str]) -> SecretEnvs {
        let command = SecretEnvs::augment_args(Command::new("exec").no_binary_name(true));
        SecretEnvs::from_arg_matches(&command.get_matches_from(words)).unwrap()
    }

    #[test]
    fn words_and_json_are_the_same_and_nothing_is_lost() {
        let once = parsed(&["--secret-env", "TOKEN", "--secret-env", "KEY=API_KEY"]);
        let json = r#"{"KEY":"API_KEY","TOKEN":"TOKEN"}"#;
        assert_eq!(serde_json::to_string(&once).unwrap(), json);
        let twice = parsed(&["--secret-env", "A", "--secret-env", "A=B"]);
        let json = serde_json::to_value(&twice).unwrap();
        assert_eq!(serde_json::from_value::<SecretEnvs>(json).unwrap(), twice);
    }
}
