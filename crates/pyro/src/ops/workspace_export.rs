//! `pyro workspace export`.

use crate::workspaces::files::payloads::Exported;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Copy a file, or what is in a directory, from a workspace to this host.
///
/// The output must not exist; it appears whole or not at all. setuid bits are
/// dropped, links stay links, and nothing is written into a `.git`.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceExportRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// File or directory below `/workspace`
    #[arg(value_name = "PATH")]
    pub path: String,
    /// Path on this host; parents are made
    #[arg(long = "output", value_name = "PATH")]
    pub output_path: String,
}

/// `pyro workspace export`.
pub struct WorkspaceExport;

impl Operation for WorkspaceExport {
    const NAME: &'static str = "workspace_export";
    const CLI: &'static [&'static str] = &["workspace", "export"];
    const PYTHON: Option<&'static str> = Some("export_workspace");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace export demo report.txt --output report.txt",
        "pyro workspace export demo dist --output ./dist",
    ];
    type Request = WorkspaceExportRequest;
    type Response = Exported;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.export(
            &request.workspace_id,
            &request.path,
            &request.output_path,
            context.events,
            context.cancel,
        )
    }
}
