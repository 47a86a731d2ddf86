//! `pyro workspace logs`.

use crate::workspaces::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show the commands that ran in a workspace since its last reset, and what they said.
///
/// Of long outputs the beginning and the end are shown.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceLogsRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
}

/// `pyro workspace logs`.
pub struct WorkspaceLogs;

impl Operation for WorkspaceLogs {
    const NAME: &'static str = "workspace_logs";
    const CLI: &'static [&'static str] = &["workspace", "logs"];
    const PYTHON: Option<&'static str> = Some("logs_workspace");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace logs demo"];
    type Request = WorkspaceLogsRequest;
    type Response = payloads::WorkspaceLogs;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.workspaces.logs(&request.workspace_id)
    }
}
