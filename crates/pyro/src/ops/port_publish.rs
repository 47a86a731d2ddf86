//! `pyro workspace port publish`.

use crate::workspaces::ports::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Open a port of this host, on 127.0.0.1 only, that leads to a port of a running workspace.
///
/// The guest needs no network for it. What listens in the guest on 127.0.0.1, ::1
/// or an address of its own is reached; where nothing listens, connections are
/// closed at once. The port stays open until it is unpublished or the workspace
/// is stopped, reset or deleted, whatever becomes of the command that published
/// it; a start does not open it again.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortPublishRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// `GUEST_PORT`, for a free port of this host, or `HOST_PORT:GUEST_PORT`; host ports are 1025 to 65535
    #[arg(value_name = "PORT")]
    pub port: String,
}

/// `pyro workspace port publish`.
pub struct PortPublish;

impl Operation for PortPublish {
    const NAME: &'static str = "port_publish";
    const CLI: &'static [&'static str] = &["workspace", "port", "publish"];
    const PYTHON: Option<&'static str> = Some("publish_port");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace port publish demo 8080:80",
        "pyro workspace port publish demo 3000 --host-port-only",
    ];
    const ONLY: Option<(&'static str, &'static str)> = Some(("host-port-only", "host_port"));
    type Request = PortPublishRequest;
    type Response = payloads::PublishedWorkspacePort;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.publish_port(
            &request.workspace_id,
            &request.port,
            context.events,
            context.cancel,
        )
    }
}
