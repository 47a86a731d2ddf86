//! What a gateway is told, and what it says.
//!
//! Owns: the messages on its one socket, and the addresses that are the same
//! for every guest: each has a namespace of its own, so nobody else sees them,
//! and one frozen machine serves all.
//!
//! ```text
//!   started --Order--> | namespace, TAP, rules, uplink | --Ready + 2 descriptors--> running
//!                      `--------- Failed ------------->  ended
//!   running --Attempt*, Uplink*--> until the socket's other end is gone
//!           <-- "tap" -- --Tap + descriptor-->
//! ```

use crate::config::Config;
use crate::log::Attempt;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// The gateway, as the guest sees it: its router and its resolver.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 1);
/// The guest.
pub const GUEST: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 2);
/// Length of the prefix of both.
pub const PREFIX_LENGTH: u8 = 30;
/// The guest's network, as payloads show it.
pub const SUBNET: &str = "172.30.0.0/30";
/// The guest's hardware address.
pub const GUEST_MAC: &str = "06:00:ac:1e:00:02";
/// The TAP's name in the namespace.
pub const TAP: &str = "tap0";
/// Name of pasta's interface in the namespace.
pub(super) const UPLINK: &str = "uplink";
/// The namespace, as pasta sees it.
pub(super) const UPLINK_ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 30, 1, 2);
/// pasta, as the namespace sees it.
pub(super) const UPLINK_ROUTER: Ipv4Addr = Ipv4Addr::new(172, 30, 1, 1);

/// One line of JSON, the first thing on the socket.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// What may be reached, and how.
    pub config: Config,
    /// Programs it runs.
    pub programs: Programs,
}

/// Where the programs are that do the kernel's and the uplink's part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Programs {
    /// The uplink (package passt).
    pub pasta: PathBuf,
    /// The rules (package nftables).
    pub nft: PathBuf,
    /// Addresses (package iproute2).
    pub ip: PathBuf,
}

/// A line from the launcher that asks for a descriptor of the TAP.
pub const ASK_TAP: &str = "tap\n";

/// One line of JSON from the gateway.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Said {
    /// The guest may start. With it come the user namespace and the network
    /// namespace, as descriptors in this order.
    Ready {
        /// What the guest has to trust, when secrets are brokered.
        #[serde(default)]
        ca_certificate_pem: Option<String>,
    },
    /// Answers [`ASK_TAP`]. With it comes the TAP, which has one user at a time.
    Tap,
    /// It cannot be; the gateway ends.
    Failed {
        /// What did not work.
        reason: String,
    },
    /// The uplink went away, or is back.
    Uplink {
        /// Whether it is there.
        up: bool,
        /// What happened.
        reason: String,
    },
    /// What the guest asked for.
    Attempt(Attempt),
}
