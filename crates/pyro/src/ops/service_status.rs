//! `pyro workspace service status`.

use crate::workspaces::services::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show how it is with one service: its state, since when it is ready, how it ended.
///
/// Nothing is waited for: what is shown is what its workspace's supervisor wrote
/// down when it happened.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceStatusRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Name of the service
    #[arg(value_name = "SERVICE")]
    pub service_name: String,
}

/// `pyro workspace service status`.
pub struct ServiceStatus;

impl Operation for ServiceStatus {
    const NAME: &'static str = "service_status";
    const CLI: &'static [&'static str] = &["workspace", "service", "status"];
    const PYTHON: Option<&'static str> = Some("status_service");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace service status demo web"];
    type Request = ServiceStatusRequest;
    type Response = payloads::Service;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.workspaces
            .status_service(&request.workspace_id, &request.service_name)
    }
}
