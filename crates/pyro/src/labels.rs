//! Labels: `--label KEY=VALUE` on a command line, an object in JSON.
//!
//! Owns: how words become a map; the last value of a key wins. Refuses: the
//! rules about keys and values, which are the engine's.

use clap::{Arg, ArgAction, ArgMatches, Command};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const ID: &str = "labels";

/// Labels by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Labels(pub BTreeMap<String, String>);

fn pair(word: &str) -> Result<(String, String), String> {
    match word.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("needs KEY=VALUE".to_owned()),
    }
}

// By hand, because a derived parser cannot make a map of repeated flags.
impl clap::Args for Labels {
    fn augment_args(command: Command) -> Command {
        command.arg(
            Arg::new(ID)
                .long("label")
                .value_name("KEY=VALUE")
                .help("A label; may be given several times")
                .action(ArgAction::Append)
                .value_parser(pair),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Labels {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let pairs = matches.get_many::<(String, String)>(ID).unwrap_or_default();
        Ok(Self(pairs.cloned().collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
