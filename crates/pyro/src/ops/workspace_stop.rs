//! `pyro workspace stop`.

use crate::workspaces::payloads::Workspace;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Power a workspace off in order and keep its disk.
///
/// What runs in it ends; nothing to do when it is stopped.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceStopRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
}

/// `pyro workspace stop`.
pub struct WorkspaceStop;

impl Operation for WorkspaceStop {
    const NAME: &'static str = "workspace_stop";
    const CLI: &'static [&'static str] = &["workspace", "stop"];
    const PYTHON: Option<&'static str> = Some("stop_workspace");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace stop demo"];
    type Request = WorkspaceStopRequest;
    type Response = Workspace;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.workspaces.stop(&request.workspace_id)
    }
}
