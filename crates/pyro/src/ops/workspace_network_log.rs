//! `pyro workspace network log`.

use crate::workspaces::network::{Look, WorkspaceNetworkLog as Page};
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show what a workspace's guest asked of the network since its last reset, let through or refused.
///
/// Each entry counts what was the same within some seconds. The log has its bounds: of much,
/// the oldest goes. Go on at `next_offset` until it is null.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceNetworkLogRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Only what was refused
    #[arg(long)]
    #[serde(default)]
    pub refused: bool,
    /// Entries to pass over, the oldest first
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    #[serde(default)]
    pub offset: u64,
    /// Entries at most, 1 to 10000
    #[arg(long, value_name = "COUNT", default_value_t = limit())]
    #[serde(default = "limit")]
    #[schemars(range(min = 1, max = 10_000))]
    pub limit: u64,
}

const fn limit() -> u64 {
    1000
}

/// `pyro workspace network log`.
pub struct WorkspaceNetworkLog;

impl Operation for WorkspaceNetworkLog {
    const NAME: &'static str = "workspace_network_log";
    const CLI: &'static [&'static str] = &["workspace", "network", "log"];
    const PYTHON: Option<&'static str> = Some("network_log_workspace");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace network log demo",
        "pyro workspace network log demo --refused --json",
    ];
    type Request = WorkspaceNetworkLogRequest;
    type Response = Page;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        let look = Look {
            refused: request.refused,
            offset: request.offset,
            limit: request.limit,
        };
        pyro.workspaces.network_log(&request.workspace_id, &look)
    }
}
