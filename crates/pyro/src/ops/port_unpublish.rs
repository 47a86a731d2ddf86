//! `pyro workspace port unpublish`.

use crate::workspaces::ports::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Close a port that `port publish` opened, and its connections.
///
/// A service's ports go with the service.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortUnpublishRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Port of this host
    #[arg(value_name = "HOST_PORT")]
    pub host_port: String,
}

/// `pyro workspace port unpublish`.
pub struct PortUnpublish;

impl Operation for PortUnpublish {
    const NAME: &'static str = "port_unpublish";
    const CLI: &'static [&'static str] = &["workspace", "port", "unpublish"];
    const PYTHON: Option<&'static str> = Some("unpublish_port");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace port unpublish demo 8080"];
    type Request = PortUnpublishRequest;
    type Response = payloads::UnpublishedWorkspacePort;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.workspaces
            .unpublish_port(&request.workspace_id, &request.host_port)
    }
}
