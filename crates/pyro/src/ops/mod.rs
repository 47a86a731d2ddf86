//! The table: one file per verb, one row per operation.
//!
//! Owns: which operations exist and the order in which help shows them.
//! Refuses: anything about a single one; that is its file's.

use crate::operation::Row;

pub mod demo;
pub mod doctor;
pub mod env_build;
pub mod env_inspect;
pub mod env_list;
pub mod env_prune;
pub mod env_pull;
pub mod env_verify;
pub mod host_connect;
pub mod host_doctor;
pub mod host_print_config;
pub mod host_repair;
pub mod port_list;
pub mod port_publish;
pub mod port_unpublish;
pub mod prepare;
pub mod run;
pub mod service_list;
pub mod service_logs;
pub mod service_start;
pub mod service_status;
pub mod service_stop;
pub mod setup_firecracker;
pub mod shell_attach;
pub mod shell_close;
pub mod shell_list;
pub mod shell_open;
pub mod shell_read;
pub mod shell_resize;
pub mod shell_signal;
pub mod shell_write;
pub mod snapshot_create;
pub mod snapshot_delete;
pub mod snapshot_list;
pub mod vm_create;
pub mod vm_delete;
pub mod vm_exec;
pub mod vm_list_environments;
pub mod vm_network_info;
pub mod vm_reap_expired;
pub mod vm_start;
pub mod vm_status;
pub mod vm_stop;
pub mod workspace_create;
pub mod workspace_delete;
pub mod workspace_diff;
pub mod workspace_disk_export;
pub mod workspace_disk_list;
pub mod workspace_disk_read;
pub mod workspace_exec;
pub mod workspace_export;
pub mod workspace_file_list;
pub mod workspace_file_read;
pub mod workspace_file_write;
pub mod workspace_list;
pub mod workspace_logs;
pub mod workspace_network_log;
pub mod workspace_patch_apply;
pub mod workspace_prune;
pub mod workspace_reset;
pub mod workspace_start;
pub mod workspace_status;
pub mod workspace_stop;
pub mod workspace_summary;
pub mod workspace_sync_push;
pub mod workspace_update;

/// Every operation. Doors derive what they offer from it and from nothing else.
pub static TABLE: &[Row] = &[
    Row::of::<doctor::Doctor>(),
    Row::of::<prepare::Prepare>(),
    Row::of::<run::Run>(),
    Row::of::<demo::Demo>(),
    Row::of::<env_list::EnvList>(),
    Row::of::<env_pull::EnvPull>(),
    Row::of::<env_inspect::EnvInspect>(),
    Row::of::<env_build::EnvBuild>(),
    Row::of::<env_verify::EnvVerify>(),
    Row::of::<env_prune::EnvPrune>(),
    Row::of::<setup_firecracker::SetupFirecracker>(),
    Row::of::<host_connect::HostConnect>(),
    Row::of::<host_print_config::HostPrintConfig>(),
    Row::of::<host_doctor::HostDoctor>(),
    Row::of::<host_repair::HostRepair>(),
    Row::of::<workspace_create::WorkspaceCreate>(),
    Row::of::<workspace_list::WorkspaceListOperation>(),
    Row::of::<workspace_update::WorkspaceUpdate>(),
    Row::of::<workspace_status::WorkspaceStatus>(),
    Row::of::<workspace_exec::WorkspaceExec>(),
    Row::of::<workspace_logs::WorkspaceLogs>(),
    Row::of::<workspace_network_log::WorkspaceNetworkLog>(),
    Row::of::<workspace_sync_push::WorkspaceSyncPush>(),
    Row::of::<workspace_file_list::WorkspaceFileList>(),
    Row::of::<workspace_file_read::WorkspaceFileRead>(),
    Row::of::<workspace_file_write::WorkspaceFileWrite>(),
    Row::of::<workspace_patch_apply::WorkspacePatchApply>(),
    Row::of::<workspace_diff::WorkspaceDiffOperation>(),
    Row::of::<workspace_export::WorkspaceExport>(),
    Row::of::<shell_open::ShellOpen>(),
    Row::of::<shell_read::ShellRead>(),
    Row::of::<shell_write::ShellWrite>(),
    Row::of::<shell_signal::ShellSignal>(),
    Row::of::<shell_resize::ShellResize>(),
    Row::of::<shell_attach::ShellAttach>(),
    Row::of::<shell_list::ShellList>(),
    Row::of::<shell_close::ShellClose>(),
    Row::of::<workspace_summary::WorkspaceSummaryOperation>(),
    Row::of::<workspace_disk_list::WorkspaceDiskList>(),
    Row::of::<workspace_disk_read::WorkspaceDiskRead>(),
    Row::of::<workspace_disk_export::WorkspaceDiskExport>(),
    Row::of::<service_start::ServiceStart>(),
    Row::of::<service_list::ServiceList>(),
    Row::of::<service_status::ServiceStatus>(),
    Row::of::<service_logs::ServiceLogs>(),
    Row::of::<service_stop::ServiceStop>(),
    Row::of::<workspace_stop::WorkspaceStop>(),
    Row::of::<workspace_start::WorkspaceStart>(),
    Row::of::<workspace_reset::WorkspaceReset>(),
    Row::of::<snapshot_create::SnapshotCreate>(),
    Row::of::<snapshot_list::SnapshotList>(),
    Row::of::<snapshot_delete::SnapshotDelete>(),
    Row::of::<port_publish::PortPublish>(),
    Row::of::<port_list::PortList>(),
    Row::of::<port_unpublish::PortUnpublish>(),
    Row::of::<workspace_delete::WorkspaceDelete>(),
    Row::of::<workspace_prune::WorkspacePrune>(),
    Row::of::<vm_create::VmCreate>(),
    Row::of::<vm_start::VmStart>(),
    Row::of::<vm_exec::VmExec>(),
    Row::of::<vm_stop::VmStop>(),
    Row::of::<vm_delete::VmDelete>(),
    Row::of::<vm_status::VmStatus>(),
    Row::of::<vm_network_info::VmNetworkInfo>(),
    Row::of::<vm_list_environments::VmListEnvironments>(),
    Row::of::<vm_reap_expired::VmReapExpired>(),
];

/// The row of a name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}
