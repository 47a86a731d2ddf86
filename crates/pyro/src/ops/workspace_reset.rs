//! `pyro workspace reset`.

use crate::workspaces::snapshots::payloads::ResetWorkspace;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Give a workspace a fresh machine, as new or with the disk of a snapshot.
///
/// What is on its disk is lost, also installed packages unless the snapshot has
/// them, and so is the command log; its id, name, labels, sizes and snapshots
/// stay. The old disk goes when the new machine runs.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceResetRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Snapshot to go back to; `baseline` is the machine as it was made
    #[arg(long, value_name = "SNAPSHOT", default_value = "baseline")]
    #[serde(default = "crate::vm_spec::baseline")]
    pub snapshot: String,
}

/// `pyro workspace reset`.
pub struct WorkspaceReset;

impl Operation for WorkspaceReset {
    const NAME: &'static str = "workspace_reset";
    const CLI: &'static [&'static str] = &["workspace", "reset"];
    const PYTHON: Option<&'static str> = Some("reset_workspace");
    const EFFECT: Effect = Effect::Destroys;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace reset demo",
        "pyro workspace reset demo --snapshot installed",
    ];
    type Request = WorkspaceResetRequest;
    type Response = ResetWorkspace;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.reset(
            &request.workspace_id,
            &request.snapshot,
            context.events,
            context.cancel,
        )
    }
}
