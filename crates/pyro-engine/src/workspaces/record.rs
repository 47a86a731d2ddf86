//! What is kept of a workspace between processes.
//!
//! Owns: the record's shape and version. Refuses: guessing; a record of a
//! newer layout is refused by name.

use super::state::Phase;
use crate::vms::payloads::{BackendChoice, ExecutionMode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the record. A newer one is left alone.
pub const LAYOUT_VERSION: u32 = 1;

/// `workspace.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub layout_version: u32,
    pub workspace_id: String,
    pub name: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub spec: Spec,
    pub environment_version: Option<String>,
    /// Unix time in seconds, as all times here.
    pub created_at: f64,
    pub last_activity_at: f64,
    /// When its idle time last began anew, as far as it is written down.
    pub renewed_at: f64,
    pub phase: Phase,
    pub stop_reason: Option<StopReason>,
    pub last_error: Option<String>,
    pub command_count: u64,
    pub last_command: Option<LastCommand>,
    pub reset_count: u64,
    pub last_reset_at: Option<f64>,
    /// How its machine last came up.
    pub machine: Option<MachineFacts>,
}

/// What it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub environment: String,
    pub vcpu_count: u32,
    pub mem_mib: u32,
    pub ttl_seconds: u64,
    pub disk_mib: u64,
    pub backend: BackendChoice,
}

/// Why it has no machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Somebody stopped it.
    Requested,
    /// Nobody used it for its time to live.
    Idle,
    /// The guest or the VMM ended by itself.
    GuestGone,
    /// The supervisor or the host ended.
    SupervisorGone,
    /// The last start failed.
    StartFailed,
}

/// The command that ended last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LastCommand {
    /// Number since the last reset, from 1.
    pub sequence: u64,
    /// The command, as given to `/bin/sh -lc`.
    pub command: String,
    /// Its working directory.
    pub cwd: String,
    /// Its exit code; 128 + n after signal n; 124 at the deadline; null when
    /// nobody knows one.
    pub exit_code: Option<i32>,
    /// Milliseconds it ran.
    pub duration_ms: u64,
    /// How it ran.
    pub execution_mode: ExecutionMode,
}

/// How a machine came up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFacts {
    pub execution_mode: ExecutionMode,
    pub backend: String,
    pub accelerator: Option<String>,
    pub start_kind: String,
    pub confinement: String,
}
