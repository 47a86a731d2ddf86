//! What operations on shells return (contract: `payloads.md` §13).
//!
//! Owns: the shapes. Refuses: behaviour.

use crate::vms::payloads::ExecutionMode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether the shell's program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShellState {
    /// It runs.
    Running,
    /// It ended; what it showed can be read until the shell is closed.
    Stopped,
}

/// A shell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shell {
    /// The workspace.
    pub workspace_id: String,
    /// 12 lowercase hex characters, never used again.
    pub shell_id: String,
    /// The folder it was opened in.
    pub cwd: String,
    /// Columns of its terminal.
    pub cols: u16,
    /// Rows of its terminal.
    pub rows: u16,
    /// Whether it runs.
    pub state: ShellState,
    /// Unix time in seconds.
    pub started_at: f64,
    /// Unix time at which it ended.
    pub ended_at: Option<f64>,
    /// Its exit code, 128 + n after signal n; null while it runs, and when
    /// nobody knows it.
    pub exit_code: Option<i32>,
    /// How it runs.
    pub execution_mode: ExecutionMode,
    /// How many terminals of people are attached to it.
    pub attached: usize,
}

/// The shells of a workspace, the oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShellList {
    /// The workspace.
    pub workspace_id: String,
    /// How many.
    pub count: usize,
    /// Those that run.
    pub running_count: usize,
    /// Each.
    pub shells: Vec<Shell>,
}

/// What a shell showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShellRead {
    /// The shell.
    #[serde(flatten)]
    pub shell: Shell,
    /// Where the text begins, in characters of all the shell ever showed.
    pub cursor: u64,
    /// Where it ends; the cursor of the next read.
    pub next_cursor: u64,
    /// Characters from the cursor that was asked for that are not kept any more.
    pub dropped: u64,
    /// The text; with `plain` what it looks like on the terminal.
    pub output: String,
    /// Whether there is more behind `next_cursor`.
    pub truncated: bool,
    /// Whether the output is what the terminal looks like.
    pub plain: bool,
    /// Whether a full-screen program shows its own screen; null without `plain`.
    pub alternate_screen: Option<bool>,
    /// The quiet time that was waited for.
    pub wait_for_idle_ms: Option<u64>,
    /// The text that was waited for.
    pub wait_for: Option<String>,
    /// Whether that text came; null when none was waited for.
    pub wait_for_found: Option<bool>,
}

/// Something was typed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShellWritten {
    /// The shell.
    #[serde(flatten)]
    pub shell: Shell,
    /// Characters of the input that was given.
    pub input_length: usize,
    /// Whether a newline followed.
    pub append_newline: bool,
}

/// A signal was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShellSignalled {
    /// The shell.
    #[serde(flatten)]
    pub shell: Shell,
    /// `HUP`, `INT`, `TERM` or `KILL`.
    pub signal: String,
}

/// A shell is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShellClosed {
    /// The shell as it was last.
    #[serde(flatten)]
    pub shell: Shell,
    /// Always true.
    pub closed: bool,
}

/// A person's terminal was attached, and is not any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShellAttached {
    /// The shell.
    #[serde(flatten)]
    pub shell: Shell,
    /// Whether the person left and the shell goes on.
    pub detached: bool,
}
