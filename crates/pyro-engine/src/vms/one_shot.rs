//! One one-shot VM.
//!
//! Owns: its state and its guest.

use super::Stdin;
use super::payloads::{DeletedVm, ExecResult, ExecutionMode, NetworkInfo, VmInfo, VmSpec, VmState};
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::guest::{Command, KEPT_BYTES};
use crate::layout::Layout;
use crate::network::{Gateway, UplinkState, addresses};
use crate::start::{self, DEFAULT_SCRATCH_MIB, Scratch, Started, Wanted};
use crate::{Environments, Kind};
use pyro_vmm::confine::Level;
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(super) struct OneShot {
    vm_id: String,
    spec: VmSpec,
    environment_version: Option<String>,
    created_at: f64,
    state: VmState,
    /// Kept from the first start to the end, so that a stopped VM can go on.
    scratch: Option<Scratch>,
    started: Option<Started>,
    metadata: BTreeMap<String, String>,
    /// Monotonic, so that neither a clock step nor the host's sleep ends it.
    last_used: Instant,
}

impl OneShot {
    pub(super) fn new(spec: VmSpec) -> Self {
        let mut vm_id = uuid::Uuid::new_v4().simple().to_string();
        vm_id.truncate(12);
        Self {
            vm_id,
            spec,
            environment_version: None,
            created_at: unix_now(),
            state: VmState::Created,
            scratch: None,
            started: None,
            metadata: BTreeMap::new(),
            last_used: Instant::now(),
        }
    }

    pub(super) fn info(&self) -> VmInfo {
        let left = self.ttl().saturating_sub(self.last_used.elapsed());
        VmInfo {
            vm_id: self.vm_id.clone(),
            environment: self.spec.environment.clone(),
            environment_version: self.environment_version.clone(),
            vcpu_count: self.spec.vcpu_count,
            mem_mib: self.spec.mem_mib,
            ttl_seconds: self.spec.ttl_seconds,
            created_at: self.created_at,
            expires_at: unix_now() + left.as_secs_f64(),
            state: self.state,
            network_enabled: self.has_card(),
            allow_host_compat: self.spec.allow_host_compat,
            guest_ip: self.has_card().then(|| addresses().guest_ip),
            tap_name: self.has_card().then(|| addresses().tap_name.to_owned()),
            execution_mode: self
                .started
                .as_ref()
                .map_or(ExecutionMode::Pending, |started| started.execution_mode),
            backend: self
                .started
                .as_ref()
                .map(|started| started.backend.to_owned()),
            accelerator: self.started.as_ref().and_then(accelerator),
            metadata: self.metadata.clone(),
        }
    }

    /// Whether the guest has one: not on the host, where no gateway is.
    fn has_card(&self) -> bool {
        self.spec.network.policy.has_card()
            && self
                .started
                .as_ref()
                .is_none_or(|started| started.guest.uplink().is_some())
    }

    pub(super) fn network_info(&self) -> NetworkInfo {
        let addresses = self.has_card().then(addresses);
        let uplink = self.started.as_ref().and_then(|one| one.guest.uplink());
        let reason = match (&addresses, uplink) {
            (None, _) if self.spec.network.policy.has_card() => {
                Some("the command runs on the host".to_owned())
            }
            (None, _) => Some("the VM was made without a network".to_owned()),
            (Some(_), None) => Some("the VM is not started".to_owned()),
            (Some(_), Some(UplinkState::Down(reason))) => Some(reason),
            (Some(_), Some(UplinkState::Up)) => None,
        };
        NetworkInfo {
            vm_id: self.vm_id.clone(),
            network_enabled: addresses.is_some(),
            outbound_connectivity_expected: reason.is_none(),
            tap_name: addresses.as_ref().map(|all| all.tap_name.to_owned()),
            guest_ip: addresses.as_ref().map(|all| all.guest_ip.clone()),
            gateway_ip: addresses.as_ref().map(|all| all.gateway_ip.clone()),
            subnet_cidr: addresses.as_ref().map(|all| all.subnet_cidr.to_owned()),
            mac_address: addresses.as_ref().map(|all| all.mac_address.to_owned()),
            dns_servers: addresses.as_ref().map(|all| vec![all.gateway_ip.clone()]),
            reason,
        }
    }

    pub(super) fn is_expired(&self) -> bool {
        self.last_used.elapsed() >= self.ttl()
    }

    fn ttl(&self) -> Duration {
        Duration::from_secs(self.spec.ttl_seconds)
    }

    pub(super) fn need_started(&self) -> Result<()> {
        if self.started.is_some() {
            return Ok(());
        }
        Err(Error::runtime(
            "wrong_state",
            format!("VM {} is {:?}, not started", self.vm_id, self.state).to_lowercase(),
        )
        .hint("start it first"))
    }

    pub(super) fn start(
        &mut self,
        layout: &Layout,
        environments: &Environments,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<()> {
        if self.started.is_some() {
            return Err(Error::runtime(
                "wrong_state",
                format!("vm {} is started already", self.vm_id),
            )
            .hint("run a command in it, or stop it"));
        }
        let started = match self.start_guest(layout, environments, events, cancel) {
            Ok(started) => started,
            Err(error)
                if self.spec.allow_host_compat
                    && error.kind == Kind::Runtime
                    && !cancel.is_cancelled() =>
            {
                events.event(Event::Notice(format!(
                    "no guest can be used ({error}); the command runs on this host, as was allowed"
                )));
                start::start_on_host(&self.hostname(), cancel)?
            }
            Err(error) => return Err(error),
        };
        self.metadata
            .insert("start_kind".into(), started.start_kind.into());
        let confinement = started.guest.confinement();
        if confinement == Level::LifelineOnly {
            events.event(Event::Notice(
                "namespaces cannot be made here, so the VMM is confined by its own sandbox only; see pyro doctor".into(),
            ));
        }
        self.metadata
            .insert("confinement".into(), confinement.as_str().into());
        self.started = Some(started);
        self.state = VmState::Started;
        self.last_used = Instant::now();
        Ok(())
    }

    fn start_guest(
        &mut self,
        layout: &Layout,
        environments: &Environments,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Started> {
        let installed = environments.ensure(&self.spec.environment, events, cancel)?;
        self.environment_version = Some(installed.version.clone());
        self.metadata.insert(
            "kernel_image".into(),
            installed.kernel.path.display().to_string(),
        );
        self.metadata.insert(
            "rootfs_image".into(),
            installed.rootfs.path.display().to_string(),
        );
        let scratch = match self.scratch.take() {
            Some(scratch) => scratch.again()?,
            None => Scratch::create(layout, DEFAULT_SCRATCH_MIB)?,
        };
        let hostname = self.hostname();
        let network = &self.spec.network;
        let gateway = network.policy.has_card().then(|| {
            Gateway::start(&network.rules, Vec::new(), |attempt| {
                tracing::debug!("network: {attempt:?}");
            })
        });
        let gateway = gateway.transpose()?;
        let wanted = Wanted {
            installed: &installed,
            vcpu_count: self.spec.vcpu_count,
            mem_mib: self.spec.mem_mib,
            hostname: &hostname,
            backend: self.spec.backend,
            scratch: &scratch,
            baseline: None,
            reader: false,
            gateway: gateway.as_ref(),
        };
        let started = start::start(layout, &wanted, events, cancel);
        self.scratch = Some(scratch);
        if let (Ok(started), Some(gateway)) = (&started, gateway) {
            started.guest.keep_gateway(gateway);
        }
        started
    }

    fn hostname(&self) -> String {
        format!("pyro-{}", self.vm_id)
    }

    pub(super) fn exec(
        &mut self,
        command: &str,
        timeout: Duration,
        stdin: Stdin,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<ExecResult> {
        self.need_started()?;
        let (vm_id, spec, environment_version) = (
            self.vm_id.clone(),
            self.spec.clone(),
            self.environment_version.clone(),
        );
        let Some(started) = self.started.as_mut() else {
            return Err(Error::runtime(
                "wrong_state",
                format!("vm {vm_id} is not started"),
            ));
        };
        let finished = started.guest.exec(
            Command {
                shell: command,
                timeout,
                stdin,
                env: Default::default(),
                redactor: Default::default(),
                kept_bytes: KEPT_BYTES,
            },
            events,
            cancel,
        )?;
        Ok(ExecResult {
            environment: spec.environment,
            environment_version,
            command: command.to_owned(),
            stdout: finished.stdout.text,
            stderr: finished.stderr.text,
            stdout_bytes: finished.stdout.total_bytes,
            stderr_bytes: finished.stderr.total_bytes,
            stdout_truncated: finished.stdout.truncated,
            stderr_truncated: finished.stderr.truncated,
            lossy: finished.stdout.lossy || finished.stderr.lossy,
            exit_code: finished.exited.exit_code,
            signal: finished.exited.signal,
            timed_out: finished.exited.timed_out,
            duration_ms: finished.exited.duration_ms,
            execution_mode: started.execution_mode,
            backend: started.backend.to_owned(),
            accelerator: accelerator(started),
            start_kind: started.start_kind.to_owned(),
            cleanup: DeletedVm {
                vm_id: vm_id.clone(),
                deleted: true,
                reason: "post_exec_cleanup".into(),
            },
            vm_id,
        })
    }

    pub(super) fn stop(&mut self) {
        if let Some(started) = self.started.take() {
            started.guest.power_off();
        }
        self.state = VmState::Stopped;
        self.last_used = Instant::now();
    }

    /// Ends it at once; what it wrote is gone with it.
    pub(super) fn end(&mut self) {
        self.started = None;
        self.scratch = None;
        self.state = VmState::Stopped;
    }
}

fn accelerator(started: &Started) -> Option<String> {
    started
        .accelerator
        .map(|accelerator| accelerator.as_str().to_owned())
}

fn unix_now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
