//! Inputs that do nothing without another, or beside another.
//!
//! Ignored in silence, such an input gives the answer to another question. So
//! an operation says which of its inputs they are, once, and from that come
//! the words in help and schemas and the refusal on every door:
//!
//! ```text
//!   Operation::RULES --words--> "; needs --search"      help, schema, tool
//!                    --check--> missing_input, conflict  before it runs
//! ```
//!
//! The parser does not look at them (clap's `requires`): its errors are usage
//! errors with other words, and there is no parser behind JSON.
//!
//! Owns: the form of a rule, those words, this check. Refuses: which inputs
//! they are, which is each operation's; values that do not go together.

use crate::operation::Schema;
use crate::{Error, Operation, Result};
use clap::{Args, Command};
use serde_json::Value;
use std::cell::LazyCell;

/// A rule about inputs of an operation, by their names in JSON. One is given
/// when its value is not what it is without being given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The first does nothing unless one of the others is given.
    Needs(&'static str, &'static [&'static str]),
    /// The first does nothing when one of the others is given.
    NotWith(&'static str, &'static [&'static str]),
}

impl Rule {
    /// The input that it is about.
    #[must_use]
    pub fn input(&self) -> &'static str {
        match self {
            Self::Needs(input, _) | Self::NotWith(input, _) => input,
        }
    }

    /// The inputs that it is compared with.
    #[must_use]
    pub fn others(&self) -> &'static [&'static str] {
        match self {
            Self::Needs(_, others) | Self::NotWith(_, others) => others,
        }
    }

    /// For a help text: flags as they are written.
    fn words(&self, command: &Command) -> String {
        let others = either(self.others().iter().map(|other| spelled(command, other)));
        match self {
            Self::Needs(..) => format!("; needs {others}"),
            Self::NotWith(..) => format!("; not with {others}"),
        }
    }

    fn broken(&self, command: &Command, given: &dyn Fn(&str) -> bool) -> Option<Error> {
        let (input, others) = (self.input(), self.others());
        let other = others.iter().find(|other| given(other));
        match (self, other) {
            (Self::Needs(..), None) if given(input) => {
                let names = either(others.iter().map(|other| (*other).to_owned()));
                let flags = either(others.iter().map(|other| spelled(command, other)));
                let what = format!("{input} does nothing without {names}");
                let next = format!(
                    "give {flags} as well, or leave {} out",
                    spelled(command, input)
                );
                Some(Error::invalid("missing_input", what).hint(next))
            }
            (Self::NotWith(..), Some(other)) if given(input) => {
                let what = format!("{input} does nothing beside {other}, and both are given");
                let (one, two) = (spelled(command, input), spelled(command, other));
                Some(Error::invalid("conflict", what).hint(format!("leave {one} or {two} out")))
            }
            _ => None,
        }
    }
}

/// `a, b or c`.
fn either(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.collect();
    match names.pop() {
        Some(last) if !names.is_empty() => format!("{} or {last}", names.join(", ")),
        last => last.unwrap_or_default(),
    }
}

/// An input as a command line has it: its flag; its name where it has none.
fn spelled(command: &Command, input: &str) -> String {
    let argument = command.get_arguments().find(|one| one.get_id() == input);
    let flag = argument.and_then(clap::Arg::get_long);
    flag.map_or_else(|| input.to_owned(), |flag| format!("--{flag}"))
}

fn command<O: Operation>() -> Command {
    O::Request::augment_args(Command::new(O::NAME))
}

/// Refuses a request with an input that would do nothing.
///
/// # Errors
/// `missing_input`, `conflict`; `encoding`.
pub(crate) fn check<O: Operation>(request: &O::Request) -> Result<()> {
    if O::RULES.is_empty() {
        return Ok(());
    }
    let request = crate::operation::encode(O::NAME, request)?;
    // Deriving either takes longer than most checks.
    let schema = LazyCell::new(|| schemars::schema_for!(O::Request).to_value());
    let command = LazyCell::new(command::<O>);
    let given = |name: &str| {
        let value = &request[name];
        !is_nothing(value) && *value != schema["properties"][name]["default"]
    };
    let broken = |rule: &Rule| {
        let possible = !is_nothing(&request[rule.input()]);
        possible.then(|| rule.broken(&command, &given)).flatten()
    };
    O::RULES.iter().find_map(broken).map_or(Ok(()), Err)
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Number(_) => false,
    }
}

/// The parser of a request; its help says the rules.
pub(crate) fn augmented<O: Operation>(parser: Command) -> Command {
    let plain = command::<O>();
    O::RULES
        .iter()
        .fold(O::Request::augment_args(parser), |parser, rule| {
            parser.mut_arg(rule.input(), |argument| {
                let help = argument.get_help().map(ToString::to_string);
                argument.help(help.unwrap_or_default() + &rule.words(&plain))
            })
        })
}

/// The schema of a request; its descriptions say the rules.
pub(crate) fn schema<O: Operation>() -> Schema {
    let mut schema = schemars::schema_for!(O::Request);
    let plain = LazyCell::new(command::<O>);
    for rule in O::RULES {
        let path = format!("/properties/{}/description", rule.input());
        if let Some(Value::String(text)) = schema.pointer_mut(&path) {
            text.push_str(&rule.words(&plain));
        }
    }
    schema
}
