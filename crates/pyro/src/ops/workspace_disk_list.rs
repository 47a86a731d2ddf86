//! `pyro workspace disk list`.

use crate::workspaces::disk::payloads::DiskList;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// List files on the disk of a stopped workspace, the system's too.
///
/// A VM of its own, without a network, shows the disk read-only. Links are
/// listed with their target. /proc, /sys, /dev, /run and /tmp are empty.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceDiskListRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Path in the guest; a relative one is below `/workspace`
    #[arg(value_name = "PATH", default_value = "/workspace")]
    #[serde(default = "crate::vm_spec::workspace_path")]
    pub path: String,
    /// Enter directories below
    #[arg(long)]
    #[serde(default)]
    pub recursive: bool,
}

/// `pyro workspace disk list`.
pub struct WorkspaceDiskList;

impl Operation for WorkspaceDiskList {
    const NAME: &'static str = "workspace_disk_list";
    const CLI: &'static [&'static str] = &["workspace", "disk", "list"];
    const PYTHON: Option<&'static str> = Some("list_workspace_disk");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace disk list demo",
        "pyro workspace disk list demo /etc --recursive",
    ];
    type Request = WorkspaceDiskListRequest;
    type Response = DiskList;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.list_disk(
            &request.workspace_id,
            &request.path,
            request.recursive,
            context.events,
            context.cancel,
        )
    }
}
