//! `pyro workspace summary`.

use crate::workspaces::summary::payloads::WorkspaceSummary;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Review what happened in a workspace since its last reset: commands, edits,
/// changed files, exports, snapshots, the outcome.
///
/// Looking changes nothing and starts nothing; of one that runs it renews the
/// idle time, as any call does. Which files changed is known while the
/// workspace runs; all else also when it is stopped.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceSummaryRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Also write one self-contained page with the patch, for a browser; must not exist
    #[arg(long, value_name = "FILE")]
    #[serde(default)]
    pub html: Option<String>,
}

/// `pyro workspace summary`.
pub struct WorkspaceSummaryOperation;

impl Operation for WorkspaceSummaryOperation {
    const NAME: &'static str = "workspace_summary";
    const CLI: &'static [&'static str] = &["workspace", "summary"];
    const PYTHON: Option<&'static str> = Some("summarize_workspace");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace summary demo",
        "pyro workspace summary demo --json",
        "pyro workspace summary demo --html review.html",
    ];
    type Request = WorkspaceSummaryRequest;
    type Response = WorkspaceSummary;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.summary(
            &request.workspace_id,
            request.html.as_deref(),
            context.cancel,
        )
    }
}
