//! One-shot VMs: made, used for one command, gone.
//!
//! Owns: their life in this process. They are never on disk: a VM ends with
//! the process that made it, whatever ends that process.
//!
//! ```text
//!   create --> created --start--> started --stop--> stopped --start--> started
//!                 |                  `--exec--> gone        |
//!                 `-------- delete, expiry (idle) ----------'--> gone
//! ```

pub(crate) mod checks;
mod one_shot;
pub mod payloads;

use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::{Environments, Layout};
use one_shot::OneShot;
use payloads::{DeletedVm, ExecResult, NetworkInfo, Reaped, VmInfo, VmSpec};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a command reads as its standard input.
pub type Stdin = Option<File>;

/// The one-shot VMs of this process.
pub struct Vms {
    layout: Layout,
    /// A VM's own lock is held while it works, the table's never.
    table: Mutex<BTreeMap<String, Arc<Mutex<OneShot>>>>,
}

impl Vms {
    /// No VM yet; touches nothing.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            layout: layout.clone(),
            table: Mutex::default(),
        }
    }

    /// Creates, starts, runs `command`, deletes; also deletes after a failure.
    ///
    /// # Errors
    /// Everything of [`Self::create`], [`Self::start`] and [`Self::exec`].
    #[allow(clippy::too_many_arguments)]
    pub fn run(
        &self,
        environments: &Environments,
        spec: &VmSpec,
        command: &str,
        timeout_seconds: u64,
        stdin: Stdin,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<ExecResult> {
        checks::timeout(timeout_seconds)?;
        checks::command(command)?;
        checks::spec(spec)?;
        let phase = |name, fields| {
            events.event(Event::Phase {
                prefix: "run",
                name,
                fields,
            })
        };
        phase("create", vec![("environment", spec.environment.clone())]);
        let vm_id = self.create(environments, spec)?.vm_id;
        phase("start", vec![("vm_id", vm_id.clone())]);
        let result = self
            .start(environments, &vm_id, events, cancel)
            .and_then(|_| {
                phase("execute", vec![("vm_id", vm_id.clone())]);
                self.exec(&vm_id, command, timeout_seconds, stdin, events, cancel)
            });
        // Gone already after an exec; a failed start leaves the record.
        self.table().remove(&vm_id);
        result
    }

    /// Makes a VM in state `created`; nothing runs yet.
    ///
    /// # Errors
    /// `out_of_range`, `unknown_environment`, `invalid_network_rule`.
    pub fn create(&self, environments: &Environments, spec: &VmSpec) -> Result<VmInfo> {
        checks::spec(spec)?;
        environments.inspect(&spec.environment)?;
        self.reap();
        let vm = OneShot::new(VmSpec {
            network: spec.network.clone().checked()?,
            ..spec.clone()
        });
        let info = vm.info();
        self.table()
            .insert(info.vm_id.clone(), Arc::new(Mutex::new(vm)));
        Ok(info)
    }

    /// Installs the environment when it is not, and boots or clones.
    ///
    /// # Errors
    /// `wrong_state`, and everything that can go wrong with a machine.
    pub fn start(
        &self,
        environments: &Environments,
        vm_id: &str,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<VmInfo> {
        let vm = self.find(vm_id)?;
        let mut vm = lock(&vm);
        vm.start(&self.layout, environments, events, cancel)?;
        Ok(vm.info())
    }

    /// Runs a command and deletes the VM afterwards, also after a failure.
    ///
    /// # Errors
    /// `wrong_state` (the VM stays), `empty_command`, and everything that can
    /// happen to a guest.
    pub fn exec(
        &self,
        vm_id: &str,
        command: &str,
        timeout_seconds: u64,
        stdin: Stdin,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<ExecResult> {
        checks::timeout(timeout_seconds)?;
        checks::command(command)?;
        let vm = self.find(vm_id)?;
        let result = {
            let mut vm = lock(&vm);
            vm.need_started()?;
            let result = vm.exec(
                command,
                Duration::from_secs(timeout_seconds),
                stdin,
                events,
                cancel,
            );
            vm.end();
            result
        };
        self.table().remove(vm_id);
        result
    }

    /// Powers it off in order; its disk is kept until it is deleted.
    ///
    /// # Errors
    /// `unknown_vm`.
    pub fn stop(&self, vm_id: &str) -> Result<VmInfo> {
        let vm = self.find(vm_id)?;
        let mut vm = lock(&vm);
        vm.stop();
        Ok(vm.info())
    }

    /// Ends and forgets it, whatever its state.
    ///
    /// # Errors
    /// `unknown_vm`.
    pub fn delete(&self, vm_id: &str) -> Result<DeletedVm> {
        let vm = self.table().remove(vm_id).ok_or_else(|| unknown(vm_id))?;
        lock(&vm).end();
        Ok(DeletedVm {
            vm_id: vm_id.to_owned(),
            deleted: true,
            reason: "explicit_delete".into(),
        })
    }

    /// What it is and how it is.
    ///
    /// # Errors
    /// `unknown_vm`.
    pub fn status(&self, vm_id: &str) -> Result<VmInfo> {
        let vm = self.find(vm_id)?;
        let info = lock(&vm).info();
        Ok(info)
    }

    /// Its network.
    ///
    /// # Errors
    /// `unknown_vm`.
    pub fn network_info(&self, vm_id: &str) -> Result<NetworkInfo> {
        let vm = self.find(vm_id)?;
        let info = lock(&vm).network_info();
        Ok(info)
    }

    /// Deletes every VM of this process that was idle for its time to live.
    ///
    /// # Errors
    /// None at present.
    pub fn reap_expired(&self) -> Result<Reaped> {
        let deleted_vm_ids = self.reap();
        Ok(Reaped {
            count: deleted_vm_ids.len(),
            deleted_vm_ids,
        })
    }

    fn reap(&self) -> Vec<String> {
        let all: Vec<_> = self
            .table()
            .iter()
            .map(|(id, vm)| (id.clone(), vm.clone()))
            .collect();
        let mut reaped = Vec::new();
        for (id, vm) in all {
            // One that is locked is at work, hence not idle.
            if let Ok(mut vm) = vm.try_lock()
                && vm.is_expired()
            {
                vm.end();
                self.table().remove(&id);
                reaped.push(id);
            }
        }
        reaped
    }

    fn find(&self, vm_id: &str) -> Result<Arc<Mutex<OneShot>>> {
        self.table()
            .get(vm_id)
            .cloned()
            .ok_or_else(|| unknown(vm_id))
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Mutex<OneShot>>>> {
        lock(&self.table)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unknown(vm_id: &str) -> Error {
    Error::invalid("unknown_vm", format!("no VM {vm_id} in this process"))
        .hint("one-shot VMs live in the process that created them, for one command; create another")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoEvents;
    use crate::network::{NetworkPolicy, NetworkSpec};
    use payloads::BackendChoice;
    use pyro_gateway::config::Rules;

    fn spec() -> VmSpec {
        VmSpec {
            environment: "debian:12".into(),
            vcpu_count: 1,
            mem_mib: 1024,
            ttl_seconds: 600,
            network: NetworkSpec::default(),
            allow_host_compat: false,
            backend: BackendChoice::Auto,
        }
    }

    fn vms() -> (tempfile::TempDir, Vms, Environments) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout {
            cache: dir.path().join("cache"),
            state: dir.path().join("state"),
        };
        let environments = Environments::new(&layout);
        (dir, Vms::new(&layout), environments)
    }

    #[test]
    fn a_created_vm_can_be_seen_and_deleted_and_is_then_unknown() {
        let (_dir, vms, environments) = vms();
        let id = vms.create(&environments, &spec()).unwrap().vm_id;
        assert!(id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(vms.status(&id).unwrap().state, payloads::VmState::Created);
        let refused = vms
            .exec(&id, "true", 30, None, &NoEvents, &Cancel::default())
            .unwrap_err();
        assert_eq!(refused.code, "wrong_state");
        assert_eq!(vms.stop(&id).unwrap().state, payloads::VmState::Stopped);
        assert!(vms.delete(&id).unwrap().deleted);
        assert_eq!(vms.status(&id).unwrap_err().code, "unknown_vm");
    }

    #[test]
    fn what_is_wrong_with_a_request_is_said_before_anything_is_made() {
        let (_dir, vms, environments) = vms();
        let cases: [(VmSpec, &str); 6] = [
            (
                VmSpec {
                    vcpu_count: 0,
                    ..spec()
                },
                "out_of_range",
            ),
            (
                VmSpec {
                    vcpu_count: 9,
                    ..spec()
                },
                "out_of_range",
            ),
            (
                VmSpec {
                    mem_mib: 255,
                    ..spec()
                },
                "out_of_range",
            ),
            (
                VmSpec {
                    ttl_seconds: 3601,
                    ..spec()
                },
                "out_of_range",
            ),
            (
                VmSpec {
                    network: NetworkSpec {
                        policy: NetworkPolicy::Off,
                        rules: Rules {
                            allow_cidrs: vec!["10.0.0.0/8".into()],
                            ..Rules::default()
                        },
                    },
                    ..spec()
                },
                "invalid_network_rule",
            ),
            (
                VmSpec {
                    environment: "plan9".into(),
                    ..spec()
                },
                "unknown_environment",
            ),
        ];
        for (spec, code) in cases {
            let error = vms.create(&environments, &spec).unwrap_err();
            assert_eq!(error.code, code, "{spec:?}");
            assert!(error.hint.is_some(), "{spec:?}");
        }
        assert!(vms.table().is_empty());
    }
}
