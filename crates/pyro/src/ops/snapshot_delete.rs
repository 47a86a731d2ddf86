//! `pyro workspace snapshot delete`.

use crate::workspaces::snapshots::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Delete a snapshot of a workspace, whatever state the workspace is in.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotDeleteRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Name of a snapshot
    #[arg(value_name = "SNAPSHOT")]
    pub snapshot_name: String,
}

/// `pyro workspace snapshot delete`.
pub struct SnapshotDelete;

impl Operation for SnapshotDelete {
    const NAME: &'static str = "snapshot_delete";
    const CLI: &'static [&'static str] = &["workspace", "snapshot", "delete"];
    const PYTHON: Option<&'static str> = Some("delete_snapshot");
    const EFFECT: Effect = Effect::Destroys;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace snapshot delete demo installed"];
    type Request = SnapshotDeleteRequest;
    type Response = payloads::DeletedSnapshot;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.delete_snapshot(
            &request.workspace_id,
            &request.snapshot_name,
            context.events,
        )
    }
}
