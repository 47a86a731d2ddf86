//! `pyro host connect`: make a chat host know the server.

use crate::chat_host_options::{Given, LaunchOptions, host_parser, scope_parser};
use crate::server_options::ServerOptions;
use crate::{Context, Effect, Operation, Pyro, Result};
use pyro_engine::chat_hosts::connect::Obstacles;
use pyro_engine::chat_hosts::host::{Host, Scope};
pub use pyro_engine::chat_hosts::payloads::Connected;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Write the server into a chat host's configuration.
///
/// Only pyro's own entry is touched: comments, other keys and keys that you
/// added to the entry stay. The file as it was is kept beside it, or in
/// pyro's state folder where it would lie in a Git work tree. Without
/// --project-path or --repo-url, the server takes the project that the host
/// is started in.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostConnectRequest {
    /// The host
    #[arg(value_name = "HOST", value_parser = host_parser())]
    pub host: Host,
    /// Whom the entry is for; otherwise every project of this user
    #[arg(long, value_name = "SCOPE", value_parser = scope_parser())]
    #[serde(default)]
    pub scope: Option<Scope>,
    /// OpenCode's file, when it is not the usual one; for no other host
    #[arg(long, value_name = "PATH")]
    #[serde(default)]
    pub config_path: Option<String>,
    /// How the host starts the server
    #[command(flatten)]
    #[serde(default)]
    pub launch: LaunchOptions,
    /// What the server offers
    #[command(flatten)]
    #[serde(default)]
    pub server: ServerOptions,
}

/// `pyro host connect`.
pub struct HostConnect;

impl Operation for HostConnect {
    const NAME: &'static str = "host_connect";
    const CLI: &'static [&'static str] = &["host", "connect"];
    const PYTHON: Option<&'static str> = Some("host_connect");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro host connect claude-code",
        "pyro host connect codex --mode repro-fix --project-path ~/src/app",
        "pyro host connect opencode --scope project --network-policy egress --allow-domain registries",
        "pyro host connect claude-code --ssh build-box --project-path ~/src/app",
    ];
    type Request = HostConnectRequest;
    type Response = Connected;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        let given = Given {
            launch: &request.launch,
            server: &request.server,
            scope: request.scope,
            config_path: request.config_path.as_deref(),
        };
        given.connect(pyro, request.host, Obstacles::Refuse)
    }
}
