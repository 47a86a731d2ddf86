//! `pyro workspace exec`.

use crate::command_line::CommandLine;
use crate::vm_spec;
use crate::workspaces::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Run one command in a workspace.
///
/// It runs in `/workspace` by `/bin/sh -lc`. The exit code is the command's own
/// (128 + n after signal n, 124 at the deadline). Output streams live and is
/// kept for `workspace logs`; standard input is passed through. Commands may
/// run side by side. A workspace that was powered off because nobody used it is
/// started first.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceExecRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Command for `/bin/sh -lc` in the guest
    #[command(flatten)]
    pub command: CommandLine,
    /// Seconds until the command is killed; its exit code is 124 then
    #[arg(long, value_name = "SECONDS", default_value_t = vm_spec::timeout_seconds())]
    #[serde(default = "vm_spec::timeout_seconds")]
    #[schemars(range(min = 1))]
    pub timeout_seconds: u64,
}

/// `pyro workspace exec`.
pub struct WorkspaceExec;

impl Operation for WorkspaceExec {
    const NAME: &'static str = "workspace_exec";
    const CLI: &'static [&'static str] = &["workspace", "exec"];
    const PYTHON: Option<&'static str> = Some("exec_workspace");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace exec demo -- git --version",
        "pyro workspace exec demo --timeout-seconds 600 -- sh -c 'make && make test'",
    ];
    type Request = WorkspaceExecRequest;
    type Response = payloads::WorkspaceExec;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.exec(
            &request.workspace_id,
            request.command.checked()?,
            request.timeout_seconds,
            context.clone_stdin()?,
            context.events,
            context.cancel,
        )
    }
}
