//! The gateway of one workspace's machine.
//!
//! Owns: starting it with each machine, writing down what the guest asked for,
//! telling when the way out is gone. Refuses: keeping one without a machine;
//! it belongs to the guest and goes with it.

use super::Live;
use crate::error::Result;
use crate::network::log::Writer;
use crate::network::{Gateway, NetworkSpec, UplinkState};

impl Live {
    /// None for a guest without a network.
    pub(super) fn gateway(&self, network: &NetworkSpec) -> Result<Option<Gateway>> {
        if !network.policy.has_card() {
            return Ok(None);
        }
        let mut log = Writer::new(self.folder.path());
        Gateway::start(&network.rules, move |attempt| log.append(&attempt)).map(Some)
    }

    /// Why the guest reaches nothing, when it should.
    pub(super) fn network_trouble(&self) -> Option<String> {
        match self.guest()?.uplink()? {
            UplinkState::Up => None,
            UplinkState::Down(reason) => Some(format!("the guest has no network: {reason}")),
        }
    }
}
