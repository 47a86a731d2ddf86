//! `pyro workspace reset`.

use crate::workspaces::payloads::Workspace;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Give a workspace a fresh disk and machine.
///
/// Everything in it is lost, also installed packages and the command log; its
/// id, name, labels and sizes stay.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceResetRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
}

/// `pyro workspace reset`.
pub struct WorkspaceReset;

impl Operation for WorkspaceReset {
    const NAME: &'static str = "workspace_reset";
    const CLI: &'static [&'static str] = &["workspace", "reset"];
    const PYTHON: Option<&'static str> = Some("reset_workspace");
    const EFFECT: Effect = Effect::Destroys;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace reset demo"];
    type Request = WorkspaceResetRequest;
    type Response = Workspace;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces
            .reset(&request.workspace_id, context.events, context.cancel)
    }
}
