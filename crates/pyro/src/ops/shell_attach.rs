//! `pyro workspace shell attach`: for a person, so it is no tool and no method
//! of the Python package.

use super::shell_open::workspace_path;
use crate::input_rules::Rule;
use crate::secret_env::SecretEnvs;
use crate::workspaces::shells::{Attach, payloads};
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Use a shell on this terminal. Ctrl-] leaves it, and it goes on.
///
/// Without a shell's id one is opened, as large as this terminal, and closed
/// when its program ends; left by Ctrl-] it goes on like any other. The shell
/// takes the size of this terminal and follows it. Several terminals may be
/// attached to one shell. The exit code is that of the shell's program, 0 after
/// Ctrl-]. An attached shell is use of the workspace.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShellAttachRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Id of a shell; unless given, one is opened
    #[arg(value_name = "SHELL")]
    #[serde(default)]
    pub shell_id: Option<String>,
    /// Folder of the guest that a shell opened now starts in
    #[arg(long, value_name = "PATH", default_value_t = workspace_path())]
    #[serde(default = "workspace_path")]
    pub cwd: String,
    /// Secrets it gets in variables: the secret's name to the variable's
    #[command(flatten)]
    #[serde(default)]
    pub secret_env: SecretEnvs,
}

/// `pyro workspace shell attach`.
pub struct ShellAttach;

impl Operation for ShellAttach {
    const NAME: &'static str = "shell_attach";
    const CLI: &'static [&'static str] = &["workspace", "shell", "attach"];
    const PYTHON: Option<&'static str> = None;
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace shell attach demo",
        "pyro workspace shell attach demo 0123456789ab",
    ];
    const RULES: &'static [Rule] = &[
        Rule::NotWith("cwd", &["shell_id"]),
        Rule::NotWith("secret_env", &["shell_id"]),
    ];
    type Request = ShellAttachRequest;
    type Response = payloads::ShellAttached;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let attach = Attach {
            shell_id: request.shell_id,
            cwd: request.cwd,
            secret_env: request.secret_env.0,
        };
        pyro.workspaces.attach_shell(
            &request.workspace_id,
            &attach,
            context.clone_stdin()?,
            context.events,
            context.cancel,
        )
    }
}
