//! Ports to publish: `GUEST_PORT` or `HOST_PORT:GUEST_PORT` on a command line,
//! objects in JSON.
//!
//! Owns: the flag. Refuses: ranges, which are the engine's on every door.

use crate::workspaces::ports::PortWish;
use clap::{Arg, ArgAction, ArgMatches, Command};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const ID: &str = "published_ports";

/// Ports that somebody wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PublishedPorts(pub Vec<PortWish>);

// By hand, because the flag has another name than the field.
impl clap::Args for PublishedPorts {
    fn augment_args(command: Command) -> Command {
        command.arg(
            Arg::new(ID)
                .long("publish")
                .value_name("PORT")
                .help("Open a port of 127.0.0.1 once it is ready: GUEST_PORT, or HOST_PORT:GUEST_PORT; may be given several times")
                .action(ArgAction::Append)
                .value_parser(str::parse::<PortWish>),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for PublishedPorts {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let ports = matches.get_many::<PortWish>(ID).unwrap_or_default();
        Ok(Self(ports.copied().collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
