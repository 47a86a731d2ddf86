//! `pyro workspace start`.

use crate::workspaces::payloads::Workspace;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Boot a stopped workspace from its disk; nothing to do when it runs.
///
/// Files are as they were; processes and shells are gone.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceStartRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
}

/// `pyro workspace start`.
pub struct WorkspaceStart;

impl Operation for WorkspaceStart {
    const NAME: &'static str = "workspace_start";
    const CLI: &'static [&'static str] = &["workspace", "start"];
    const PYTHON: Option<&'static str> = Some("start_workspace");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace start demo"];
    type Request = WorkspaceStartRequest;
    type Response = Workspace;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces
            .start(&request.workspace_id, context.events, context.cancel)
    }
}
