//! `pyro workspace shell open`.

use crate::secret_env::SecretEnvs;
use crate::workspaces::shells::asks::Open;
use crate::workspaces::shells::{COLS, ROWS, payloads};
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Open an interactive shell in a workspace, on a terminal of its own.
///
/// It is bash without profile and rc files (`/bin/sh` where there is no bash),
/// with the prompt `pyro$ `. It goes on, whatever becomes of the caller, until
/// its program ends or it is closed, and ends with a stop, a reset or the
/// workspace's idle time; an open shell alone is no use of the workspace. A
/// workspace has up to 32. A workspace that was powered off because nobody used
/// it is started first.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShellOpenRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Folder of the guest it starts in, which has to exist
    #[arg(long, value_name = "PATH", default_value_t = workspace_path())]
    #[serde(default = "workspace_path")]
    pub cwd: String,
    /// Columns of its terminal, 1 to 500
    #[arg(long, default_value_t = COLS)]
    #[serde(default = "cols")]
    #[schemars(range(min = 1, max = 500))]
    pub cols: u16,
    /// Rows of its terminal, 1 to 200
    #[arg(long, default_value_t = ROWS)]
    #[serde(default = "rows")]
    #[schemars(range(min = 1, max = 200))]
    pub rows: u16,
    /// Secrets it gets in variables: the secret's name to the variable's
    #[command(flatten)]
    #[serde(default)]
    pub secret_env: SecretEnvs,
}

pub(super) fn workspace_path() -> String {
    crate::workspaces::payloads::WORKSPACE_PATH.to_owned()
}

fn cols() -> u16 {
    COLS
}

fn rows() -> u16 {
    ROWS
}

/// `pyro workspace shell open`.
pub struct ShellOpen;

impl Operation for ShellOpen {
    const NAME: &'static str = "shell_open";
    const CLI: &'static [&'static str] = &["workspace", "shell", "open"];
    const PYTHON: Option<&'static str> = Some("open_shell");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace shell open demo",
        "pyro workspace shell open demo --cwd /workspace/src --cols 100 --rows 40 --id-only",
        "pyro workspace shell open demo --secret-env TOKEN=API_TOKEN",
    ];
    const ONLY: Option<(&'static str, &'static str)> = Some(("id-only", "shell_id"));
    type Request = ShellOpenRequest;
    type Response = payloads::Shell;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let open = Open {
            cwd: request.cwd,
            cols: request.cols,
            rows: request.rows,
            secret_env: request.secret_env.0,
        };
        pyro.workspaces
            .open_shell(&request.workspace_id, &open, context.events, context.cancel)
    }
}
