//! The gateway of one workspace's machine.
//!
//! Owns: starting it with each machine, writing down what the guest asked for,
//! telling when the way out is gone. Refuses: keeping one without a machine;
//! it belongs to the guest and goes with it.

use super::Live;
use crate::error::Result;
use crate::events::Cancel;
use crate::guest::Guest;
use crate::network::log::Writer;
use crate::network::{Gateway, NetworkSpec, UplinkState};

impl Live {
    /// None for a guest without a network.
    pub(super) fn gateway(&self, network: &NetworkSpec) -> Result<Option<Gateway>> {
        if !network.policy.has_card() {
            return Ok(None);
        }
        let mut log = Writer::new(self.folder.path());
        let brokered = self.secrets.brokered();
        Gateway::start(&network.rules, brokered, move |attempt| {
            log.append(&attempt);
        })
        .map(Some)
    }

    /// The guest's programs have to trust who answers for brokered hosts.
    pub(super) fn trust_gateway(&self, guest: &Guest, cancel: &Cancel) -> Result<()> {
        let Some(certificate) = guest.gateway_authority() else {
            return Ok(());
        };
        let trusted = guest.trust_authority(&certificate, cancel)?;
        if trusted.bundles.is_empty() {
            tracing::warn!(
                "the image has no list of authorities, so few programs can use brokered secrets; install ca-certificates in it"
            );
        }
        Ok(())
    }

    /// Why the guest reaches nothing, when it should.
    pub(super) fn network_trouble(&self) -> Option<String> {
        match self.guest()?.uplink()? {
            UplinkState::Up => None,
            UplinkState::Down(reason) => Some(format!("the guest has no network: {reason}")),
        }
    }
}
