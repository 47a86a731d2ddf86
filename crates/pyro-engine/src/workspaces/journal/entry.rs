//! One command as the journal has it.
//!
//! Owns: its fields, and what they say of its state. Refuses: files.

use crate::vms::payloads::ExecutionMode;
use crate::workspaces::payloads::{CommandState, LogStream};
use serde::{Deserialize, Serialize};

/// One command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub sequence: u64,
    pub command: String,
    pub cwd: String,
    pub execution_mode: ExecutionMode,
    /// Unix time in seconds, as all times here.
    pub started_at: f64,
    pub stdout: Written,
    pub stderr: Written,
    /// None while it runs.
    pub ended: Option<Ended>,
}

/// How much a command wrote to one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    pub total_bytes: u64,
    /// Of them, on the host's disk.
    pub kept_bytes: u64,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    pub at: f64,
    pub state: CommandState,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub timed_out: bool,
    pub duration_ms: u64,
    /// Why there is no exit code.
    pub error: Option<String>,
}

impl Ended {
    /// Without an exit code.
    #[must_use]
    pub fn unknown(state: CommandState, started_at: f64, at: f64, error: String) -> Self {
        Self {
            at,
            state,
            exit_code: None,
            signal: None,
            timed_out: false,
            duration_ms: millis(at - started_at),
            error: Some(error),
        }
    }
}

impl Entry {
    /// How much it wrote to one stream.
    #[must_use]
    pub fn written(&self, stream: LogStream) -> Written {
        match stream {
            LogStream::Stdout => self.stdout,
            LogStream::Stderr => self.stderr,
        }
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> CommandState {
        self.ended
            .as_ref()
            .map_or(CommandState::Running, |ended| ended.state)
    }

    /// Milliseconds it ran; of a running one, until `now`.
    #[must_use]
    pub fn duration_ms(&self, now: f64) -> u64 {
        self.ended
            .as_ref()
            .map_or_else(|| millis(now - self.started_at), |ended| ended.duration_ms)
    }

    /// As it is when nobody runs it: one without an end is lost.
    #[must_use]
    pub fn at_rest(mut self, now: f64) -> Self {
        if self.ended.is_none() {
            self.ended = Some(Ended::unknown(
                CommandState::Lost,
                self.started_at,
                now,
                "the supervisor or the host ended while it ran".into(),
            ));
        }
        self
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn millis(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1000.0) as u64
}
