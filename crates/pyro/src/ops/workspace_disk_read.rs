//! `pyro workspace disk read`.

use crate::workspaces::disk::payloads::DiskContent;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Read a file on the disk of a stopped workspace, one of the system's too.
///
/// Invalid UTF-8 is replaced. Regular files only; links are refused.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceDiskReadRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Path in the guest; a relative one is below `/workspace`
    #[arg(value_name = "PATH")]
    pub path: String,
    /// Most bytes, 1 to 67108864
    #[arg(long, value_name = "BYTES", default_value_t = crate::vm_spec::read_bytes())]
    #[serde(default = "crate::vm_spec::read_bytes")]
    #[schemars(range(min = 1, max = 67_108_864))]
    pub max_bytes: u64,
}

/// `pyro workspace disk read`.
pub struct WorkspaceDiskRead;

impl Operation for WorkspaceDiskRead {
    const NAME: &'static str = "workspace_disk_read";
    const CLI: &'static [&'static str] = &["workspace", "disk", "read"];
    const PYTHON: Option<&'static str> = Some("read_workspace_disk");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace disk read demo notes.txt",
        "pyro workspace disk read demo /etc/hostname --content-only",
    ];
    const ONLY: Option<(&'static str, &'static str)> = Some(("content-only", "content"));
    type Request = WorkspaceDiskReadRequest;
    type Response = DiskContent;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.read_disk(
            &request.workspace_id,
            &request.path,
            request.max_bytes,
            context.events,
            context.cancel,
        )
    }
}
