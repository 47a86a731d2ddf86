//! What a machine is made of, and what a running one can be asked.
//!
//! Owns: the backend-neutral description and the [`Backend`] and [`Machine`]
//! traits. Refuses: silently doing nothing: what a backend cannot do is in
//! [`Capabilities`] and answers [`VmmError::Unsupported`].

use crate::agent_stream::AgentStream;
use crate::confine::{Confined, Level};
use crate::error::VmmError;
use crate::template::Template;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// The processor itself, through /dev/kvm.
    Kvm,
    /// QEMU's translator: a real guest kernel on any host.
    Tcg,
}

impl Accelerator {
    /// `kvm` or `tcg`, as QEMU and the payloads spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

/// What to build.
#[derive(Debug)]
pub struct MachineSpec {
    /// Virtual CPUs.
    pub vcpu_count: u32,
    /// Memory in MiB.
    pub mem_size_mib: u32,
    /// Kernel image as ELF.
    pub kernel: File,
    /// Initial RAM file system with the agent.
    pub initramfs: File,
    /// Added to the kernel command line of the backend.
    pub kernel_args: String,
    /// In order: `/dev/vda`, `/dev/vdb`, …
    pub drives: Vec<Drive>,
    /// Its network card, if it has one.
    pub nic: Option<Nic>,
    /// Whether the guest may run guests of its own. Under TCG it sees an
    /// emulated SVM; a host's own virtualization is never passed on.
    pub nested_virtualization: bool,
}

/// A network card.
#[derive(Debug)]
pub struct Nic {
    /// The host's side, a TAP with a `virtio_net_hdr_v1` before each packet;
    /// none for a VMM that opens it by its name, because it has one user only.
    pub tap: Option<OwnedFd>,
    /// The TAP's name in its network namespace.
    pub tap_name: String,
    /// That network namespace.
    pub net: OwnedFd,
    /// The user namespace it belongs to.
    pub user: OwnedFd,
    /// The guest's hardware address. Part of what is frozen.
    pub mac: String,
}

/// A block device.
#[derive(Debug)]
pub struct Drive {
    /// The raw image, opened as it is to be used.
    pub file: File,
    /// Whether the guest may only read it.
    pub read_only: bool,
    /// Whether its content must survive a crash of the host; a drive that
    /// dies with the machine is never flushed.
    pub durable: bool,
}

/// What a backend can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Runs a kernel of its own, apart from the host's.
    pub guest_kernel: bool,
    /// Can freeze into and start from a [`Template`].
    pub templates: bool,
    /// Can halt and continue all vCPUs.
    pub pause: bool,
    /// Halts the guest when the host's disk is full, instead of failing the
    /// guest's writes.
    pub halts_on_full_disk: bool,
    /// The guest may run guests of its own.
    pub nested_virtualization: bool,
}

/// How a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Exit code of the VMM, 128 + n after signal n.
    pub code: i32,
    /// The last lines it printed on stderr.
    pub stderr: String,
}

/// A VMM that can be started.
pub trait Backend {
    /// As in results and flags: `qemu`, `firecracker`.
    fn name(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// What executes the guest's instructions.
    fn accelerator(&self) -> Accelerator;

    /// Everything of a machine's making that a frozen state depends on.
    fn template_key_parts(&self, spec: &MachineSpec) -> Vec<String>;

    /// Starts a machine from its kernel. With `freeze_into` (an empty folder)
    /// [`Machine::freeze`] can be called with that folder.
    ///
    /// # Errors
    /// [`VmmError`]: confinement, start, I/O.
    fn boot(
        &self,
        spec: &MachineSpec,
        freeze_into: Option<&Path>,
    ) -> Result<Box<dyn Machine>, VmmError>;

    /// Starts a machine from a template; it runs when this returns.
    ///
    /// # Errors
    /// [`VmmError`]: confinement, start, a refused state.
    fn restore(
        &self,
        spec: &MachineSpec,
        template: &Template,
    ) -> Result<Box<dyn Machine>, VmmError>;
}

/// A machine that runs. Dropping it ends it and everything inside.
pub trait Machine: Send {
    /// Its process.
    fn confined(&self) -> &Confined;

    /// Its process, to wait for or to end.
    fn confined_mut(&mut self) -> &mut Confined;

    /// The stream to the agent; given out once.
    fn take_agent_stream(&mut self) -> Option<AgentStream>;

    /// Freezes it into `dir`, which must exist and be empty; the machine is over.
    ///
    /// # Errors
    /// [`VmmError::Unsupported`], or what the VMM refused.
    fn freeze(&mut self, dir: &Path) -> Result<Template, VmmError>;

    /// Halts all vCPUs.
    ///
    /// # Errors
    /// [`VmmError::Unsupported`], or what the VMM refused.
    fn pause(&mut self) -> Result<(), VmmError>;

    /// Lets halted vCPUs go on, also those the VMM halted for want of space.
    ///
    /// # Errors
    /// As [`Machine::pause`].
    fn resume(&mut self) -> Result<(), VmmError>;

    /// The last part of its serial console, invalid UTF-8 replaced.
    fn serial_tail(&self) -> String;

    /// Why the VMM halted the guest by itself, for example a full host disk.
    fn halted_because(&self) -> Option<String> {
        None
    }

    /// Waits for its end; `None` when it still runs after `timeout`.
    fn wait(&mut self, timeout: Duration) -> Option<Ended> {
        let code = self.confined_mut().wait(timeout)?;
        Some(Ended {
            code,
            stderr: self.confined().stderr.last_words().trim().to_owned(),
        })
    }

    /// Ends it now, with everything inside.
    fn kill(&mut self) {
        self.confined_mut().kill();
    }

    /// Host process ids: the VMM's own first.
    fn pids(&self) -> Vec<u32> {
        self.confined().pids()
    }

    /// How much of the confinement is in force.
    fn confinement(&self) -> Level {
        self.confined().level
    }
}
