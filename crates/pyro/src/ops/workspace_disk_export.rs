//! `pyro workspace disk export`.

use crate::workspaces::disk::payloads::DiskExported;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Write the disk of a stopped workspace as one ext4 image.
///
/// The image holds the whole root file system with the workspace at
/// `/workspace`, and is sparse. The output must not exist; it appears whole or
/// not at all.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceDiskExportRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Path on this host; parents are made
    #[arg(long = "output", value_name = "PATH")]
    pub output_path: String,
}

/// `pyro workspace disk export`.
pub struct WorkspaceDiskExport;

impl Operation for WorkspaceDiskExport {
    const NAME: &'static str = "workspace_disk_export";
    const CLI: &'static [&'static str] = &["workspace", "disk", "export"];
    const PYTHON: Option<&'static str> = Some("export_workspace_disk");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] =
        &["pyro workspace disk export demo --output demo.ext4"];
    type Request = WorkspaceDiskExportRequest;
    type Response = DiskExported;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.export_disk(
            &request.workspace_id,
            &request.output_path,
            context.events,
            context.cancel,
        )
    }
}
