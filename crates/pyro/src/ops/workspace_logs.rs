//! `pyro workspace logs`.

use crate::input_rules::Rule;
use crate::workspaces::Logs;
use crate::workspaces::payloads::{self, LogStream};
use crate::{Context, Effect, Operation, Pyro, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show the commands that ran in a workspace since its last reset, and what they said.
///
/// Of long outputs the beginning and the end are shown. With `sequence` and any of
/// `stream`, `offset` and `limit` it is one page of one stream instead, whole up to
/// 64 MiB: go on at `next_offset` until it is null, which it is not as long as the
/// command runs. Pages do not cut characters.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceLogsRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Only the command of this number
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub sequence: Option<u64>,
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

pub(super) fn stream_parser() -> impl TypedValueParser<Value = LogStream> {
    let streams = [LogStream::Stdout, LogStream::Stderr];
    // The possible values are the names of these, so one always matches.
    PossibleValuesParser::new(streams.map(LogStream::as_str)).map(move |name| {
        if name == LogStream::Stderr.as_str() {
            LogStream::Stderr
        } else {
            LogStream::Stdout
        }
    })
}

/// `pyro workspace logs`.
pub struct WorkspaceLogs;

impl Operation for WorkspaceLogs {
    const NAME: &'static str = "workspace_logs";
    const CLI: &'static [&'static str] = &["workspace", "logs"];
    const PYTHON: Option<&'static str> = Some("logs_workspace");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace logs demo",
        "pyro workspace logs demo --sequence 7 --stream stderr --offset 65536",
    ];
    const RULES: &'static [Rule] = &[
        Rule::Needs("stream", &["sequence"]),
        Rule::Needs("offset", &["sequence"]),
        Rule::Needs("limit", &["sequence"]),
    ];
    type Request = WorkspaceLogsRequest;
    type Response = payloads::WorkspaceLogs;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        let logs = Logs {
            sequence: request.sequence,
            stream: request.stream,
            offset: request.offset,
            limit: request.limit,
        };
        pyro.workspaces.logs(&request.workspace_id, &logs)
    }
}
