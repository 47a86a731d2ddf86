//! `pyro workspace exec`.

use crate::command_line::CommandLine;
use crate::input_rules::Rule;
use crate::secret_env::SecretEnvs;
use crate::vm_spec;
use crate::workspaces::{Look, NewCommand, payloads};
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Run one command in a workspace, or look at one that runs.
///
/// It runs in `/workspace` by `/bin/sh -lc`. The exit code is the command's own
/// (128 + n after signal n, 124 at the deadline). Output streams live and is
/// kept for `workspace logs`; standard input is passed through. Commands may
/// run side by side. A workspace that was powered off because nobody used it is
/// started first.
///
/// With `wait_seconds` the command goes on when it has not ended by then,
/// whatever becomes of the caller, and has no standard input. The answer has
/// `running` and a `command_id` then. With that id instead of a command the same
/// call polls it, waits for it or cancels it; what it wrote is shown from its
/// beginning, and later parts alone by `workspace logs` with an offset.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceExecRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Command for `/bin/sh -lc` in the guest
    #[command(flatten)]
    #[serde(default)]
    pub command: CommandLine,
    /// Seconds until the command is killed; its exit code is 124 then
    #[arg(long, value_name = "SECONDS", default_value_t = vm_spec::timeout_seconds())]
    #[serde(default = "vm_spec::timeout_seconds")]
    #[schemars(range(min = 1))]
    pub timeout_seconds: u64,
    /// Secrets it gets in variables: the secret's name to the variable's
    #[command(flatten)]
    #[serde(default)]
    pub secret_env: SecretEnvs,
    /// Answer after so many seconds, 0 to 3600, also when the command still runs;
    /// unless given, a new command is waited for and a known one is not
    #[arg(long, value_name = "SECONDS")]
    #[serde(default)]
    #[schemars(range(min = 0, max = 3600))]
    pub wait_seconds: Option<u64>,
    /// Look at the command of this id instead of running one
    #[arg(long, value_name = "ID")]
    #[serde(default)]
    pub command_id: Option<String>,
    /// Kill the command of that id and all it started
    #[arg(long)]
    #[serde(default)]
    pub cancel: bool,
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
        "pyro workspace exec demo --timeout-seconds 7200 --wait-seconds 10 -- make world",
        "pyro workspace exec demo --command-id c0-7 --wait-seconds 600",
        "pyro workspace exec demo --command-id c0-7 --cancel",
    ];
    const RULES: &'static [Rule] = &[
        Rule::NotWith("command", &["command_id"]),
        Rule::NotWith("timeout_seconds", &["command_id"]),
        Rule::NotWith("secret_env", &["command_id"]),
        Rule::Needs("cancel", &["command_id"]),
    ];
    type Request = WorkspaceExecRequest;
    type Response = payloads::WorkspaceExec;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let (workspaces, workspace) = (&pyro.workspaces, &request.workspace_id);
        let (events, cancel) = (context.events, context.cancel);
        if let Some(command_id) = request.command_id {
            let look = Look {
                command_id,
                wait_seconds: request.wait_seconds.unwrap_or_default(),
                cancel: request.cancel,
            };
            return workspaces.look(workspace, &look, events, cancel);
        }
        let command = NewCommand {
            command: request.command.checked()?,
            timeout_seconds: request.timeout_seconds,
            secret_env: &request.secret_env.0,
        };
        match request.wait_seconds {
            Some(wait) => workspaces.launch(workspace, &command, wait, events, cancel),
            None => workspaces.exec(workspace, &command, context.clone_stdin()?, events, cancel),
        }
    }
}
