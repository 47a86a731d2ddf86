//! `pyro host repair`: make a chat host know the server again.

use crate::chat_host_options::{Given, LaunchOptions, host_parser, scope_parser};
use crate::server_options::ServerOptions;
use crate::{Context, Effect, Operation, Pyro, Result};
use pyro_engine::chat_hosts::connect::Obstacles;
use pyro_engine::chat_hosts::host::{Host, Scope};
pub use pyro_engine::chat_hosts::payloads::Connected;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mend the server's entry in a chat host's configuration.
///
/// The entry that wins is mended, or the one of --scope; without flags, the
/// options it has stay. A file that the host cannot read is kept as a backup
/// and replaced by a new one.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostRepairRequest {
    /// The host
    #[arg(value_name = "HOST", value_parser = host_parser())]
    pub host: Host,
    /// Whose entry to mend; otherwise the one that wins
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

/// `pyro host repair`.
pub struct HostRepair;

impl Operation for HostRepair {
    const NAME: &'static str = "host_repair";
    const CLI: &'static [&'static str] = &["host", "repair"];
    const PYTHON: Option<&'static str> = Some("host_repair");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro host repair claude-code",
        "pyro host repair codex --mode repro-fix --project-path ~/src/app",
        "pyro host repair opencode --config-path ./opencode.json --json",
    ];
    type Request = HostRepairRequest;
    type Response = Connected;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        let given = Given {
            launch: &request.launch,
            server: &request.server,
            scope: request.scope,
            config_path: request.config_path.as_deref(),
        };
        given.connect(pyro, request.host, Obstacles::Replace)
    }
}
