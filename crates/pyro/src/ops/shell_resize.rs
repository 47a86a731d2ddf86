//! `pyro workspace shell resize`.

use crate::workspaces::shells::payloads;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Give the terminal of a shell another size.
///
/// What runs in the foreground is told, as when a window's size changes.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShellResizeRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Id of a shell
    #[arg(value_name = "SHELL")]
    pub shell_id: String,
    /// Columns, 1 to 500; unless given, as they are
    #[arg(long)]
    #[serde(default)]
    #[schemars(range(min = 1, max = 500))]
    pub cols: Option<u16>,
    /// Rows, 1 to 200; unless given, as they are
    #[arg(long)]
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    pub rows: Option<u16>,
}

/// `pyro workspace shell resize`.
pub struct ShellResize;

impl Operation for ShellResize {
    const NAME: &'static str = "shell_resize";
    const CLI: &'static [&'static str] = &["workspace", "shell", "resize"];
    const PYTHON: Option<&'static str> = Some("resize_shell");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] =
        &["pyro workspace shell resize demo 0123456789ab --cols 100 --rows 40"];
    type Request = ShellResizeRequest;
    type Response = payloads::Shell;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        pyro.workspaces.resize_shell(
            &request.workspace_id,
            &request.shell_id,
            request.cols,
            request.rows,
            context.cancel,
        )
    }
}
