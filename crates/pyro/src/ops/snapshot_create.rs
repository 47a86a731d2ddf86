//! `pyro workspace snapshot create`.

use crate::workspaces::snapshots::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Keep the whole disk of a workspace as it is now, under a name.
///
/// Files in /workspace and everything else on the disk, installed packages too;
/// processes are not part of it. Commands that write to the disk wait while it
/// is copied. Where the host's file system can share blocks (reflink) the copy
/// takes no time and no space, elsewhere both grow with what was written. All
/// snapshots of a workspace together take at most what its disk may (--disk-mib).
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotCreateRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Name of the new snapshot: up to 64 letters, digits, dots, dashes and underscores
    #[arg(value_name = "SNAPSHOT")]
    pub snapshot_name: String,
}

/// `pyro workspace snapshot create`.
pub struct SnapshotCreate;

impl Operation for SnapshotCreate {
    const NAME: &'static str = "snapshot_create";
    const CLI: &'static [&'static str] = &["workspace", "snapshot", "create"];
    const PYTHON: Option<&'static str> = Some("create_snapshot");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace snapshot create demo installed"];
    type Request = SnapshotCreateRequest;
    type Response = payloads::CreatedSnapshot;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.create_snapshot(
            &request.workspace_id,
            &request.snapshot_name,
            context.events,
            context.cancel,
        )
    }
}
