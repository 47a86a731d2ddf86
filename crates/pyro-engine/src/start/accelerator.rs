//! KVM or software emulation.
//!
//! Owns: the decision, and saying once per host boot why it is not KVM.

use super::host_facts::HostFacts;
use crate::events::{Event, EventSink};
use pyro_vmm::Accelerator;
use pyro_vmm::qemu::QemuBinary;

pub(super) fn choose(
    facts: &mut HostFacts,
    binary: &QemuBinary,
    events: &dyn EventSink,
) -> Accelerator {
    let survey = pyro_vmm::kvm::survey();
    let reason = survey.reason.or_else(|| facts.kvm_failure(binary));
    let Some(reason) = reason else {
        return Accelerator::Kvm;
    };
    // A host with no KVM at all was not expected to use it; one that seems to
    // have it gets the reason.
    if survey.exists && facts.say_once(&reason) {
        events.event(Event::Notice(format!(
            "KVM is not used: {reason}; software emulation instead"
        )));
    }
    Accelerator::Tcg
}
