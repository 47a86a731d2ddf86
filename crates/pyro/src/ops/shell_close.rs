//! `pyro workspace shell close`.

use crate::workspaces::shells::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// End a shell with everything it started, and forget what it showed.
///
/// Its terminal goes away (HUP); what is left after 5 seconds is killed.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShellCloseRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Id of a shell
    #[arg(value_name = "SHELL")]
    pub shell_id: String,
}

/// `pyro workspace shell close`.
pub struct ShellClose;

impl Operation for ShellClose {
    const NAME: &'static str = "shell_close";
    const CLI: &'static [&'static str] = &["workspace", "shell", "close"];
    const PYTHON: Option<&'static str> = Some("close_shell");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace shell close demo 0123456789ab"];
    type Request = ShellCloseRequest;
    type Response = payloads::ShellClosed;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces
            .close_shell(&request.workspace_id, &request.shell_id, context.cancel)
    }
}
