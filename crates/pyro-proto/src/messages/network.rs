//! A guest's network card.
//!
//! Owns: what the agent is told to set. Refuses: IPv6, which no guest has.

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The one card of a guest and what is behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Hardware address of the card, by which it is found.
    pub mac: String,
    /// The guest's address.
    pub address: Ipv4Addr,
    /// Length of its prefix.
    pub prefix_length: u8,
    /// Where everything goes that is elsewhere.
    pub router: Ipv4Addr,
    /// Who knows names.
    pub resolver: Ipv4Addr,
}
