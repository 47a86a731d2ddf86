//! From an installed environment to a guest that takes commands.
//!
//! Owns: the choice of backend and accelerator, the way up (template or cold
//! boot), and the fallbacks with their reasons. Refuses: knowing what the
//! guest is for.
//!
//! ```text
//!   template there?  --yes--> restore --ok------------------.
//!        |                      `--refused: drop it--.      |
//!        no: boot, freeze, seal, restore             |      v
//!        `--cannot be made: say why--> cold boot <---'   configure --> Guest
//! ```

mod accelerator;
mod host_facts;
pub mod initramfs;
mod scratch;
mod templates;

pub use host_facts::HostFacts;
pub use scratch::{DEFAULT_SCRATCH_MIB, Scratch};
use templates::InUse;
pub use templates::{TemplateInfo, Templates};

use crate::environments::Installed;
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::guest::Guest;
use crate::layout::Layout;
use crate::vms::payloads::{BackendChoice, ExecutionMode};
use pyro_vmm::qemu::{Qemu, QemuBinary};
use pyro_vmm::{Accelerator, Drive, MachineSpec, VmmError};
use std::fs::File;
use std::time::{Duration, Instant};

/// How long a kernel may take from its first instruction to the agent's
/// answer. Under TCG on a loaded host it takes some 5 s; a kernel that hangs
/// is ended then and tried once more.
const BOOT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the first boot with KVM on a host boot may take. With KVM that
/// works it takes less than a second, and up to half a minute when that KVM is
/// itself emulated, as in the KVM lab.
const KVM_PROOF_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a clone may take to answer.
const RESTORE_TIMEOUT: Duration = Duration::from_secs(30);
/// The guest's device for [`Scratch`]; the base is `/dev/vda`.
const SCRATCH_DEVICE: &str = "/dev/vdb";

/// What is wanted.
pub struct Wanted<'a> {
    /// Root file system, kernel, modules.
    pub installed: &'a Installed,
    /// Virtual CPUs.
    pub vcpu_count: u32,
    /// Memory in MiB.
    pub mem_mib: u32,
    /// Host name of the guest.
    pub hostname: &'a str,
    /// Which VMM.
    pub backend: BackendChoice,
    /// The writable layer.
    pub scratch: &'a Scratch,
}

/// A guest that takes commands, and how it came up.
pub struct Started {
    /// The guest.
    pub guest: Guest,
    /// How commands reach it.
    pub execution_mode: ExecutionMode,
    /// `qemu` or `process`.
    pub backend: &'static str,
    /// What executes its instructions.
    pub accelerator: Option<Accelerator>,
    /// `template`, `cold_boot` or `process`.
    pub start_kind: &'static str,
}

/// Starts a guest.
///
/// # Errors
/// `vmm_missing` and the other codes of [`VmmError`], those of [`Guest`].
pub fn start(
    layout: &Layout,
    wanted: &Wanted<'_>,
    events: &dyn EventSink,
    cancel: &Cancel,
) -> Result<Started> {
    if wanted.backend == BackendChoice::Firecracker {
        return Err(Error::runtime(
            "backend_unavailable",
            "this version of pyro has no firecracker backend",
        )
        .hint("use --backend auto or --backend qemu"));
    }
    let binary = QemuBinary::find()?;
    let mut facts = HostFacts::load(layout);
    let mut accelerator = accelerator::choose(&mut facts, &binary, events);
    if accelerator == Accelerator::Kvm && !facts.kvm_is_proven(&binary) {
        accelerator = prove_kvm(wanted, &mut facts, &binary, events, cancel)?;
    }
    facts.store(layout);
    start_with(layout, wanted, &facts, &binary, accelerator, events, cancel)
}

/// Boots once with KVM: a device that opens and processor flags that look
/// right still come with hosts on which a guest crawls and dies.
fn prove_kvm(
    wanted: &Wanted<'_>,
    facts: &mut HostFacts,
    binary: &QemuBinary,
    events: &dyn EventSink,
    cancel: &Cancel,
) -> Result<Accelerator> {
    let qemu = Qemu {
        binary: binary.clone(),
        accelerator: Accelerator::Kvm,
        tsc_khz: facts.tsc_khz,
    };
    let spec = machine_spec(wanted)?;
    let booted = qemu
        .boot(&spec, None)
        .map_err(Error::from)
        .and_then(|machine| Guest::connect(machine, KVM_PROOF_TIMEOUT, cancel));
    match booted {
        Ok(_) => {
            facts.kvm_worked(binary);
            Ok(Accelerator::Kvm)
        }
        Err(error) if cancel.is_cancelled() => Err(error),
        Err(error) => {
            facts.kvm_failed(binary, &error.message);
            events.event(Event::Notice(format!(
                "KVM is not used: the first boot with it failed ({error}); software emulation instead"
            )));
            Ok(Accelerator::Tcg)
        }
    }
}

/// Starts the agent as a host process, which the operator has allowed.
///
/// # Errors
/// `confinement` where namespaces cannot be made.
pub fn start_on_host(hostname: &str, cancel: &Cancel) -> Result<Started> {
    let mut guest = Guest::connect(pyro_vmm::process::start()?, RESTORE_TIMEOUT, cancel)?;
    guest.configure(hostname, None, cancel)?;
    Ok(Started {
        guest,
        execution_mode: ExecutionMode::HostCompat,
        backend: pyro_vmm::process::NAME,
        accelerator: None,
        start_kind: "process",
    })
}

fn start_with(
    layout: &Layout,
    wanted: &Wanted<'_>,
    facts: &HostFacts,
    binary: &QemuBinary,
    accelerator: Accelerator,
    events: &dyn EventSink,
    cancel: &Cancel,
) -> Result<Started> {
    let qemu = Qemu {
        binary: binary.clone(),
        accelerator,
        tsc_khz: facts.tsc_khz,
    };
    let spec = machine_spec(wanted)?;
    let started = |guest, start_kind| Started {
        guest,
        execution_mode: ExecutionMode::GuestSerial,
        backend: pyro_vmm::qemu::NAME,
        accelerator: Some(accelerator),
        start_kind,
    };
    let templates = Templates::new(layout);
    let key = templates::key(&qemu, &spec, wanted.installed);
    let reason = match from_template(&templates, &key, &qemu, &spec, wanted, events, cancel) {
        Ok(guest) => return Ok(started(guest, "template")),
        Err(error) if cancel.is_cancelled() => return Err(error),
        Err(error) => error,
    };
    events.event(Event::Notice(format!(
        "booting without a template: {reason}"
    )));
    let mut guest = boot(&qemu, &spec, cancel)?;
    guest.configure(wanted.hostname, Some(SCRATCH_DEVICE), cancel)?;
    Ok(started(guest, "cold_boot"))
}

fn from_template(
    templates: &Templates,
    key: &str,
    qemu: &Qemu,
    spec: &MachineSpec,
    wanted: &Wanted<'_>,
    events: &dyn EventSink,
    cancel: &Cancel,
) -> Result<Guest> {
    // A template that is refused is made anew once; if that one is refused
    // as well, the cold boot is the way.
    for attempt in 0..2 {
        let in_use = templates.open_or_make(key, wanted.installed, cancel, |dir| {
            events.event(Event::Phase {
                prefix: "template",
                name: "freeze",
                fields: vec![("environment", wanted.installed.name.clone())],
            });
            freeze(qemu, spec, dir, cancel)
        })?;
        let restored = clone(qemu, spec, &in_use, wanted, cancel);
        match restored {
            Ok(guest) => return Ok(guest),
            Err(error) if attempt == 1 || cancel.is_cancelled() => return Err(error),
            Err(error) => {
                events.event(Event::Notice(format!(
                    "a template was refused and is made anew: {error}"
                )));
                templates.discard(key, in_use);
            }
        }
    }
    unreachable!("the second attempt returns")
}

fn clone(
    qemu: &Qemu,
    spec: &MachineSpec,
    in_use: &InUse,
    wanted: &Wanted<'_>,
    cancel: &Cancel,
) -> Result<Guest> {
    let began = Instant::now();
    let machine = qemu.restore(spec, &in_use.template)?;
    let loaded = began.elapsed();
    let mut guest = Guest::connect(machine, RESTORE_TIMEOUT, cancel)?;
    let answered = began.elapsed();
    let configured = guest.configure(wanted.hostname, Some(SCRATCH_DEVICE), cancel)?;
    tracing::debug!(
        "clone: loaded after {loaded:.1?}, answered after {answered:.1?}, configured after {:.1?} (agent {} us)",
        began.elapsed(),
        configured.micros
    );
    Ok(guest)
}

fn freeze(qemu: &Qemu, spec: &MachineSpec, dir: &std::path::Path, cancel: &Cancel) -> Result<()> {
    let machine = qemu.boot(spec, Some(dir))?;
    let mut guest = Guest::connect(machine, BOOT_TIMEOUT, cancel)?;
    guest.machine().freeze(dir)?;
    Ok(())
}

fn boot(qemu: &Qemu, spec: &MachineSpec, cancel: &Cancel) -> Result<Guest> {
    let once = || Guest::connect(qemu.boot(spec, None)?, BOOT_TIMEOUT, cancel);
    match once() {
        Err(error) if error.code == "guest_unresponsive" => once(),
        other => other,
    }
}

fn machine_spec(wanted: &Wanted<'_>) -> Result<MachineSpec> {
    let share = |file: &File| {
        file.try_clone()
            .map_err(|error| Error::runtime("io", format!("cannot share a descriptor: {error}")))
    };
    Ok(MachineSpec {
        vcpu_count: wanted.vcpu_count,
        mem_size_mib: wanted.mem_mib,
        kernel: share(&wanted.installed.kernel.file)?,
        initramfs: initramfs::build(&wanted.installed.modules)?,
        kernel_args: String::new(),
        nested_virtualization: false,
        drives: vec![
            Drive {
                file: share(&wanted.installed.rootfs.file)?,
                read_only: true,
                durable: false,
            },
            Drive {
                file: share(&wanted.scratch.file)?,
                read_only: false,
                durable: false,
            },
        ],
    })
}

impl From<VmmError> for Error {
    fn from(error: VmmError) -> Self {
        let made = Self::runtime(error.code(), error.to_string());
        match error.hint() {
            Some(hint) => made.hint(hint),
            None => made,
        }
        .source(error)
    }
}
