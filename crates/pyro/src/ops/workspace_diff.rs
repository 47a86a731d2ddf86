//! `pyro workspace diff`.

use crate::input_rules::Rule;
use crate::workspaces::files::payloads::WorkspaceDiff;
use crate::workspaces::files::{DiffForm, DiffRequest};
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show what changed in a workspace since it was created.
///
/// The patch is for `git apply`. It has files, links and the executable bit;
/// empty directories, special files and other permission bits are listed
/// alone. A binary file is one line, a file or patch that is too large one
/// sentence; git refuses a patch with either, so that nobody takes it for the
/// whole. `.git` is left out. A reset or a commit made inside does not change
/// what is compared with.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceDiffRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Files or directories below `/workspace`, also deleted ones; everything without any
    #[arg(value_name = "PATH")]
    #[serde(default)]
    pub paths: Vec<String>,
    /// Count lines per file instead of showing them
    #[arg(long)]
    #[serde(default)]
    pub stat: bool,
    /// Name the changed paths alone
    #[arg(long)]
    #[serde(default)]
    pub name_only: bool,
}

/// `pyro workspace diff`.
pub struct WorkspaceDiffOperation;

impl Operation for WorkspaceDiffOperation {
    const NAME: &'static str = "workspace_diff";
    const CLI: &'static [&'static str] = &["workspace", "diff"];
    const PYTHON: Option<&'static str> = Some("diff_workspace");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace diff demo",
        "pyro workspace diff demo src README.md --stat",
        "pyro workspace diff demo --patch-only > demo.patch",
    ];
    const ONLY: Option<(&'static str, &'static str)> = Some(("patch-only", "patch"));
    const RULES: &'static [Rule] = &[Rule::NotWith("stat", &["name_only"])];
    type Request = WorkspaceDiffRequest;
    type Response = WorkspaceDiff;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let form = match (request.stat, request.name_only) {
            (false, false) => DiffForm::Patch,
            (true, _) => DiffForm::Stat,
            (false, true) => DiffForm::NameOnly,
        };
        let wanted = DiffRequest {
            paths: request.paths,
            form,
        };
        pyro.workspaces.diff(
            &request.workspace_id,
            &wanted,
            context.events,
            context.cancel,
        )
    }
}
