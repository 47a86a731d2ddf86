//! `pyro workspace port list`.

use crate::workspaces::ports::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// List the ports of this host that lead into a workspace, those of services too.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortListRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
}

/// `pyro workspace port list`.
pub struct PortList;

impl Operation for PortList {
    const NAME: &'static str = "port_list";
    const CLI: &'static [&'static str] = &["workspace", "port", "list"];
    const PYTHON: Option<&'static str> = Some("list_ports");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace port list demo"];
    type Request = PortListRequest;
    type Response = payloads::WorkspacePorts;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.workspaces.list_ports(&request.workspace_id)
    }
}
