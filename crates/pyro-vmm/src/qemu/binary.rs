//! Which QEMU, and starting machines with it.
//!
//! Owns: the lookup (`PYRO_QEMU_BIN`, then PATH), the version, and the two
//! ways up: [`Backend::boot`] and [`Backend::restore`].

use super::running::{QemuMachine, Start};
use crate::error::VmmError;
use crate::machine::{Accelerator, Backend, Capabilities, Machine, MachineSpec};
use crate::program::{self, Located, Lookup};
use crate::template::Template;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LOOKUP: Lookup<'_> = Lookup {
    program: "qemu-system-x86_64",
    variable: "PYRO_QEMU_BIN",
    fallback: None,
};
/// It prints its version within milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// A QEMU program on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QemuBinary {
    /// Its path, links resolved.
    pub path: PathBuf,
    /// Size, inode and mtime as text: changes when the file does, and costs
    /// no execution to know. Part of every template's key.
    pub identity: String,
}

impl QemuBinary {
    /// Finds it.
    ///
    /// # Errors
    /// [`VmmError::Missing`], or [`VmmError::NotAProgram`].
    pub fn find() -> Result<Self, VmmError> {
        let Located { path, identity, .. } = LOOKUP.find()?;
        Ok(Self { path, identity })
    }

    /// The one at `path`.
    ///
    /// # Errors
    /// As [`QemuBinary::find`].
    pub fn at(path: &Path) -> Result<Self, VmmError> {
        let Located { path, identity, .. } =
            LOOKUP.find_in(Some(path.to_owned()), OsStr::new(""))?;
        Ok(Self { path, identity })
    }

    /// Runs it for its version, for example `7.2.22`. Not on the way to a machine.
    ///
    /// # Errors
    /// [`VmmError::Unusable`] with what it printed.
    pub fn version(&self) -> Result<String, VmmError> {
        let unusable = |reason: String| VmmError::Unusable {
            program: self.path.clone(),
            reason,
        };
        let text = program::ask(&self.path, &["--version"], PATIENCE).map_err(unusable)?;
        text.split_whitespace()
            .skip_while(|word| *word != "version")
            .nth(1)
            .map(str::to_owned)
            .ok_or_else(|| unusable("it does not tell its version".to_owned()))
    }
}

/// The backend.
#[derive(Clone, Debug)]
pub struct Qemu {
    /// The program.
    pub binary: QemuBinary,
    /// What executes the guest's instructions.
    pub accelerator: Accelerator,
    /// The host's counter rate in kHz, for a guest under TCG.
    pub tsc_khz: u64,
}

impl Backend for Qemu {
    fn name(&self) -> &'static str {
        super::NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            guest_kernel: true,
            templates: true,
            pause: true,
            halts_on_full_disk: true,
            nested_virtualization: self.accelerator == Accelerator::Tcg,
        }
    }

    fn accelerator(&self) -> Accelerator {
        self.accelerator
    }

    fn template_key_parts(&self, spec: &MachineSpec) -> Vec<String> {
        let mut parts = vec![
            super::NAME.to_owned(),
            self.binary.identity.clone(),
            self.accelerator.as_str().to_owned(),
            // Only TCG tells the guest a rate; with KVM the processor's flags matter.
            match self.accelerator {
                Accelerator::Tcg => self.tsc_khz.to_string(),
                Accelerator::Kvm => crate::kvm::processor(),
            },
        ];
        parts.extend(
            super::arguments::machine(self, spec, &super::arguments::Numbers::default())
                .into_iter()
                .map(|argument| argument.to_string_lossy().into_owned()),
        );
        parts
    }

    fn boot(
        &self,
        spec: &MachineSpec,
        freeze_into: Option<&Path>,
    ) -> Result<Box<dyn Machine>, VmmError> {
        if spec.nested_virtualization && !self.capabilities().nested_virtualization {
            return Err(VmmError::Unsupported {
                backend: super::NAME,
                ability: "pass the host's virtualization on to the guest",
            });
        }
        let start = match freeze_into {
            None => Start::Boot,
            Some(dir) => {
                let (memory, state) = crate::template::create_files(dir)?;
                memory
                    .set_len(u64::from(spec.mem_size_mib) << 20)
                    .map_err(VmmError::io(format!(
                        "size the memory file in {}",
                        dir.display()
                    )))?;
                Start::BootToFreeze { memory, state }
            }
        };
        Ok(Box::new(QemuMachine::start(self, spec, start)?))
    }

    fn restore(
        &self,
        spec: &MachineSpec,
        template: &Template,
    ) -> Result<Box<dyn Machine>, VmmError> {
        Ok(Box::new(QemuMachine::start(
            self,
            spec,
            Start::Restore { template },
        )?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Drive;
    use std::fs::File;

    fn spec(vcpu_count: u32, mem_size_mib: u32, kernel_args: &str) -> MachineSpec {
        let file = || File::open("/dev/null").unwrap();
        MachineSpec {
            vcpu_count,
            mem_size_mib,
            kernel: file(),
            initramfs: file(),
            kernel_args: kernel_args.to_owned(),
            nested_virtualization: false,
            nic: None,
            drives: vec![Drive {
                file: file(),
                read_only: true,
                durable: false,
            }],
        }
    }

    fn qemu(identity: &str, accelerator: Accelerator, tsc_khz: u64) -> Qemu {
        Qemu {
            binary: QemuBinary {
                path: "/q".into(),
                identity: identity.into(),
            },
            accelerator,
            tsc_khz,
        }
    }

    #[test]
    fn another_qemu_processor_or_machine_has_another_template() {
        let base = qemu("a", Accelerator::Tcg, 2_500_000);
        let key = |qemu: &Qemu, spec: &MachineSpec| qemu.template_key_parts(spec);
        let first = key(&base, &spec(1, 512, ""));
        assert_eq!(first, key(&base, &spec(1, 512, "")), "the same again");
        let others = [
            key(&qemu("b", Accelerator::Tcg, 2_500_000), &spec(1, 512, "")),
            key(&qemu("a", Accelerator::Tcg, 2_400_000), &spec(1, 512, "")),
            key(&qemu("a", Accelerator::Kvm, 2_500_000), &spec(1, 512, "")),
            key(&base, &spec(2, 512, "")),
            key(&base, &spec(1, 513, "")),
            key(&base, &spec(1, 512, "quiet")),
        ];
        for other in others {
            assert_ne!(first, other);
        }
    }
}
