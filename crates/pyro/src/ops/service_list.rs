//! `pyro workspace service list`.

use crate::workspaces::services::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// List the services of a workspace and how it is with each, by name.
///
/// Neither its guest nor anything in it is waited for; a stopped workspace has its
/// services on record until it is reset.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceListRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
}

/// `pyro workspace service list`.
pub struct ServiceList;

impl Operation for ServiceList {
    const NAME: &'static str = "service_list";
    const CLI: &'static [&'static str] = &["workspace", "service", "list"];
    const PYTHON: Option<&'static str> = Some("list_services");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &["pyro workspace service list demo"];
    type Request = ServiceListRequest;
    type Response = payloads::ServiceList;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.workspaces.list_services(&request.workspace_id)
    }
}
