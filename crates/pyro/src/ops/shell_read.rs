//! `pyro workspace shell read`.

use crate::workspaces::shells::asks::Read;
use crate::workspaces::shells::{MAX_CHARS, payloads};
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Read what a shell showed, from a cursor on.
///
/// A cursor counts characters of all the shell ever showed; `next_cursor` of
/// one read is the cursor of the next, and reading takes nothing away. The last
/// megabyte is kept; `dropped` says how many characters of those asked for are
/// gone. Without a wait it answers at once; with one at the latest after 30
/// seconds, or when the shell ends or `max_chars` are there.
///
/// With `plain` the output is what the terminal looks like: the lines since the
/// cursor from the first that changed on, whole and as they stand, without
/// colours and what was overwritten; while a full-screen program runs, its
/// screen. Cursors count the same characters either way. What can be the
/// beginning of a secret is held back until more comes.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShellReadRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Id of a shell
    #[arg(value_name = "SHELL")]
    pub shell_id: String,
    /// Read from this character on; beyond the end is the end
    #[arg(long, value_name = "CHARS", default_value_t = 0)]
    #[serde(default)]
    pub cursor: u64,
    /// Read at most so many characters, 1 to 1048576
    #[arg(long, value_name = "CHARS", default_value_t = MAX_CHARS)]
    #[serde(default = "max_chars")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub max_chars: u64,
    /// Show what the terminal looks like instead of what was sent to it
    #[arg(long)]
    #[serde(default)]
    pub plain: bool,
    /// Wait until nothing was shown for so many milliseconds, 1 to 10000
    #[arg(long, value_name = "MS")]
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_000))]
    pub wait_for_idle_ms: Option<u64>,
    /// Wait until this text was shown behind the cursor, where what is typed is
    /// shown too; with a quiet time, for that time after it
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    #[serde(default)]
    pub wait_for: Option<String>,
}

fn max_chars() -> u64 {
    MAX_CHARS
}

/// `pyro workspace shell read`.
pub struct ShellRead;

impl Operation for ShellRead {
    const NAME: &'static str = "shell_read";
    const CLI: &'static [&'static str] = &["workspace", "shell", "read"];
    const PYTHON: Option<&'static str> = Some("read_shell");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace shell read demo 0123456789ab --plain --wait-for-idle-ms 300",
        "pyro workspace shell read demo 0123456789ab --cursor 812 --wait-for 'pyro$ '",
    ];
    type Request = ShellReadRequest;
    type Response = payloads::ShellRead;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let read = Read {
            shell_id: request.shell_id,
            cursor: request.cursor,
            max_chars: request.max_chars,
            plain: request.plain,
            wait_for_idle_ms: request.wait_for_idle_ms,
            wait_for: request.wait_for,
        };
        pyro.workspaces
            .read_shell(&request.workspace_id, read, context.cancel)
    }
}
