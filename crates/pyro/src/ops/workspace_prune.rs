//! `pyro workspace prune`.

use crate::workspaces::payloads::PrunedWorkspaces;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Delete stopped workspaces that nobody changed for long.
///
/// One that runs is never deleted, however old it is. Images of seeds that no
/// workspace has any more go as well, when nobody used them for so long, and so
/// does what models exported of workspaces that are gone, when it is as old.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspacePruneRequest {
    /// Least age of the last change: a number and s, m, h or d, for example `7d`
    #[arg(long, value_name = "AGE")]
    pub older_than: String,
    /// Say what would be deleted, and delete nothing
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
}

/// `pyro workspace prune`.
pub struct WorkspacePrune;

impl Operation for WorkspacePrune {
    const NAME: &'static str = "workspace_prune";
    const CLI: &'static [&'static str] = &["workspace", "prune"];
    const PYTHON: Option<&'static str> = None;
    const EFFECT: Effect = Effect::Destroys;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace prune --older-than 7d --dry-run",
        "pyro workspace prune --older-than 7d",
    ];
    type Request = WorkspacePruneRequest;
    type Response = PrunedWorkspaces;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.workspaces.prune(&request.older_than, request.dry_run)
    }
}
