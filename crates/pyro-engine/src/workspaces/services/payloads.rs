//! What services are, on every door and on the host's disk (contract:
//! `payloads.md` §14).
//!
//! Owns: the shapes. Refuses: behaviour.

use crate::vms::payloads::ExecutionMode;
use crate::workspaces::payloads::LogPage;
use crate::workspaces::ports::payloads::PublishedPort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How it is with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// It runs, or is about to be started again.
    Running,
    /// It ended by itself.
    Exited,
    /// Somebody stopped it, or its workspace.
    Stopped,
    /// It never became ready, or ended before.
    Failed,
}

impl ServiceState {
    /// Its name, on every door.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Exited => "exited",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// Why a service does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceStopReason {
    /// It ended after TERM.
    Sigterm,
    /// It had to be killed.
    Sigkill,
    /// It ended before it was ready.
    ProcessExitedBeforeReady,
    /// It was not ready in time, and was ended.
    ReadinessTimeout,
    /// A port of it could not be published, and it was ended.
    PublishedPortFailed,
    /// Its machine ended.
    WorkspaceStopped,
}

/// What makes a service ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Readiness {
    /// Something is at a path.
    File {
        /// Below `/workspace`.
        path: String,
    },
    /// A connection can be made in the guest.
    Tcp {
        /// `HOST:PORT`.
        address: String,
    },
    /// A GET in the guest is answered with 2xx or 3xx.
    Http {
        /// An `http` URL of the guest itself.
        url: String,
    },
    /// A command ends with 0.
    Command {
        /// For `/bin/sh -lc`.
        command: String,
    },
}

/// When a service that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// When it ended otherwise than with exit code 0, or was not ready again.
    OnFailure,
    /// Whenever it ended by itself.
    Always,
}

impl RestartPolicy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::No, Self::OnFailure, Self::Always];

    /// Its name, on every door.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::OnFailure => "on-failure",
            Self::Always => "always",
        }
    }
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// The workspace.
    pub workspace_id: String,
    /// Its name.
    pub service_name: String,
    /// How it is with it.
    pub state: ServiceState,
    /// The command, as given to `/bin/sh -lc`.
    pub command: String,
    /// Its working directory.
    pub cwd: String,
    /// Unix time of its first start, in seconds.
    pub started_at: f64,
    /// Unix time of its end; null when it runs.
    pub ended_at: Option<f64>,
    /// Exit code of its first process; 128 + n after signal n; null when it
    /// runs, and when nobody knows one.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its process number in the guest, while it runs.
    pub pid: Option<i32>,
    /// How it runs.
    pub execution_mode: ExecutionMode,
    /// What makes it ready; null when living for half a second does.
    pub readiness: Option<Readiness>,
    /// Unix time since when it is ready; null while it is not.
    pub ready_at: Option<f64>,
    /// Why it does not run; null when it runs or ended by itself.
    pub stop_reason: Option<ServiceStopReason>,
    /// What is known besides about its end.
    pub error: Option<String>,
    /// What the last look said while it was not ready.
    pub not_ready_because: Option<String>,
    /// Ports of the host that lead to it.
    pub published_ports: Vec<PublishedPort>,
    /// When it is started again.
    pub restart_policy: RestartPolicy,
    /// Most restarts in a row.
    pub max_restarts: u32,
    /// Times it was started again.
    pub restart_count: u32,
    /// Seconds between two looks whether it is still ready; null for none.
    pub health_interval_seconds: Option<u64>,
    /// What the last of these looks found; null when there was none.
    pub healthy: Option<bool>,
    /// Bytes it wrote to standard output.
    #[serde(default)]
    pub stdout_bytes: u64,
    /// Bytes it wrote to standard error.
    #[serde(default)]
    pub stderr_bytes: u64,
}

/// A service in few words, in the status of its workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceRow {
    /// Its name.
    pub service_name: String,
    /// How it is with it.
    pub state: ServiceState,
    /// Unix time since when it is ready; null while it is not.
    pub ready_at: Option<f64>,
    /// Whether it still is; null when nobody looks.
    pub healthy: Option<bool>,
    /// Its exit code, when it ended with one.
    pub exit_code: Option<i32>,
    /// Why it does not run.
    pub stop_reason: Option<ServiceStopReason>,
    /// Ports of the host that lead to it.
    pub published_ports: Vec<PublishedPort>,
}

impl From<&Service> for ServiceRow {
    fn from(service: &Service) -> Self {
        Self {
            service_name: service.service_name.clone(),
            state: service.state,
            ready_at: service.ready_at,
            healthy: service.healthy,
            exit_code: service.exit_code,
            stop_reason: service.stop_reason,
            published_ports: service.published_ports.clone(),
        }
    }
}

/// The services of a workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceList {
    /// The workspace.
    pub workspace_id: String,
    /// How many.
    pub count: u64,
    /// Those that run.
    pub running_count: u64,
    /// Each, by name.
    pub services: Vec<Service>,
    /// Those whose record cannot be read; starting one of the name replaces it.
    pub damaged: Vec<DamagedService>,
}

/// A service whose record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DamagedService {
    /// Its name.
    pub service_name: String,
    /// What is wrong.
    pub reason: String,
}

/// What a service wrote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceLogs {
    /// The service.
    #[serde(flatten)]
    pub service: Service,
    /// The end of its standard output; invalid UTF-8 replaced; empty beside a page.
    pub stdout: String,
    /// The end of its standard error, likewise.
    pub stderr: String,
    /// Most lines of each; null for all there are.
    pub tail_lines: Option<u64>,
    /// Whether either is not everything it wrote.
    pub truncated: bool,
    /// Bytes of standard output that are not kept any more.
    pub stdout_dropped_bytes: u64,
    /// Bytes of standard error that are not kept any more.
    pub stderr_dropped_bytes: u64,
    /// A part of one stream, when it was asked for.
    pub page: Option<LogPage>,
}
