//! `pyro workspace update`.

use crate::labels::Labels;
use crate::workspaces::Update;
use crate::workspaces::payloads::Workspace;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Change the name or labels of a workspace.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceUpdateRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// New name, 1 to 120 characters
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    pub name: Option<String>,
    /// Take its name away
    #[arg(long)]
    #[serde(default)]
    pub clear_name: bool,
    /// Labels to add or replace
    #[command(flatten)]
    #[serde(default)]
    pub labels: Labels,
    /// Key of a label to remove; may be given several times
    #[arg(long = "clear-label", value_name = "KEY")]
    #[serde(default)]
    pub clear_labels: Vec<String>,
}

/// `pyro workspace update`.
pub struct WorkspaceUpdate;

impl Operation for WorkspaceUpdate {
    const NAME: &'static str = "workspace_update";
    const CLI: &'static [&'static str] = &["workspace", "update"];
    const PYTHON: Option<&'static str> = Some("update_workspace");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] =
        &["pyro workspace update demo --name review --label task=42 --clear-label old"];
    type Request = WorkspaceUpdateRequest;
    type Response = Workspace;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        let update = Update {
            name: request.name,
            clear_name: request.clear_name,
            labels: request.labels.0,
            clear_labels: request.clear_labels,
        };
        pyro.workspaces.update(&request.workspace_id, &update)
    }
}
