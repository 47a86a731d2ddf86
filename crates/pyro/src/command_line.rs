//! The command for the guest: words after `--` on a command line, one string
//! in JSON.
//!
//! Owns: how words become the string for `/bin/sh -lc` without losing their
//! boundaries. Refuses: understanding the command.

use crate::{Error, Result};
use clap::{Arg, ArgAction, ArgMatches, Command};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const ID: &str = "command";

/// One command for `/bin/sh -lc`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CommandLine(pub String);

impl CommandLine {
    /// Quotes each word so that the shell sees the same words again.
    pub fn from_words<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Self {
        Self(shell_words::join(words))
    }

    /// The command, when there is one.
    ///
    /// # Errors
    /// When it is blank or has a NUL byte, which no shell can be given.
    pub fn checked(&self) -> Result<&str> {
        if self.0.trim().is_empty() {
            return Err(Error::invalid("empty_command", "no command to run").hint(
                "write the command after `--`, for example: pyro run debian:12 -- git --version",
            ));
        }
        if self.0.contains('\0') {
            return Err(
                Error::invalid("invalid_command", "the command has a NUL byte")
                    .hint("send binary data as standard input"),
            );
        }
        Ok(&self.0)
    }
}

// By hand, because a derived parser reads each word as a value of its own.
impl clap::Args for CommandLine {
    fn augment_args(command: Command) -> Command {
        command.arg(
            Arg::new(ID)
                .value_name("COMMAND")
                .help("The command and its words, after `--`")
                .last(true)
                .num_args(0..)
                .action(ArgAction::Append),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for CommandLine {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let words = matches.get_many::<String>(ID).unwrap_or_default();
        Ok(Self::from_words(words))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::CommandLine;

    #[test]
    fn word_boundaries_survive() {
        let words = ["printf", "%s\n", "a b", "", "it's", "$HOME", "-x"];
        let line = CommandLine::from_words(words);
        assert_eq!(shell_words::split(&line.0).unwrap(), words);
    }

    #[test]
    fn blank_and_nul_are_refused() {
        for text in ["", "  \n", "echo a\0b"] {
            assert!(CommandLine(text.to_owned()).checked().is_err(), "{text:?}");
        }
    }
}
