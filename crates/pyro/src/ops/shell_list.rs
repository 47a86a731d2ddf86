//! `pyro workspace shell list`.

use crate::workspaces::shells::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// List the shells of a workspace, the oldest first.
///
/// With those that ended and were not closed. The guest is not asked.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShellListRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
}

/// `pyro workspace shell list`.
pub struct ShellList;

impl Operation for ShellList {
    const NAME: &'static str = "shell_list";
    const CLI: &'static [&'static str] = &["workspace", "shell", "list"];
    const PYTHON: Option<&'static str> = Some("list_shells");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace shell list demo"];
    type Request = ShellListRequest;
    type Response = payloads::ShellList;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces
            .list_shells(&request.workspace_id, context.cancel)
    }
}
