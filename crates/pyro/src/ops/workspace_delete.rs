//! `pyro workspace delete`.

use crate::workspaces::payloads::DeletedWorkspace;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// End a workspace and remove everything of it.
///
/// Works whatever it does and however damaged it is. What was exported stays.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceDeleteRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
}

/// `pyro workspace delete`.
pub struct WorkspaceDelete;

impl Operation for WorkspaceDelete {
    const NAME: &'static str = "workspace_delete";
    const CLI: &'static [&'static str] = &["workspace", "delete"];
    const PYTHON: Option<&'static str> = Some("delete_workspace");
    const EFFECT: Effect = Effect::Destroys;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace delete demo"];
    type Request = WorkspaceDeleteRequest;
    type Response = DeletedWorkspace;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.workspaces.delete(&request.workspace_id)
    }
}
