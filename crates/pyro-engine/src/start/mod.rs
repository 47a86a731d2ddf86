//! From an installed environment to a guest that takes commands.
//!
//! Owns: the choice of backend and accelerator, the way up (template or cold
//! boot), and the fallbacks with their reasons. Refuses: knowing what the
//! guest is for.
//!
//! ```text
//!   candidates: the best VMM first; one that never booted here and fails
//!   makes room for the next (candidates.rs)
//!
//!   template there?  --yes--> restore --ok------------------.
//!        |                      `--refused: drop it--.      |
//!        no: boot, freeze, seal, restore             |      v
//!        `--cannot be made: say why--> cold boot <---'   configure --> Guest
//! ```

mod candidates;
pub(crate) mod disk_copy;
mod host_facts;
pub mod initramfs;
mod scratch;
mod templates;

pub use host_facts::HostFacts;
pub(crate) use scratch::e2fs_tool;
pub use scratch::{DEFAULT_SCRATCH_MIB, Scratch};
use templates::InUse;
pub use templates::{TemplateInfo, Templates};

use crate::environments::Installed;
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::guest::{Configuration, Guest};
use crate::layout::Layout;
use crate::network::Gateway;
use crate::vms::payloads::{BackendChoice, ExecutionMode};
use pyro_vmm::{Accelerator, Backend, Drive, MachineSpec, VmmError};
use std::fs::File;
use std::time::{Duration, Instant};

/// How long a kernel may take from its first instruction to the agent's
/// answer. Under TCG on a loaded host it takes some 5 s; a kernel that hangs
/// is ended then and tried once more.
const BOOT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a clone may take to answer: milliseconds on hardware, and half a
/// minute where eight start at once on emulated KVM.
const RESTORE_TIMEOUT: Duration = Duration::from_secs(60);
/// The guest's device for [`Scratch`]; the base is `/dev/vda`.
const SCRATCH_DEVICE: &str = "/dev/vdb";
/// The guest's device for [`Wanted::baseline`].
const BASELINE_DEVICE: &str = "/dev/vdc";
/// Virtual size of every baseline drive, also of one that is not used: the
/// size is part of the frozen device state, so one template serves all.
pub const BASELINE_DRIVE_BYTES: u64 = 256 << 30;

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
    /// What `/workspace` begins with: an ext4 image of
    /// [`BASELINE_DRIVE_BYTES`], open for reading; none for nothing.
    pub baseline: Option<&'a File>,
    /// Whether the disks are only shown: nothing runs in that guest.
    pub reader: bool,
    /// Its way out; none, and it has no network card.
    pub gateway: Option<&'a Gateway>,
}

impl Wanted<'_> {
    fn configuration(&self) -> Configuration<'_> {
        Configuration {
            hostname: self.hostname,
            scratch_device: Some(SCRATCH_DEVICE),
            baseline_device: self.baseline.map(|_| BASELINE_DEVICE),
            reader: self.reader,
            network: self.gateway.map(Gateway::guest),
        }
    }
}

/// A guest that takes commands, and how it came up.
pub struct Started {
    /// The guest.
    pub guest: Guest,
    /// How commands reach it.
    pub execution_mode: ExecutionMode,
    /// `firecracker`, `qemu` or `process`.
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
    let mut facts = HostFacts::load(layout);
    let listed = candidates::list(wanted.backend, layout, &mut facts, events);
    facts.store(layout);
    let mut candidates = listed?.into_iter().peekable();
    while let Some(candidate) = candidates.next() {
        let started = start_with(layout, wanted, &*candidate.backend, events, cancel);
        let Some(identity) = candidate.unproven else {
            return started;
        };
        match started {
            Err(error) if is_no_proof(&error) || cancel.is_cancelled() => return Err(error),
            Ok(started) => {
                facts.kvm_tried(identity, None);
                facts.store(layout);
                return Ok(started);
            }
            Err(error) => {
                facts.kvm_tried(identity, Some(error.message.clone()));
                facts.store(layout);
                if candidates.peek().is_none() {
                    return Err(error);
                }
                events.event(Event::Notice(format!(
                    "{} with KVM is not used: its first start failed ({error})",
                    candidate.backend.name()
                )));
            }
        }
    }
    Err(Error::runtime("backend_unavailable", "no VMM can be used here").hint("run pyro doctor"))
}

/// Whether a failure says nothing about KVM: another VMM would fail as well.
fn is_no_proof(error: &Error) -> bool {
    [
        "no_space",
        "read_only",
        "io",
        "mke2fs",
        "mke2fs_missing",
        "network_unavailable",
    ]
    .contains(&error.code)
}

/// Starts the agent as a host process, which the operator has allowed.
///
/// # Errors
/// `confinement` where namespaces cannot be made.
pub fn start_on_host(hostname: &str, cancel: &Cancel) -> Result<Started> {
    let mut guest = Guest::connect(pyro_vmm::process::start()?, RESTORE_TIMEOUT, cancel)?;
    guest.configure(&Configuration::without_machine(hostname), cancel)?;
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
    backend: &dyn Backend,
    events: &dyn EventSink,
    cancel: &Cancel,
) -> Result<Started> {
    let spec = machine_spec(wanted, backend)?;
    let started = |guest, start_kind| Started {
        guest,
        execution_mode: execution_mode(backend),
        backend: backend.name(),
        accelerator: Some(backend.accelerator()),
        start_kind,
    };
    let templates = Templates::new(layout);
    let key = templates::key(backend, &spec, wanted.installed);
    let reason = match from_template(&templates, &key, backend, &spec, wanted, events, cancel) {
        Ok(guest) => return Ok(started(guest, "template")),
        Err(error) if cancel.is_cancelled() => return Err(error),
        Err(error) => error,
    };
    events.event(Event::Notice(format!(
        "booting without a template: {reason}"
    )));
    let guest = cold_boot(wanted, backend, cancel)?;
    Ok(started(guest, "cold_boot"))
}

/// Starts a guest from its kernel, whatever templates there are.
///
/// # Errors
/// As [`start`].
pub fn cold_boot(wanted: &Wanted<'_>, backend: &dyn Backend, cancel: &Cancel) -> Result<Guest> {
    let mut guest = boot(backend, &machine_spec(wanted, backend)?, cancel)?;
    guest.configure(&wanted.configuration(), cancel)?;
    Ok(guest)
}

fn from_template(
    templates: &Templates,
    key: &str,
    backend: &dyn Backend,
    spec: &MachineSpec,
    wanted: &Wanted<'_>,
    events: &dyn EventSink,
    cancel: &Cancel,
) -> Result<Guest> {
    // A template that is refused is made anew once; if that one is refused
    // as well, the cold boot is the way. A VMM that was killed says nothing
    // about its template, which is tried again.
    let mut discarded = false;
    let mut killed = false;
    loop {
        let in_use = templates.open_or_make(key, wanted.installed, cancel, |dir| {
            events.event(Event::Phase {
                prefix: "template",
                name: "freeze",
                fields: vec![("environment", wanted.installed.name.clone())],
            });
            freeze(backend, wanted, dir, cancel)
        })?;
        match clone(backend, spec, &in_use, wanted, cancel) {
            Ok(guest) => return Ok(guest),
            Err(error) if cancel.is_cancelled() => return Err(error),
            Err(error) if error.code == "vmm_killed" && !killed => killed = true,
            Err(error) if error.code == "vmm_killed" || discarded => return Err(error),
            Err(error) => {
                discarded = true;
                events.event(Event::Notice(format!(
                    "a template was refused and is made anew: {error}"
                )));
                templates.discard(key, in_use);
            }
        }
    }
}

fn clone(
    backend: &dyn Backend,
    spec: &MachineSpec,
    in_use: &InUse,
    wanted: &Wanted<'_>,
    cancel: &Cancel,
) -> Result<Guest> {
    let began = Instant::now();
    let machine = backend.restore(spec, &in_use.template)?;
    let loaded = began.elapsed();
    let mut guest = Guest::connect(machine, RESTORE_TIMEOUT, cancel)?;
    let answered = began.elapsed();
    let configured = guest.configure(&wanted.configuration(), cancel)?;
    tracing::debug!(
        "clone: loaded after {loaded:.1?}, answered after {answered:.1?}, configured after {:.1?} ({})",
        began.elapsed(),
        configured.steps
    );
    Ok(guest)
}

fn freeze(
    backend: &dyn Backend,
    wanted: &Wanted<'_>,
    dir: &std::path::Path,
    cancel: &Cancel,
) -> Result<()> {
    let unseeded = Wanted {
        baseline: None,
        ..*wanted
    };
    let mut spec = machine_spec(&unseeded, backend)?;
    // The second is scratch's.
    spec.drives[1].file = wanted.scratch.blank()?;
    let machine = backend.boot(&spec, Some(dir))?;
    let mut guest = Guest::connect(machine, BOOT_TIMEOUT, cancel)?;
    if let Err(error) = guest.warm_up(cancel) {
        tracing::debug!("the template is frozen cold: {error}");
    }
    guest.machine().freeze(dir)?;
    Ok(())
}

fn boot(backend: &dyn Backend, spec: &MachineSpec, cancel: &Cancel) -> Result<Guest> {
    let once = || Guest::connect(backend.boot(spec, None)?, BOOT_TIMEOUT, cancel);
    match once() {
        Err(error) if error.code == "guest_unresponsive" => once(),
        other => other,
    }
}

fn execution_mode(backend: &dyn Backend) -> ExecutionMode {
    if backend.name() == pyro_vmm::firecracker::NAME {
        ExecutionMode::GuestVsock
    } else {
        ExecutionMode::GuestSerial
    }
}

fn machine_spec(wanted: &Wanted<'_>, backend: &dyn Backend) -> Result<MachineSpec> {
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
        nic: wanted
            .gateway
            .map(|gateway| gateway.nic(backend.name() == pyro_vmm::firecracker::NAME))
            .transpose()?,
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
            Drive {
                file: match wanted.baseline {
                    Some(image) => share(image)?,
                    None => wanted.scratch.no_baseline()?,
                },
                read_only: true,
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
