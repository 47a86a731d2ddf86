//! What is kept of a workspace between processes.
//!
//! Owns: the record's shape and version. Refuses: guessing; a record of a
//! newer layout is refused by name.

use super::payloads::WORKSPACE_PATH;
use super::ports::payloads::OwnedPort;
use super::secrets::WorkspaceSecret;
use super::state::Phase;
use crate::network::NetworkSpec;
use crate::vms::payloads::{BackendChoice, ExecutionMode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the record. A newer one is left alone.
pub const LAYOUT_VERSION: u32 = 1;
/// A seed of nothing.
const EMPTY: &str = "empty";

/// `workspace.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub layout_version: u32,
    pub workspace_id: String,
    pub name: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub spec: Spec,
    #[serde(default)]
    pub seed: WorkspaceSeed,
    /// Sorted by name.
    #[serde(default)]
    pub secrets: Vec<WorkspaceSecret>,
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
    /// Of the machine that runs; what they are after its end means nothing.
    #[serde(default)]
    pub published_ports: Vec<OwnedPort>,
    /// Shells that ran when one was opened or ended last, for those who do not ask.
    #[serde(default)]
    pub running_shell_count: u64,
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
    #[serde(default)]
    pub network: NetworkSpec,
}

/// What `/workspace` began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WorkspaceSeed {
    /// `empty`, `directory` or `tar_archive`.
    pub mode: String,
    /// Where it came from: a path of the host, links resolved.
    pub seed_path: Option<String>,
    /// Where it is in the guest.
    pub destination: String,
    /// Files, directories and links in it.
    pub entry_count: u64,
    /// Bytes of its files.
    pub bytes_written: u64,
    /// `project_path`, `repo_url`, `manual_seed_path` or `empty`.
    pub origin_kind: String,
    /// The project's path, or the repository's URL without credentials; null
    /// for the other kinds.
    pub origin_ref: Option<String>,
    /// Branch, tag or commit that was asked for.
    #[serde(default)]
    pub repo_ref: Option<String>,
    /// Commit of the clone, or the one the project's work tree was at.
    #[serde(default)]
    pub repo_commit: Option<String>,
    /// Whether only files that Git tracks were taken.
    pub tracked_only: bool,
    /// Names that were passed over.
    pub skipped: u64,
    /// The same by why: `special` (sockets, FIFOs, devices), `deleted` (tracked
    /// and not there), `submodule` (not checked out), `sparse`.
    #[serde(default)]
    pub skipped_kinds: BTreeMap<String, u64>,
    /// Tracked files whose bytes are not those that Git's index has.
    #[serde(default)]
    pub modified: u64,
}

impl WorkspaceSeed {
    /// Whether there is no baseline image.
    pub fn is_empty(&self) -> bool {
        self.mode == EMPTY
    }
}

impl Default for WorkspaceSeed {
    fn default() -> Self {
        Self {
            mode: EMPTY.into(),
            seed_path: None,
            destination: WORKSPACE_PATH.into(),
            entry_count: 0,
            bytes_written: 0,
            origin_kind: EMPTY.into(),
            origin_ref: None,
            repo_ref: None,
            repo_commit: None,
            tracked_only: false,
            skipped: 0,
            skipped_kinds: BTreeMap::new(),
            modified: 0,
        }
    }
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
