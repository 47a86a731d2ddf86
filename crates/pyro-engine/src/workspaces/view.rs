//! A record as others see it.
//!
//! Owns: which field comes from where. Pure, but for the size of the disk.

use super::payloads::{NetworkRules, WORKSPACE_PATH, Workspace, WorkspaceRow, WorkspaceState};
use super::ports::payloads::OwnedPort;
use super::record::Record;
use super::services::{self, payloads::ServiceRow};
use super::state::Phase;
use super::store::Folder;
use super::unix_now;
use crate::network::addresses;
use crate::vms::payloads::ExecutionMode;
use std::collections::BTreeMap;
use std::time::Duration;

/// `left`: idle time that is left, as its supervisor says; none without one.
pub fn workspace(record: &Record, folder: &Folder, left: Option<Duration>) -> Workspace {
    let machine = record.machine.as_ref();
    let mut metadata = BTreeMap::new();
    if let Some(machine) = machine {
        metadata.insert("start_kind".into(), machine.start_kind.clone());
        metadata.insert("confinement".into(), machine.confinement.clone());
    }
    let network = &record.spec.network;
    let has_card = network.policy.has_card();
    if has_card {
        let all = addresses();
        for (key, value) in [
            ("gateway_ip", all.gateway_ip.clone()),
            ("subnet_cidr", all.subnet_cidr.to_owned()),
            ("mac_address", all.mac_address.to_owned()),
            ("dns_servers", all.gateway_ip),
        ] {
            metadata.insert(key.into(), value);
        }
    }
    let services = rows(record, folder);
    Workspace {
        workspace_id: record.workspace_id.clone(),
        name: record.name.clone(),
        labels: record.labels.clone(),
        environment: record.spec.environment.clone(),
        environment_version: record.environment_version.clone(),
        vcpu_count: record.spec.vcpu_count,
        mem_mib: record.spec.mem_mib,
        ttl_seconds: record.spec.ttl_seconds,
        disk_mib: record.spec.disk_mib,
        disk_used_bytes: folder.disk_used_bytes(),
        created_at: record.created_at,
        expires_at: left.map_or_else(
            || expires_at(record),
            |left| unix_now() + left.as_secs_f64(),
        ),
        expires_in_seconds: left.map(|left| left.as_secs()),
        last_activity_at: record.last_activity_at,
        state: state(record.phase),
        stop_reason: record.stop_reason,
        last_error: record.last_error.clone(),
        network_policy: network.policy.as_str().to_owned(),
        network_enabled: has_card,
        network_rules: NetworkRules {
            allow_domains: network.rules.allow_domains.clone(),
            allow_cidrs: network.rules.allow_cidrs.clone(),
        },
        allow_host_compat: false,
        guest_ip: has_card.then(|| addresses().guest_ip),
        tap_name: has_card.then(|| addresses().tap_name.to_owned()),
        execution_mode: machine.map_or(ExecutionMode::Pending, |machine| machine.execution_mode),
        backend: machine.map(|machine| machine.backend.clone()),
        accelerator: machine.and_then(|machine| machine.accelerator.clone()),
        workspace_path: WORKSPACE_PATH.into(),
        workspace_seed: record.seed.clone(),
        secrets: record.secrets.clone(),
        command_count: record.command_count,
        // Its supervisor knows.
        running_command_count: 0,
        running_shell_count: shells(record),
        last_command: record.last_command.clone(),
        reset_count: record.reset_count,
        last_reset_at: record.last_reset_at,
        service_count: services.len() as u64,
        running_service_count: services::running(&services),
        services,
        published_ports: ports(record).to_vec(),
        stale: false,
        metadata,
    }
}

/// One line of a list, from the record alone.
pub fn row(record: &Record, folder: &Folder) -> WorkspaceRow {
    let services = rows(record, folder);
    WorkspaceRow {
        workspace_id: record.workspace_id.clone(),
        name: record.name.clone(),
        labels: record.labels.clone(),
        environment: record.spec.environment.clone(),
        state: state(record.phase),
        created_at: record.created_at,
        last_activity_at: record.last_activity_at,
        expires_at: expires_at(record),
        command_count: record.command_count,
        service_count: services.len() as u64,
        running_service_count: services::running(&services),
        running_shell_count: shells(record),
        published_port_count: ports(record).len() as u64,
        stale: false,
        disk_used_bytes: folder.disk_used_bytes(),
    }
}

fn rows(record: &Record, folder: &Folder) -> Vec<ServiceRow> {
    services::rows(folder, state(record.phase) == WorkspaceState::Started)
}

/// They go with the machine.
fn ports(record: &Record) -> &[OwnedPort] {
    match record.phase {
        Phase::Started => &record.published_ports,
        _ => &[],
    }
}

/// So do these.
fn shells(record: &Record) -> u64 {
    match record.phase {
        Phase::Started => record.running_shell_count,
        _ => 0,
    }
}

fn expires_at(record: &Record) -> f64 {
    // Fits a float: at most seven days.
    #[allow(clippy::cast_precision_loss)]
    let ttl_seconds = record.spec.ttl_seconds as f64;
    record.renewed_at + ttl_seconds
}

/// A phase as the contract's state: a plan under way looks like where it leads.
pub fn state(phase: Phase) -> WorkspaceState {
    match phase {
        Phase::Creating => WorkspaceState::Creating,
        Phase::Started | Phase::Starting | Phase::Resetting => WorkspaceState::Started,
        Phase::Stopped | Phase::Stopping | Phase::Deleting => WorkspaceState::Stopped,
    }
}
