//! `pyro workspace list`.

use crate::labels::Labels;
use crate::workspaces::Filter;
use crate::workspaces::payloads::{WorkspaceList, WorkspaceState};
use crate::{Context, Effect, Operation, Pyro, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// List workspaces, the last used first.
///
/// Reads what is written down; asks no workspace, so it does not count as use.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceListRequest {
    /// Only those with this name
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    pub name: Option<String>,
    /// Only those with all of these labels
    #[command(flatten)]
    #[serde(default)]
    pub labels: Labels,
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = state_parser())]
    #[serde(default)]
    pub state: Option<WorkspaceState>,
}

fn state_parser() -> impl TypedValueParser<Value = WorkspaceState> {
    PossibleValuesParser::new(["started", "stopped"]).map(|name| match name.as_str() {
        "started" => WorkspaceState::Started,
        _ => WorkspaceState::Stopped,
    })
}

/// `pyro workspace list`.
pub struct WorkspaceListOperation;

impl Operation for WorkspaceListOperation {
    const NAME: &'static str = "workspace_list";
    const CLI: &'static [&'static str] = &["workspace", "list"];
    const PYTHON: Option<&'static str> = Some("list_workspaces");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace list",
        "pyro workspace list --state started --label task=42 --json",
    ];
    type Request = WorkspaceListRequest;
    type Response = WorkspaceList;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.workspaces.list(&Filter {
            name: request.name,
            labels: request.labels.0,
            state: request.state,
        })
    }
}
