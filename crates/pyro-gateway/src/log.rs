//! What a guest asked of the network, one entry per attempt.
//!
//! Owns: the entry. Refuses: keeping entries; whoever started the gateway does.

use serde::{Deserialize, Serialize};

/// One attempt: a name that was asked for, or a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Unix seconds.
    pub at: f64,
    /// `dns`, `tcp`, `udp`, `icmp` or `other`.
    pub protocol: String,
    /// The name, when one is known: the question, the SNI or the Host header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The port, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whether it was let through.
    pub allowed: bool,
    /// Why not, or by which rule.
    pub reason: String,
    /// How many of the same were counted into this entry.
    pub count: u64,
}
