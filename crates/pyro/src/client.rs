//! The Rust SDK: the same operations as typed methods.
//!
//! Owns: the handles an operation works with. Refuses: I/O on construction; a
//! machine without KVM, QEMU or a readable cache still gets a [`Pyro`], so
//! that `doctor` can say what is missing.

use crate::host_paths::HostPaths;
use crate::input_rules;
use crate::network::NetworkSpec;
use crate::operation::{Context, Operation};
use crate::ops;
use crate::vms::payloads::{BackendChoice, DeletedVm, ExecResult, NetworkInfo, Reaped, VmInfo};
use crate::workspaces::disk::payloads as disk;
use crate::workspaces::files::payloads as files;
use crate::workspaces::payloads as workspaces;
use crate::workspaces::services::payloads as services;
use crate::workspaces::shells::payloads as shells;
use crate::workspaces::snapshots::payloads as snapshots;
use crate::{Layout, Result, vm_spec};
use pyro_engine::Environments;
use pyro_engine::vms::Vms;
use pyro_engine::workspaces::Workspaces;

/// Access to everything pyro does.
pub struct Pyro {
    pub(crate) layout: Layout,
    pub(crate) environments: Environments,
    pub(crate) vms: Vms,
    pub(crate) workspaces: Workspaces,
    pub(crate) host: HostPaths,
    backend: Option<String>,
}

impl Pyro {
    /// Places and preferences from the environment variables.
    ///
    /// # Errors
    /// When no place for cache or state can be found.
    pub fn from_env() -> Result<Self> {
        let mut pyro = Self::new(Layout::from_env()?);
        pyro.backend = std::env::var_os("PYRO_BACKEND")
            .filter(|name| !name.is_empty())
            .map(|name| name.to_string_lossy().into_owned());
        Ok(pyro)
    }

    /// Given places, no preference for a VMM.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self {
            environments: Environments::new(&layout),
            vms: Vms::new(&layout),
            workspaces: Workspaces::new(&layout),
            host: HostPaths::Anywhere,
            backend: None,
            layout,
        }
    }

    /// The same, but requests name only files of this host that are within.
    #[must_use]
    pub fn within(mut self, host: HostPaths) -> Self {
        self.workspaces = self.workspaces.within(host.clone());
        self.host = host;
        self
    }

    /// Where it keeps what is on disk.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What the network of a workspace is, as it was made.
    ///
    /// # Errors
    /// `unknown_workspace`, `ambiguous_name`, `damaged_record`.
    pub fn workspace_network(&self, workspace_id: &str) -> Result<NetworkSpec> {
        self.workspaces.network_of(workspace_id)
    }

    /// Runs any operation with its own types.
    ///
    /// # Errors
    /// `missing_input` and `conflict` for inputs that would do nothing
    /// ([`Operation::RULES`]); those of the operation.
    pub fn call<O: Operation>(
        &self,
        request: O::Request,
        context: &Context,
    ) -> Result<O::Response> {
        input_rules::check::<O>(&request)?;
        O::run(self, request, context)
    }

    pub(crate) fn backend(&self, requested: Option<BackendChoice>) -> Result<BackendChoice> {
        vm_spec::chosen_backend(requested, self.backend.as_deref())
    }
}

/// One method for each named operation; the request type carries the text.
macro_rules! methods {
    ($($name:ident($($request:ident)::+) -> $response:ty = $operation:ty;)*) => {
        impl Pyro {
            $(
                #[doc = concat!("Runs [`", stringify!($operation), "`]; see its request.")]
                ///
                /// # Errors
                /// Those of the operation.
                pub fn $name(
                    &self,
                    request: $($request)::+,
                    context: &Context,
                ) -> Result<$response> {
                    self.call::<$operation>(request, context)
                }
            )*
        }
    };
}

methods! {
    pull_environment(ops::env_pull::EnvPullRequest) -> crate::environments::PulledEnvironment = ops::env_pull::EnvPull;
    build_environment(ops::env_build::EnvBuildRequest) -> crate::environments::PulledEnvironment = ops::env_build::EnvBuild;
    inspect_environment(ops::env_inspect::EnvInspectRequest) -> crate::environments::Environment = ops::env_inspect::EnvInspect;
    verify_environment(ops::env_verify::EnvVerifyRequest) -> crate::environments::Verified = ops::env_verify::EnvVerify;
    prune_environments(ops::env_prune::EnvPruneRequest) -> crate::environments::Pruned = ops::env_prune::EnvPrune;
    run_in_vm(ops::run::RunRequest) -> ExecResult = ops::run::Run;
    create_vm(ops::vm_create::VmCreateRequest) -> VmInfo = ops::vm_create::VmCreate;
    start_vm(ops::vm_start::VmStartRequest) -> VmInfo = ops::vm_start::VmStart;
    exec_vm(ops::vm_exec::VmExecRequest) -> ExecResult = ops::vm_exec::VmExec;
    stop_vm(ops::vm_stop::VmStopRequest) -> VmInfo = ops::vm_stop::VmStop;
    delete_vm(ops::vm_delete::VmDeleteRequest) -> DeletedVm = ops::vm_delete::VmDelete;
    status_vm(ops::vm_status::VmStatusRequest) -> VmInfo = ops::vm_status::VmStatus;
    network_info_vm(ops::vm_network_info::VmNetworkInfoRequest) -> NetworkInfo = ops::vm_network_info::VmNetworkInfo;
    create_workspace(ops::workspace_create::WorkspaceCreateRequest) -> workspaces::Workspace = ops::workspace_create::WorkspaceCreate;
    list_workspaces(ops::workspace_list::WorkspaceListRequest) -> workspaces::WorkspaceList = ops::workspace_list::WorkspaceListOperation;
    update_workspace(ops::workspace_update::WorkspaceUpdateRequest) -> workspaces::Workspace = ops::workspace_update::WorkspaceUpdate;
    status_workspace(ops::workspace_status::WorkspaceStatusRequest) -> workspaces::Workspace = ops::workspace_status::WorkspaceStatus;
    logs_workspace(ops::workspace_logs::WorkspaceLogsRequest) -> workspaces::WorkspaceLogs = ops::workspace_logs::WorkspaceLogs;
    network_log_workspace(ops::workspace_network_log::WorkspaceNetworkLogRequest) -> crate::workspaces::network::WorkspaceNetworkLog = ops::workspace_network_log::WorkspaceNetworkLog;
    stop_workspace(ops::workspace_stop::WorkspaceStopRequest) -> workspaces::Workspace = ops::workspace_stop::WorkspaceStop;
    start_workspace(ops::workspace_start::WorkspaceStartRequest) -> workspaces::Workspace = ops::workspace_start::WorkspaceStart;
    reset_workspace(ops::workspace_reset::WorkspaceResetRequest) -> snapshots::ResetWorkspace = ops::workspace_reset::WorkspaceReset;
    create_snapshot(ops::snapshot_create::SnapshotCreateRequest) -> snapshots::CreatedSnapshot = ops::snapshot_create::SnapshotCreate;
    list_snapshots(ops::snapshot_list::SnapshotListRequest) -> snapshots::SnapshotList = ops::snapshot_list::SnapshotList;
    delete_snapshot(ops::snapshot_delete::SnapshotDeleteRequest) -> snapshots::DeletedSnapshot = ops::snapshot_delete::SnapshotDelete;
    start_service(ops::service_start::ServiceStartRequest) -> services::Service = ops::service_start::ServiceStart;
    list_services(ops::service_list::ServiceListRequest) -> services::ServiceList = ops::service_list::ServiceList;
    status_service(ops::service_status::ServiceStatusRequest) -> services::Service = ops::service_status::ServiceStatus;
    logs_service(ops::service_logs::ServiceLogsRequest) -> services::ServiceLogs = ops::service_logs::ServiceLogs;
    stop_service(ops::service_stop::ServiceStopRequest) -> services::Service = ops::service_stop::ServiceStop;
    delete_workspace(ops::workspace_delete::WorkspaceDeleteRequest) -> workspaces::DeletedWorkspace = ops::workspace_delete::WorkspaceDelete;
    exec_workspace(ops::workspace_exec::WorkspaceExecRequest) -> workspaces::WorkspaceExec = ops::workspace_exec::WorkspaceExec;
    list_workspace_files(ops::workspace_file_list::WorkspaceFileListRequest) -> files::FileList = ops::workspace_file_list::WorkspaceFileList;
    read_workspace_file(ops::workspace_file_read::WorkspaceFileReadRequest) -> files::FileContent = ops::workspace_file_read::WorkspaceFileRead;
    write_workspace_file(ops::workspace_file_write::WorkspaceFileWriteRequest) -> files::FileWritten = ops::workspace_file_write::WorkspaceFileWrite;
    apply_workspace_patch(ops::workspace_patch_apply::WorkspacePatchApplyRequest) -> files::PatchApplied = ops::workspace_patch_apply::WorkspacePatchApply;
    push_workspace_sync(ops::workspace_sync_push::WorkspaceSyncPushRequest) -> files::Synced = ops::workspace_sync_push::WorkspaceSyncPush;
    diff_workspace(ops::workspace_diff::WorkspaceDiffRequest) -> files::WorkspaceDiff = ops::workspace_diff::WorkspaceDiffOperation;
    summarize_workspace(ops::workspace_summary::WorkspaceSummaryRequest) -> crate::workspaces::summary::payloads::WorkspaceSummary = ops::workspace_summary::WorkspaceSummaryOperation;
    export_workspace(ops::workspace_export::WorkspaceExportRequest) -> files::Exported = ops::workspace_export::WorkspaceExport;
    list_workspace_disk(ops::workspace_disk_list::WorkspaceDiskListRequest) -> disk::DiskList = ops::workspace_disk_list::WorkspaceDiskList;
    read_workspace_disk(ops::workspace_disk_read::WorkspaceDiskReadRequest) -> disk::DiskContent = ops::workspace_disk_read::WorkspaceDiskRead;
    export_workspace_disk(ops::workspace_disk_export::WorkspaceDiskExportRequest) -> disk::DiskExported = ops::workspace_disk_export::WorkspaceDiskExport;
    open_shell(ops::shell_open::ShellOpenRequest) -> shells::Shell = ops::shell_open::ShellOpen;
    read_shell(ops::shell_read::ShellReadRequest) -> shells::ShellRead = ops::shell_read::ShellRead;
    write_shell(ops::shell_write::ShellWriteRequest) -> shells::ShellWritten = ops::shell_write::ShellWrite;
    signal_shell(ops::shell_signal::ShellSignalRequest) -> shells::ShellSignalled = ops::shell_signal::ShellSignal;
    resize_shell(ops::shell_resize::ShellResizeRequest) -> shells::Shell = ops::shell_resize::ShellResize;
    attach_shell(ops::shell_attach::ShellAttachRequest) -> shells::ShellAttached = ops::shell_attach::ShellAttach;
    list_shells(ops::shell_list::ShellListRequest) -> shells::ShellList = ops::shell_list::ShellList;
    close_shell(ops::shell_close::ShellCloseRequest) -> shells::ShellClosed = ops::shell_close::ShellClose;
    doctor(ops::doctor::DoctorRequest) -> crate::doctor::Report = ops::doctor::Doctor;
    setup_firecracker(ops::setup_firecracker::SetupFirecrackerRequest) -> ops::setup_firecracker::FirecrackerSetup = ops::setup_firecracker::SetupFirecracker;
    prepare(ops::prepare::PrepareRequest) -> ops::prepare::Prepared = ops::prepare::Prepare;
}

impl Pyro {
    /// Runs [`ops::vm_list_environments::VmListEnvironments`].
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn list_environments(&self) -> Result<ops::vm_list_environments::EnvironmentArray> {
        self.call::<ops::vm_list_environments::VmListEnvironments>(
            ops::vm_list_environments::VmListEnvironmentsRequest {},
            &Context::quiet(),
        )
    }

    /// Runs [`ops::vm_reap_expired::VmReapExpired`].
    ///
    /// # Errors
    /// When a VM cannot be ended.
    pub fn reap_expired(&self) -> Result<Reaped> {
        self.call::<ops::vm_reap_expired::VmReapExpired>(
            ops::vm_reap_expired::VmReapExpiredRequest {},
            &Context::quiet(),
        )
    }
}
