//! `pyro workspace service stop`.

use crate::workspaces::services::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stop a service: TERM to all its processes, and KILL after five seconds.
///
/// A service that has ended stays as it is. Its record and what it wrote are kept
/// until the workspace is reset or a service of the same name is started.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceStopRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Name of the service
    #[arg(value_name = "SERVICE")]
    pub service_name: String,
}

/// `pyro workspace service stop`.
pub struct ServiceStop;

impl Operation for ServiceStop {
    const NAME: &'static str = "service_stop";
    const CLI: &'static [&'static str] = &["workspace", "service", "stop"];
    const PYTHON: Option<&'static str> = Some("stop_service");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace service stop demo web"];
    type Request = ServiceStopRequest;
    type Response = payloads::Service;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.workspaces
            .stop_service(&request.workspace_id, &request.service_name)
    }
}
