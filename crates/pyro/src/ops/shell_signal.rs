//! `pyro workspace shell signal`.

use crate::workspaces::shells::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Send a signal to what runs in the foreground of a shell.
///
/// `INT` is what Ctrl-C does: it ends the running command, and the shell goes
/// on. With nothing in the foreground the shell itself gets it.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShellSignalRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Id of a shell
    #[arg(value_name = "SHELL")]
    pub shell_id: String,
    /// HUP, INT, TERM or KILL
    #[arg(long = "signal", value_name = "SIGNAL", default_value_t = interrupt())]
    #[serde(default = "interrupt")]
    pub signal_name: String,
}

fn interrupt() -> String {
    "INT".to_owned()
}

/// `pyro workspace shell signal`.
pub struct ShellSignal;

impl Operation for ShellSignal {
    const NAME: &'static str = "shell_signal";
    const CLI: &'static [&'static str] = &["workspace", "shell", "signal"];
    const PYTHON: Option<&'static str> = Some("signal_shell");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace shell signal demo 0123456789ab",
        "pyro workspace shell signal demo 0123456789ab --signal KILL",
    ];
    type Request = ShellSignalRequest;
    type Response = payloads::ShellSignalled;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.signal_shell(
            &request.workspace_id,
            &request.shell_id,
            &request.signal_name,
            context.cancel,
        )
    }
}
