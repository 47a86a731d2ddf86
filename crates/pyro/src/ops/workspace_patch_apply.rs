//! `pyro workspace patch apply`.

use crate::text_or_file;
use crate::workspaces::files::payloads::PatchApplied;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Apply a patch to the files of a workspace, all or nothing.
///
/// Takes what `git diff` prints: new, deleted and renamed files, modes, links. A
/// hunk whose lines moved is found when its place is unique; every hunk that
/// does not fit is named with its reason.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspacePatchApplyRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// The patch, at most 1 MiB
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    #[serde(default)]
    pub patch: Option<String>,
    /// A file of this host with the patch
    #[arg(long, value_name = "FILE")]
    #[serde(default)]
    pub patch_file: Option<String>,
}

/// `pyro workspace patch apply`.
pub struct WorkspacePatchApply;

impl Operation for WorkspacePatchApply {
    const NAME: &'static str = "workspace_patch_apply";
    const CLI: &'static [&'static str] = &["workspace", "patch", "apply"];
    const PYTHON: Option<&'static str> = Some("apply_workspace_patch");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] =
        &["pyro workspace patch apply demo --patch-file fix.patch"];
    type Request = WorkspacePatchApplyRequest;
    type Response = PatchApplied;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let patch = text_or_file::read(&pyro.host, "patch", request.patch, request.patch_file)?;
        pyro.workspaces.apply_patch(
            &request.workspace_id,
            &patch,
            context.events,
            context.cancel,
        )
    }
}
