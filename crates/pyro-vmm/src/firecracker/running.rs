//! A Firecracker process as a machine.
//!
//! Owns: the order of API requests, and the operations of [`Machine`].
//!
//! ```text
//!   boot(None) ---------> running
//!   boot(files) --------> running --freeze: pause, snapshot, kill--> sealed template
//!   restore: load ------> running
//! ```
//!
//! A machine to be frozen tracks written pages, so that the memory file has
//! holes where the guest never wrote; its clones do not track.

use super::NAME;
use super::api::{
    Action, Api, BootSource, CacheType, Drive, MachineConfig, MemoryBackend, NetworkInterface,
    SnapshotCreate, SnapshotLoad, SnapshotType, VmState, Vsock,
};
use super::binary::FirecrackerBinary;
use super::launch::{self, Launched, VSOCK};
use crate::agent_stream::AgentStream;
use crate::confine::Confined;
use crate::error::VmmError;
use crate::machine::{Machine, MachineSpec};
use crate::template::Template;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

const KERNEL: &str = "kernel";
const INITRAMFS: &str = "initramfs";
const MEMORY: &str = "memory";
const STATE: &str = "state";
/// Address of every guest: each machine has a vsock of its own.
const GUEST_CID: u32 = 3;

pub(super) struct FirecrackerMachine {
    confined: Confined,
    api: Api,
    agent: Option<AgentStream>,
    can_freeze: bool,
}

/// `reboot=k`: Firecracker ends when the guest resets by its keyboard
/// controller; the words about i8042 spare the probing of what is not there.
/// A clone's kvmclock is ahead by the template's age (KVM_CLOCK_REALTIME,
/// firecracker#5809), which looks like a stall to RCU: its report would be the
/// first thing every clone prints, over a port that costs an exit per letter.
pub(super) fn kernel_command_line(spec: &MachineSpec) -> String {
    let mut line = "console=ttyS0 quiet panic=-1 reboot=k pci=off rcupdate.rcu_cpu_stall_suppress=1 8250.nr_uarts=1 i8042.noaux i8042.nomux i8042.nopnp i8042.dumbkbd".to_owned();
    if !spec.kernel_args.is_empty() {
        line.push(' ');
        line.push_str(&spec.kernel_args);
    }
    line
}

impl FirecrackerMachine {
    /// With `freeze_into` it can be frozen into these files (memory, state).
    pub(super) fn boot(
        binary: &FirecrackerBinary,
        spec: &MachineSpec,
        freeze_into: Option<(File, File)>,
    ) -> Result<Self, VmmError> {
        let mut files = vec![
            (KERNEL.to_owned(), spec.kernel.as_fd()),
            (INITRAMFS.to_owned(), spec.initramfs.as_fd()),
        ];
        if let Some((memory, state)) = &freeze_into {
            files.push((MEMORY.to_owned(), memory.as_fd()));
            files.push((STATE.to_owned(), state.as_fd()));
        }
        let mut machine = Self::launch(binary, spec, files, freeze_into.is_some())?;
        machine
            .configure(spec)
            .map_err(|error| launch::explain(&mut machine.confined, "the boot", error))?;
        Ok(machine)
    }

    pub(super) fn restore(
        binary: &FirecrackerBinary,
        spec: &MachineSpec,
        template: &Template,
    ) -> Result<Self, VmmError> {
        let files = vec![
            (MEMORY.to_owned(), template.memory.as_fd()),
            (STATE.to_owned(), template.state.as_fd()),
        ];
        let mut machine = Self::launch(binary, spec, files, false)?;
        machine
            .api
            .snapshot_load(&SnapshotLoad {
                snapshot_path: STATE.into(),
                mem_backend: MemoryBackend {
                    backend_type: "File",
                    backend_path: MEMORY.into(),
                },
                resume_vm: true,
            })
            .map_err(|error| launch::explain(&mut machine.confined, "the restore", error))?;
        Ok(machine)
    }

    fn launch<'a>(
        binary: &FirecrackerBinary,
        spec: &'a MachineSpec,
        mut files: Vec<(String, BorrowedFd<'a>)>,
        can_freeze: bool,
    ) -> Result<Self, VmmError> {
        for (index, drive) in spec.drives.iter().enumerate() {
            files.push((drive_name(index), drive.file.as_fd()));
        }
        let Launched {
            confined,
            api,
            listener,
        } = launch::launch(binary, spec, &files)?;
        Ok(Self {
            agent: Some(AgentStream::Dialled {
                listener,
                vmm_end: confined.end_handle()?,
            }),
            confined,
            api,
            can_freeze,
        })
    }

    fn configure(&mut self, spec: &MachineSpec) -> Result<(), VmmError> {
        self.api.machine_config(&MachineConfig {
            vcpu_count: spec.vcpu_count,
            mem_size_mib: spec.mem_size_mib,
            track_dirty_pages: self.can_freeze,
        })?;
        self.api.boot_source(&BootSource {
            kernel_image_path: KERNEL.into(),
            initrd_path: INITRAMFS.into(),
            boot_args: kernel_command_line(spec),
        })?;
        for (index, drive) in spec.drives.iter().enumerate() {
            self.api.drive(&Drive {
                drive_id: drive_name(index),
                path_on_host: drive_name(index),
                is_root_device: false,
                is_read_only: drive.read_only,
                cache_type: if drive.durable {
                    CacheType::Writeback
                } else {
                    CacheType::Unsafe
                },
            })?;
        }
        self.api.vsock(&Vsock {
            guest_cid: GUEST_CID,
            uds_path: VSOCK.into(),
        })?;
        if let Some(nic) = &spec.nic {
            self.api.network_interface(&NetworkInterface {
                iface_id: "net".into(),
                host_dev_name: nic.tap_name.clone(),
                guest_mac: Some(nic.mac.clone()),
            })?;
        }
        self.api.entropy()?;
        self.api.action(Action::InstanceStart)
    }
}

fn drive_name(index: usize) -> String {
    format!("drive{index}")
}

impl Machine for FirecrackerMachine {
    fn confined(&self) -> &Confined {
        &self.confined
    }

    fn confined_mut(&mut self) -> &mut Confined {
        &mut self.confined
    }

    fn take_agent_stream(&mut self) -> Option<AgentStream> {
        self.agent.take()
    }

    fn freeze(&mut self, dir: &Path) -> Result<Template, VmmError> {
        if !std::mem::take(&mut self.can_freeze) {
            return Err(VmmError::Unsupported {
                backend: NAME,
                ability: "freeze a machine that was not started for it",
            });
        }
        self.pause()?;
        self.api
            .snapshot_create(&SnapshotCreate {
                snapshot_type: SnapshotType::Diff,
                snapshot_path: STATE.into(),
                mem_file_path: MEMORY.into(),
            })
            .map_err(|error| launch::explain(&mut self.confined, "the freeze", error))?;
        // It must not write the files any more when they are sealed.
        self.kill();
        Template::seal(dir)
    }

    fn pause(&mut self) -> Result<(), VmmError> {
        self.api.vm_state(VmState::Paused)
    }

    fn resume(&mut self) -> Result<(), VmmError> {
        self.api.vm_state(VmState::Resumed)
    }

    fn serial_tail(&self) -> String {
        self.confined.stdout.tail()
    }
}
