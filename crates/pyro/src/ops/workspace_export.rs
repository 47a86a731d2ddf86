//! `pyro workspace export`.

use crate::workspaces::files::payloads::Exported;
use crate::{Context, Effect, Error, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Copy a file, what is in a directory, or the patch of all changes to this host.
///
/// The output must not exist; it appears whole or not at all. setuid bits are
/// dropped, links stay links, and nothing is written into a `.git`.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceExportRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// File or directory below `/workspace`; with --patch only needed to leave out the rest
    #[arg(value_name = "PATH")]
    #[serde(default)]
    pub path: Option<String>,
    /// Write what changed since the workspace was created, as a patch for `git apply`
    #[arg(long)]
    #[serde(default)]
    pub patch: bool,
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
        "pyro workspace export demo --patch --output demo.patch",
    ];
    type Request = WorkspaceExportRequest;
    type Response = Exported;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let (id, output) = (&request.workspace_id, &request.output_path);
        let (events, cancel) = (context.events, context.cancel);
        match (request.path.as_deref(), request.patch) {
            (path, true) => pyro
                .workspaces
                .export_patch(id, path, output, events, cancel),
            (Some(path), false) => pyro.workspaces.export(id, path, output, events, cancel),
            (None, false) => Err(Error::invalid(
                "invalid_request",
                "there is nothing to export: neither a path nor a patch was asked for",
            )
            .hint("name a path below /workspace, or ask for the patch")),
        }
    }
}
