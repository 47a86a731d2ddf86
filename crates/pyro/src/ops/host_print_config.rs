//! `pyro host print-config`: the document for a chat host.

use crate::chat_host_options::{Given, LaunchOptions, print_host_parser};
use crate::server_options::ServerOptions;
use crate::{Context, Effect, Operation, Pyro, Result};
pub use pyro_engine::chat_hosts::payloads::PrintedConfig;
use pyro_engine::chat_hosts::places::Surroundings;
use pyro_engine::chat_hosts::print_config::{PrintHost, print_config};
use pyro_engine::layout::expand_home;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Print what belongs into a chat host's configuration.
///
/// Also for hosts that pyro does not connect itself. A file of --output that
/// is there keeps everything else in it, and a backup.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostPrintConfigRequest {
    /// The host
    #[arg(value_name = "HOST", value_parser = print_host_parser())]
    pub host: PrintHost,
    /// Write it into this file; its folder is made
    #[arg(long, value_name = "PATH")]
    #[serde(default)]
    pub output: Option<String>,
    /// How the host starts the server
    #[command(flatten)]
    #[serde(default)]
    pub launch: LaunchOptions,
    /// What the server offers
    #[command(flatten)]
    #[serde(default)]
    pub server: ServerOptions,
}

/// `pyro host print-config`.
pub struct HostPrintConfig;

impl Operation for HostPrintConfig {
    const NAME: &'static str = "host_print_config";
    const CLI: &'static [&'static str] = &["host", "print-config"];
    const PYTHON: Option<&'static str> = Some("host_print_config");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro host print-config opencode",
        "pyro host print-config cursor --mode inspect --output .cursor/mcp.json",
        "pyro host print-config goose --uvx",
    ];
    type Request = HostPrintConfigRequest;
    type Response = PrintedConfig;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        let around = Surroundings::of_this_process(pyro.layout())?;
        let given = Given {
            launch: &request.launch,
            server: &request.server,
            scope: None,
            config_path: None,
        };
        given.check(pyro, &around)?;
        let wish = given.wish(&around)?;
        let output = request.output.as_deref().map(expand_home);
        print_config(request.host, &wish, output.as_deref(), &around.backups)
    }
}
