//! What an operation is, and the erased row that the doors work with.
//!
//! Owns: the trait, its effect on the world, what it gets besides its request,
//! and the conversion between JSON, parsed arguments and typed requests.
//! Refuses: knowing any single operation.

use crate::input_rules::{self, Rule};
use crate::{Cancel, Error, EventSink, NoEvents, Pyro, Result};
use schemars::JsonSchema;
pub use schemars::Schema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fs::File;
use std::sync::LazyLock;

/// What an operation does to the world; becomes a tool's annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing a caller can see.
    Reads,
    /// Makes or changes something; nothing of the caller's is lost.
    Changes,
    /// Ends or deletes something that cannot be brought back.
    Destroys,
}

/// What an operation gets besides its request.
pub struct Context<'a> {
    /// Takes phases, output and progress while it runs.
    pub events: &'a dyn EventSink,
    /// Asks it to end.
    pub cancel: &'a Cancel,
    /// What a guest command reads as standard input; nothing when absent.
    pub stdin: Option<File>,
}

impl Context<'static> {
    /// No events, never cancelled, no input.
    #[must_use]
    pub fn quiet() -> Self {
        static NEVER: LazyLock<Cancel> = LazyLock::new(Cancel::default);
        Self {
            events: &NoEvents,
            cancel: &NEVER,
            stdin: None,
        }
    }
}

impl Context<'_> {
    /// A second descriptor of the input, for an engine call that consumes it.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn clone_stdin(&self) -> Result<Option<File>> {
        self.stdin
            .as_ref()
            .map(File::try_clone)
            .transpose()
            .map_err(|error| {
                Error::runtime("io", format!("cannot duplicate standard input: {error}"))
                    .source(error)
            })
    }
}

/// One operation. The doc comment on [`Self::Request`] is its help text, tool
/// description and docstring; there is no second place for it.
pub trait Operation {
    /// Stable name; also the tool's name where a tool exists.
    const NAME: &'static str;
    /// Words of the subcommand; empty when the CLI does not offer it.
    const CLI: &'static [&'static str];
    /// Name of the Python method, where there is one.
    const PYTHON: Option<&'static str>;
    /// What it does to the world.
    const EFFECT: Effect;
    /// Complete command lines for the help text; each one parses.
    const EXAMPLES: &'static [&'static str];
    /// A flag of the CLI with which one field of the response is all that is
    /// printed: its name and the field.
    const ONLY: Option<(&'static str, &'static str)> = None;
    /// Inputs that do nothing without or beside others; refused on every door
    /// before [`Self::run`].
    const RULES: &'static [Rule] = &[];
    /// What it takes: flags for the CLI, a closed object for JSON.
    type Request: clap::Args + Serialize + DeserializeOwned + JsonSchema;
    /// What it returns, on every door.
    type Response: Serialize + DeserializeOwned + JsonSchema;

    /// Does it; [`Pyro::call`] is the way in.
    ///
    /// # Errors
    /// With a code, a sentence and mostly a hint.
    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response>;
}

/// An operation with its types erased.
pub struct Row {
    /// [`Operation::NAME`].
    pub name: &'static str,
    /// [`Operation::CLI`].
    pub cli: &'static [&'static str],
    /// [`Operation::PYTHON`].
    pub python: Option<&'static str>,
    /// [`Operation::EFFECT`].
    pub effect: Effect,
    /// [`Operation::EXAMPLES`].
    pub examples: &'static [&'static str],
    /// [`Operation::ONLY`].
    pub only: Option<(&'static str, &'static str)>,
    /// [`Operation::RULES`].
    pub rules: &'static [Rule],
    /// Adds the request's arguments and its doc comment to a command.
    pub augment: fn(clap::Command) -> clap::Command,
    /// Schema of the request; closed.
    pub request_schema: fn() -> Schema,
    /// Schema of the response.
    pub response_schema: fn() -> Schema,
    /// Parsed arguments as a complete JSON request.
    pub parse: fn(&clap::ArgMatches) -> Result<Value, clap::Error>,
    /// A JSON request with every default filled in; the way a door checks one.
    pub complete: fn(Value) -> Result<Value>,
    /// Runs a JSON request.
    pub call: fn(&Pyro, Value, &Context) -> Result<Value>,
}

impl Row {
    /// Erases the types of `O`.
    #[must_use]
    pub const fn of<O: Operation>() -> Self {
        Self {
            name: O::NAME,
            cli: O::CLI,
            python: O::PYTHON,
            effect: O::EFFECT,
            examples: O::EXAMPLES,
            only: O::ONLY,
            rules: O::RULES,
            augment: input_rules::augmented::<O>,
            request_schema: input_rules::schema::<O>,
            response_schema: || schemars::schema_for!(O::Response),
            parse: |matches| {
                let request = <O::Request as clap::FromArgMatches>::from_arg_matches(matches)?;
                serde_json::to_value(request).map_err(|error| {
                    clap::Error::raw(clap::error::ErrorKind::InvalidValue, error.to_string())
                })
            },
            complete: |value| encode(O::NAME, &decode::<O>(value)?),
            call: |pyro, value, context| {
                encode(O::NAME, &pyro.call::<O>(decode::<O>(value)?, context)?)
            },
        }
    }

    /// The doc comment of the request.
    #[must_use]
    pub fn description(&self) -> String {
        (self.request_schema)()
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }
}

fn decode<O: Operation>(value: Value) -> Result<O::Request> {
    serde_json::from_value(value).map_err(|error| {
        Error::invalid("invalid_request", format!("{}: {error}", O::NAME))
            .hint("send exactly the fields of the operation's request schema")
            .source(error)
    })
}

pub(crate) fn encode(name: &str, value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| {
        Error::runtime("encoding", format!("{name}: cannot write JSON: {error}")).source(error)
    })
}
