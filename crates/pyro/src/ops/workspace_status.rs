//! `pyro workspace status`.

use crate::workspaces::payloads::Workspace;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show what a workspace is and how it is.
///
/// Asking counts as use: it renews the idle time of one that runs.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceStatusRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
}

/// `pyro workspace status`.
pub struct WorkspaceStatus;

impl Operation for WorkspaceStatus {
    const NAME: &'static str = "workspace_status";
    const CLI: &'static [&'static str] = &["workspace", "status"];
    const PYTHON: Option<&'static str> = Some("status_workspace");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace status demo",
        "pyro workspace status demo --json",
    ];
    type Request = WorkspaceStatusRequest;
    type Response = Workspace;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.workspaces.status(&request.workspace_id)
    }
}
