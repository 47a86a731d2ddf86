//! What VM operations take and return (contract: `payloads.md` §2 and §3).
//!
//! Owns: the shapes. Refuses: behaviour.

use crate::network::NetworkSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Least and most vCPUs.
pub const VCPU_COUNT_RANGE: std::ops::RangeInclusive<u32> = 1..=8;
/// Least and most memory, MiB.
pub const MEM_MIB_RANGE: std::ops::RangeInclusive<u32> = 256..=32768;
/// Least and most time to live of a one-shot VM, seconds.
pub const TTL_SECONDS_RANGE: std::ops::RangeInclusive<u64> = 60..=3600;

/// Which VMM to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackendChoice {
    /// The best one that works here.
    #[default]
    Auto,
    /// QEMU, with KVM when it is proven usable, else software emulation.
    Qemu,
    /// Firecracker; needs usable KVM.
    Firecracker,
}

/// What to make. Checked by [`super::Vms::create`] and `run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmSpec {
    /// Catalog name.
    pub environment: String,
    /// Virtual CPUs, 1 to 8.
    pub vcpu_count: u32,
    /// Memory in MiB, 256 to 32768.
    pub mem_mib: u32,
    /// Seconds until it may be reaped, 60 to 3600.
    pub ttl_seconds: u64,
    /// What it may do with the network.
    pub network: NetworkSpec,
    /// Whether the host may run the command when no guest can.
    pub allow_host_compat: bool,
    /// Which VMM.
    pub backend: BackendChoice,
}

/// How commands run (contract: `payloads.md` §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionMode {
    /// Not started yet.
    Pending,
    /// In a guest, over vsock.
    GuestVsock,
    /// In a guest, over virtio-serial.
    GuestSerial,
    /// As a host process, after the operator allowed it.
    HostCompat,
}

/// State of a one-shot VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VmState {
    /// Made, not booted.
    Created,
    /// Running.
    Started,
    /// Powered off.
    Stopped,
}

/// A one-shot VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VmInfo {
    /// 12 lowercase hex characters.
    pub vm_id: String,
    /// Catalog name.
    pub environment: String,
    /// Version of the installed environment; null until it is resolved.
    pub environment_version: Option<String>,
    /// Virtual CPUs.
    pub vcpu_count: u32,
    /// Memory in MiB.
    pub mem_mib: u32,
    /// Time to live in seconds.
    pub ttl_seconds: u64,
    /// Unix time in seconds.
    pub created_at: f64,
    /// Unix time in seconds.
    pub expires_at: f64,
    /// State.
    pub state: VmState,
    /// Whether a network card is attached.
    pub network_enabled: bool,
    /// Whether the operator allowed host execution.
    pub allow_host_compat: bool,
    /// Guest address, with a network.
    pub guest_ip: Option<String>,
    /// Host TAP device, with a network.
    pub tap_name: Option<String>,
    /// How commands run.
    pub execution_mode: ExecutionMode,
    /// `qemu`, `firecracker` or `process`; null before the start.
    pub backend: Option<String>,
    /// `kvm` or `tcg`; null before the start and without a VMM.
    pub accelerator: Option<String>,
    /// Details as text; no key is guaranteed.
    pub metadata: BTreeMap<String, String>,
}

/// Result of one command in a one-shot VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExecResult {
    /// The VM it ran in; gone by now.
    pub vm_id: String,
    /// Catalog name.
    pub environment: String,
    /// Version of the environment.
    pub environment_version: Option<String>,
    /// The command, as given to `/bin/sh -lc`.
    pub command: String,
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
    /// Whether invalid UTF-8 was replaced in `stdout` or `stderr`.
    pub lossy: bool,
    /// Its exit code; 128 + n after signal n; 124 at the deadline.
    pub exit_code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the deadline ended it.
    pub timed_out: bool,
    /// Milliseconds it ran.
    pub duration_ms: u64,
    /// How it ran.
    pub execution_mode: ExecutionMode,
    /// `qemu`, `firecracker` or `process`.
    pub backend: String,
    /// `kvm` or `tcg`; null without a VMM.
    pub accelerator: Option<String>,
    /// How the VM came up: `template`, `cold_boot` or `process`.
    pub start_kind: String,
    /// What became of the VM.
    pub cleanup: DeletedVm,
}

/// A VM that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletedVm {
    /// Its id.
    pub vm_id: String,
    /// Always true.
    pub deleted: bool,
    /// `explicit_delete`, `post_exec_cleanup` or `run_vm_error_cleanup`.
    pub reason: String,
}

/// A VM's network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkInfo {
    /// The VM.
    pub vm_id: String,
    /// Whether a network card is attached.
    pub network_enabled: bool,
    /// Whether the outside should be reachable.
    pub outbound_connectivity_expected: bool,
    /// Host TAP device, in a network namespace of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tap_name: Option<String>,
    /// The guest's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_ip: Option<String>,
    /// Its router and resolver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_ip: Option<String>,
    /// The network of both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_cidr: Option<String>,
    /// Hardware address of its card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Who it asks for names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_servers: Option<Vec<String>>,
    /// Why there is no network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// VMs that were past their time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reaped {
    /// Their ids.
    pub deleted_vm_ids: Vec<String>,
    /// How many.
    pub count: usize,
}
