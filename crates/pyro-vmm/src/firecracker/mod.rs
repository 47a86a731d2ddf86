//! Firecracker: the backend of choice wherever KVM works.
//!
//! Owns: finding the program ([`binary`]), its API ([`api`]), and starting,
//! freezing and cloning machines with it. Refuses: software emulation, and
//! paths of the host: the VMM works in a jail of its own, where everything has
//! a fixed relative name, so that a clone finds there what its template had.
//!
//! ```text
//!   start in the jail -> API socket appears (inotify) -> configure -> InstanceStart
//!                                                    `-> snapshot/load, resumed
//!   the guest dials vsock port 5006 = the socket `v.sock_5006`, on which pyro
//!   has listened since before Firecracker was started
//! ```

pub mod api;
pub mod binary;
mod launch;
mod running;

pub use binary::FirecrackerBinary;

use crate::error::VmmError;
use crate::machine::{Accelerator, Backend, Capabilities, Machine, MachineSpec};
use crate::template::Template;
use running::FirecrackerMachine;
use std::path::Path;

/// Name of the backend in results.
pub const NAME: &str = "firecracker";

/// The backend.
#[derive(Clone, Debug)]
pub struct Firecracker {
    /// The program.
    pub binary: FirecrackerBinary,
}

impl Backend for Firecracker {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            guest_kernel: true,
            templates: true,
            pause: true,
            halts_on_full_disk: false,
            nested_virtualization: false,
        }
    }

    fn accelerator(&self) -> Accelerator {
        Accelerator::Kvm
    }

    fn template_key_parts(&self, spec: &MachineSpec) -> Vec<String> {
        let mut parts = vec![
            NAME.to_owned(),
            self.binary.identity.clone(),
            crate::kvm::processor(),
            running::kernel_command_line(spec),
            format!("{} vCPUs, {} MiB", spec.vcpu_count, spec.mem_size_mib),
        ];
        parts.extend(
            spec.drives
                .iter()
                .map(|drive| format!("read only {}, durable {}", drive.read_only, drive.durable)),
        );
        parts.extend(
            spec.nic
                .iter()
                .map(|nic| format!("nic {} {}", nic.tap_name, nic.mac)),
        );
        parts
    }

    fn boot(
        &self,
        spec: &MachineSpec,
        freeze_into: Option<&Path>,
    ) -> Result<Box<dyn Machine>, VmmError> {
        if spec.nested_virtualization {
            return Err(VmmError::Unsupported {
                backend: NAME,
                ability: "let a guest run guests of its own",
            });
        }
        let files = freeze_into.map(crate::template::create_files).transpose()?;
        let machine = FirecrackerMachine::boot(&self.binary, spec, files)?;
        Ok(Box::new(machine))
    }

    fn restore(
        &self,
        spec: &MachineSpec,
        template: &Template,
    ) -> Result<Box<dyn Machine>, VmmError> {
        let machine = FirecrackerMachine::restore(&self.binary, spec, template)?;
        Ok(Box::new(machine))
    }
}
