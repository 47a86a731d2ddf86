//! Whether hardware virtualization can be used here.
//!
//! Owns: putting the survey of pyro-vmm and what earlier boots proved into
//! the report. Refuses: trying it; that is what `--probe` is for.

use super::report::Kvm;
use crate::Layout;
use crate::start::HostFacts;

pub fn look(layout: &Layout) -> Kvm {
    let survey = pyro_vmm::kvm::survey();
    let proof = HostFacts::peek(layout).and_then(|facts| facts.kvm_outcome());
    let reason = survey.reason.or_else(|| match &proof {
        Some(Err(reason)) => Some(format!("the first boot with it failed: {reason}")),
        _ => None,
    });
    Kvm {
        exists: survey.exists,
        readable: survey.readable,
        writable: survey.writable,
        cpu_flags: survey.cpu_flag.into_iter().collect(),
        usable: reason.is_none(),
        proven: proof.map(|proof| proof.is_ok()),
        reason,
    }
}
