//! What workspace operations return (contract: `payloads.md` §5 to §7).
//!
//! Owns: the shapes. Refuses: behaviour.

use super::ports::payloads::OwnedPort;
pub use super::record::{LastCommand, StopReason, WorkspaceSeed};
pub use super::secrets::{SourceKind, WorkspaceSecret};
use super::services::payloads::ServiceRow;
use crate::vms::payloads::ExecutionMode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a workspace's own files are in the guest.
pub const WORKSPACE_PATH: &str = "/workspace";

/// State of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceState {
    /// Being made.
    Creating,
    /// Takes commands.
    Started,
    /// Has a disk and no machine.
    Stopped,
}

/// A workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Workspace {
    /// 12 lowercase hex characters.
    pub workspace_id: String,
    /// Name, when it has one.
    pub name: Option<String>,
    /// Labels, keys sorted.
    pub labels: BTreeMap<String, String>,
    /// Catalog name.
    pub environment: String,
    /// Version of the installed environment.
    pub environment_version: Option<String>,
    /// Virtual CPUs.
    pub vcpu_count: u32,
    /// Memory in MiB.
    pub mem_mib: u32,
    /// Idle seconds after which it is stopped.
    pub ttl_seconds: u64,
    /// Virtual size of its disk in MiB.
    pub disk_mib: u64,
    /// Bytes its disk and snapshots take on the host.
    pub disk_used_bytes: u64,
    /// Unix time in seconds.
    pub created_at: f64,
    /// Unix time at which it is stopped when nobody uses it; the past for a stopped one.
    pub expires_at: f64,
    /// Seconds until then; null when it is stopped.
    pub expires_in_seconds: Option<u64>,
    /// Unix time of the last change.
    pub last_activity_at: f64,
    /// State.
    pub state: WorkspaceState,
    /// Why it is stopped.
    pub stop_reason: Option<StopReason>,
    /// What went wrong last, when something did.
    pub last_error: Option<String>,
    /// `off`, `egress` or `egress+published-ports`.
    pub network_policy: String,
    /// Whether a network card is attached.
    pub network_enabled: bool,
    /// What alone may be reached; without any entry every public address.
    #[serde(default)]
    pub network_rules: NetworkRules,
    /// Whether the operator allowed host execution.
    pub allow_host_compat: bool,
    /// Guest address, with a network.
    pub guest_ip: Option<String>,
    /// Host TAP device, with a network.
    pub tap_name: Option<String>,
    /// How commands run; `pending` before the first start.
    pub execution_mode: ExecutionMode,
    /// `qemu` or `firecracker`; null before the first start.
    pub backend: Option<String>,
    /// `kvm` or `tcg`; null before the first start.
    pub accelerator: Option<String>,
    /// Always `/workspace`.
    pub workspace_path: String,
    /// What `/workspace` began with.
    pub workspace_seed: WorkspaceSeed,
    /// Its secrets, sorted by name; never their values.
    #[serde(default)]
    pub secrets: Vec<WorkspaceSecret>,
    /// Commands since the last reset.
    pub command_count: u64,
    /// Those that run just now.
    pub running_command_count: u64,
    /// Shells that run just now.
    pub running_shell_count: u64,
    /// The last that ended.
    pub last_command: Option<LastCommand>,
    /// Times it was reset.
    pub reset_count: u64,
    /// Unix time of the last reset.
    pub last_reset_at: Option<f64>,
    /// Services it has.
    pub service_count: u64,
    /// Those that run.
    pub running_service_count: u64,
    /// Each, by name.
    pub services: Vec<ServiceRow>,
    /// Ports of this host that lead into it.
    pub published_ports: Vec<OwnedPort>,
    /// Whether its supervisor did not answer in time: what it wrote down last is shown.
    pub stale: bool,
    /// Details as text; no key is guaranteed.
    pub metadata: BTreeMap<String, String>,
}

/// What a guest with a network may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkRules {
    /// Names, `*.` in front for everything below one.
    pub allow_domains: Vec<String>,
    /// Address ranges in CIDR form.
    pub allow_cidrs: Vec<String>,
}

/// One workspace of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceRow {
    /// 12 lowercase hex characters.
    pub workspace_id: String,
    /// Name, when it has one.
    pub name: Option<String>,
    /// Labels, keys sorted.
    pub labels: BTreeMap<String, String>,
    /// Catalog name.
    pub environment: String,
    /// State.
    pub state: WorkspaceState,
    /// Unix time in seconds.
    pub created_at: f64,
    /// Unix time of the last change.
    pub last_activity_at: f64,
    /// Unix time at which it is stopped when nobody uses it.
    pub expires_at: f64,
    /// Commands since the last reset.
    pub command_count: u64,
    /// Services it has.
    pub service_count: u64,
    /// Those that run.
    pub running_service_count: u64,
    /// Shells that run.
    pub running_shell_count: u64,
    /// Ports of this host that lead into it.
    pub published_port_count: u64,
    /// Whether its supervisor does not answer: what it wrote down last is shown.
    pub stale: bool,
    /// Bytes its disk and snapshots take on the host.
    pub disk_used_bytes: u64,
}

/// Workspaces, the last used first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceList {
    /// How many.
    pub count: usize,
    /// Each.
    pub workspaces: Vec<WorkspaceRow>,
    /// Those whose record cannot be read; `workspace delete` takes their id.
    pub damaged: Vec<DamagedWorkspace>,
}

/// A workspace whose record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DamagedWorkspace {
    /// Its id, from its folder's name.
    pub workspace_id: String,
    /// What is wrong.
    pub reason: String,
}

/// A workspace that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletedWorkspace {
    /// Its id.
    pub workspace_id: String,
    /// Always true.
    pub deleted: bool,
    /// `explicit_delete`.
    pub reason: String,
}

/// Workspaces that were old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrunedWorkspaces {
    /// Their ids, sorted.
    pub deleted_workspace_ids: Vec<String>,
    /// How many.
    pub count: usize,
    /// Workspaces whose folder of exports went, sorted; they were gone before.
    #[serde(default)]
    pub deleted_export_ids: Vec<String>,
    /// Bytes their disks, snapshots and exports took on the host.
    pub freed_bytes: u64,
    /// Whether they are still there: this was a rehearsal.
    pub dry_run: bool,
}

/// How it is with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// It runs.
    Running,
    /// It ended by itself, by a signal or at its deadline: it has an exit code.
    Exited,
    /// Somebody gave it up, and it was killed.
    Cancelled,
    /// Its machine ended: a stop, a reset, or the guest by itself.
    Stopped,
    /// The guest did not run it, or said nothing about its end.
    Failed,
    /// The supervisor or the host ended while it ran.
    Lost,
}

/// One of the two streams of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl LogStream {
    /// Its name, on every door.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Result of one command in a workspace, or how it is with one that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceExec {
    /// The workspace.
    pub workspace_id: String,
    /// Catalog name.
    pub environment: String,
    /// Version of the environment.
    pub environment_version: Option<String>,
    /// Number since the last reset, from 1.
    pub sequence: u64,
    /// Names it until the next reset, also when it has ended.
    pub command_id: String,
    /// How it is with it.
    pub state: CommandState,
    /// Whether it still runs; then outputs, bytes and milliseconds are those until now.
    pub running: bool,
    /// The command, as given to `/bin/sh -lc`.
    pub command: String,
    /// Its working directory.
    pub cwd: String,
    /// Its standard output; invalid UTF-8 replaced; cut in the middle above the limit.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
    /// Bytes it wrote to standard output.
    pub stdout_bytes: u64,
    /// Bytes it wrote to standard error.
    pub stderr_bytes: u64,
    /// Whether `stdout` is not everything.
    pub stdout_truncated: bool,
    /// Whether `stderr` is not everything.
    pub stderr_truncated: bool,
    /// Whether invalid UTF-8 was replaced.
    pub lossy: bool,
    /// Its exit code; 128 + n after signal n; 124 at the deadline; null when it
    /// runs, and when nobody knows one.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the deadline ended it.
    pub timed_out: bool,
    /// Why there is no exit code, when it has ended without one.
    pub error: Option<String>,
    /// Milliseconds it ran.
    pub duration_ms: u64,
    /// How it ran.
    pub execution_mode: ExecutionMode,
}

/// The commands of a workspace since its last reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceLogs {
    /// The workspace.
    pub workspace_id: String,
    /// How many.
    pub count: usize,
    /// Each, the first first.
    pub entries: Vec<LogEntry>,
    /// A part of one stream of the one command, when it was asked for.
    pub page: Option<LogPage>,
}

/// One command and what it said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogEntry {
    /// Number since the last reset, from 1.
    pub sequence: u64,
    /// The command, as given to `/bin/sh -lc`.
    pub command: String,
    /// Its working directory.
    pub cwd: String,
    /// For `workspace exec --command-id`.
    pub command_id: String,
    /// How it is with it.
    pub state: CommandState,
    /// Whether it still runs.
    pub running: bool,
    /// Unix time of its beginning.
    pub started_at: f64,
    /// Its exit code; null when it runs, and when nobody knows one.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the deadline ended it.
    pub timed_out: bool,
    /// Why there is no exit code, when it has ended without one.
    pub error: Option<String>,
    /// Milliseconds it ran, until now when it runs.
    pub duration_ms: u64,
    /// How it ran.
    pub execution_mode: ExecutionMode,
    /// Unix time of its end; null when it runs.
    pub recorded_at: Option<f64>,
    /// Name of the file with its standard output.
    pub stdout_file: String,
    /// Name of the file with its standard error.
    pub stderr_file: String,
    /// Bytes it wrote to standard output.
    pub stdout_bytes: u64,
    /// Bytes it wrote to standard error.
    pub stderr_bytes: u64,
    /// Its standard output; invalid UTF-8 replaced; cut in the middle above the
    /// limit; empty beside a page.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
}

/// A part of one stream of one command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogPage {
    /// Which stream.
    pub stream: LogStream,
    /// The bytes as text; invalid UTF-8 replaced.
    pub text: String,
    /// Whether invalid UTF-8 was replaced.
    pub lossy: bool,
    /// First byte.
    pub offset: u64,
    /// First byte of the next page; null at the end of a command that ended.
    pub next_offset: Option<u64>,
    /// Bytes the command wrote to the stream, until now when it runs.
    pub total_bytes: u64,
    /// Whether all of them can be read; false above 64 MiB and after the host's
    /// disk was full.
    pub complete: bool,
}
