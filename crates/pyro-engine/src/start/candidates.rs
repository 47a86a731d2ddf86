//! Which VMMs may be tried, in which order.
//!
//! Owns: the choice behind `--backend` and `PYRO_BACKEND`, and saying once per
//! host boot why a better one is left out. Refuses: booting.
//!
//! ```text
//!   auto:         Firecracker -> QEMU with KVM -> QEMU with TCG
//!   qemu:                        QEMU with KVM -> QEMU with TCG
//!   firecracker:  Firecracker
//!
//!   With KVM: only where the processor and /dev/kvm allow it, and not after a
//!   first boot that failed on this host boot. What was never tried here is
//!   unproven: when it fails, the next one is tried and the failure is kept.
//! ```

use super::host_facts::HostFacts;
use crate::error::{Error, Result};
use crate::events::{Event, EventSink};
use crate::layout::Layout;
use crate::vms::payloads::BackendChoice;
use pyro_vmm::firecracker::{Firecracker, FirecrackerBinary};
use pyro_vmm::qemu::{Qemu, QemuBinary};
use pyro_vmm::{Accelerator, Backend, VmmError};

/// A VMM to try.
pub(super) struct Candidate {
    pub backend: Box<dyn Backend>,
    /// Its name in [`HostFacts`] while a failure would be news; none for
    /// software emulation and for what has booted before.
    pub unproven: Option<String>,
}

pub(super) fn list(
    choice: BackendChoice,
    layout: &Layout,
    facts: &mut HostFacts,
    events: &dyn EventSink,
) -> Result<Vec<Candidate>> {
    let survey = pyro_vmm::kvm::survey();
    if choice == BackendChoice::Firecracker {
        let binary = FirecrackerBinary::find(&layout.cache)?;
        if let Some(reason) = survey.reason {
            return Err(Error::runtime(
                "backend_unavailable",
                format!("Firecracker needs KVM: {reason}"),
            )
            .hint("use --backend qemu, or --backend auto to let pyro choose"));
        }
        return Ok(vec![firecracker(binary, facts)?]);
    }
    let mut candidates = Vec::new();
    let mut why_not = survey.reason.clone();
    if survey.reason.is_none() && choice == BackendChoice::Auto {
        let candidate = FirecrackerBinary::find(&layout.cache).and_then(|binary| {
            let identity = vmm_identity("firecracker", &binary.identity);
            match facts.kvm_failure(&identity) {
                Some(reason) => {
                    why_not = Some(reason);
                    Ok(None)
                }
                None => firecracker(binary, facts).map(Some),
            }
        });
        match candidate {
            Ok(candidate) => candidates.extend(candidate),
            Err(error) => {
                let hint = error.hint().unwrap_or_default();
                let text = format!("Firecracker is not used: {error}; {hint}");
                if facts.say_once(&text) {
                    events.event(Event::Notice(text));
                }
            }
        }
    }
    let binary = match QemuBinary::find() {
        Ok(binary) => binary,
        Err(_) if !candidates.is_empty() => return Ok(candidates),
        Err(error) => return Err(error.into()),
    };
    let qemu = |accelerator| {
        Box::new(Qemu {
            binary: binary.clone(),
            accelerator,
            tsc_khz: facts.tsc_khz,
        })
    };
    let identity = vmm_identity("qemu", &binary.identity);
    if survey.reason.is_none() {
        match facts.kvm_failure(&identity) {
            Some(reason) => why_not = Some(reason),
            None => candidates.push(Candidate {
                unproven: (!facts.kvm_is_proven(&identity)).then(|| identity.clone()),
                backend: qemu(Accelerator::Kvm),
            }),
        }
    }
    candidates.push(Candidate {
        unproven: None,
        backend: qemu(Accelerator::Tcg),
    });
    // A host with no KVM at all was not expected to use it; one that seems to
    // have it gets the reason.
    if survey.exists
        && let Some(reason) = why_not
        && candidates.len() == 1
        && facts.say_once(&reason)
    {
        events.event(Event::Notice(format!(
            "KVM is not used: {reason}; software emulation instead"
        )));
    }
    Ok(candidates)
}

/// Asked for its version only before its first boot here.
fn firecracker(
    binary: FirecrackerBinary,
    facts: &HostFacts,
) -> std::result::Result<Candidate, VmmError> {
    let identity = vmm_identity("firecracker", &binary.identity);
    let proven = facts.kvm_is_proven(&identity);
    if !proven {
        binary.supported_version()?;
    }
    Ok(Candidate {
        unproven: (!proven).then_some(identity),
        backend: Box::new(Firecracker { binary }),
    })
}

fn vmm_identity(name: &str, identity: &str) -> String {
    format!("{name}:{identity}")
}
