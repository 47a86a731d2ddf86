//! `pyro workspace service logs`.

use super::workspace_logs::stream_parser;
use crate::input_rules::Rule;
use crate::workspaces::payloads::LogStream;
use crate::workspaces::services::{WantedServiceLogs, payloads};
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show what a service wrote: the last lines, all that is kept, or a page of it.
///
/// Of each stream the last 64 MiB are kept, across restarts and the end of the
/// workspace's machine, until a reset. `truncated` says that something is missing
/// here, the dropped bytes what is gone for good. The last lines are 1 MiB at most.
/// With any of `stream`, `offset` and `limit` it is one page of one stream: go on at
/// `next_offset` until it is null, which it is not as long as the service runs.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceLogsRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Name of the service
    #[arg(value_name = "SERVICE")]
    pub service_name: String,
    /// Most lines of each stream, the last ones, 1 to 1000000
    #[arg(long, value_name = "N", default_value_t = tail_lines())]
    #[serde(default = "tail_lines")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub tail_lines: u64,
    /// All that is kept, whatever the number of lines
    #[arg(long)]
    #[serde(default)]
    pub all: bool,
    /// A page of this stream; stdout unless given
    #[arg(long, value_name = "STREAM", value_parser = stream_parser())]
    #[serde(default)]
    pub stream: Option<LogStream>,
    /// A page from this byte on; 0 unless given
    #[arg(long, value_name = "BYTES")]
    #[serde(default)]
    pub offset: Option<u64>,
    /// A page of so many bytes at most, 1 to 1048576; 65536 unless given
    #[arg(long, value_name = "BYTES")]
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub limit: Option<u64>,
}

fn tail_lines() -> u64 {
    200
}

/// `pyro workspace service logs`.
pub struct ServiceLogs;

impl Operation for ServiceLogs {
    const NAME: &'static str = "service_logs";
    const CLI: &'static [&'static str] = &["workspace", "service", "logs"];
    const PYTHON: Option<&'static str> = Some("logs_service");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace service logs demo web",
        "pyro workspace service logs demo web --tail-lines 20",
        "pyro workspace service logs demo web --stream stderr --offset 65536",
    ];
    const RULES: &'static [Rule] = &[
        Rule::NotWith("tail_lines", &["stream", "offset", "limit"]),
        Rule::NotWith("all", &["stream", "offset", "limit"]),
    ];
    type Request = ServiceLogsRequest;
    type Response = payloads::ServiceLogs;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        let logs = WantedServiceLogs {
            tail_lines: (!request.all).then_some(request.tail_lines),
            stream: request.stream,
            offset: request.offset,
            limit: request.limit,
        };
        pyro.workspaces
            .logs_service(&request.workspace_id, &request.service_name, &logs)
    }
}
