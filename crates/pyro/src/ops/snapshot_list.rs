//! `pyro workspace snapshot list`.

use crate::workspaces::snapshots::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// List the snapshots of a workspace, the baseline first, then the newest.
///
/// The baseline is the machine as it was made. It is always there.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotListRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
}

/// `pyro workspace snapshot list`.
pub struct SnapshotList;

impl Operation for SnapshotList {
    const NAME: &'static str = "snapshot_list";
    const CLI: &'static [&'static str] = &["workspace", "snapshot", "list"];
    const PYTHON: Option<&'static str> = Some("list_snapshots");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace snapshot list demo"];
    type Request = SnapshotListRequest;
    type Response = payloads::SnapshotList;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.workspaces.list_snapshots(&request.workspace_id)
    }
}
