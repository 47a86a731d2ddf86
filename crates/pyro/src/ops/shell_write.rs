//! `pyro workspace shell write`.

use crate::workspaces::shells::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Type text into a shell, with a newline after it unless told otherwise.
///
/// It is typed on the shell's terminal, at most 1 MiB. A program that reads
/// whole lines gets 4095 bytes of each, as from every terminal. When the program
/// does not read what was typed before, the call fails after 5 seconds.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShellWriteRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Id of a shell
    #[arg(value_name = "SHELL")]
    pub shell_id: String,
    /// What to type
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub input: String,
    /// Type no newline after it
    #[arg(long = "no-newline", action = clap::ArgAction::SetFalse)]
    #[serde(default = "yes")]
    pub append_newline: bool,
}

fn yes() -> bool {
    true
}

/// `pyro workspace shell write`.
pub struct ShellWrite;

impl Operation for ShellWrite {
    const NAME: &'static str = "shell_write";
    const CLI: &'static [&'static str] = &["workspace", "shell", "write"];
    const PYTHON: Option<&'static str> = Some("write_shell");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace shell write demo 0123456789ab --input 'make test'",
        "pyro workspace shell write demo 0123456789ab --input q --no-newline",
    ];
    type Request = ShellWriteRequest;
    type Response = payloads::ShellWritten;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.write_shell(
            &request.workspace_id,
            &request.shell_id,
            &request.input,
            request.append_newline,
            context.cancel,
        )
    }
}
