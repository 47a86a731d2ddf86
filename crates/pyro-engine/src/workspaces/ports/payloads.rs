//! What operations on ports return (contract: `payloads.md` §14).
//!
//! Owns: the shapes. Refuses: behaviour.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The only address of this host where ports are opened.
pub const HOST: &str = "127.0.0.1";
/// The only protocol.
pub const PROTOCOL: &str = "tcp";

/// A port of this host that leads into a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedPort {
    /// Always `127.0.0.1`.
    pub host: String,
    /// Port of this host.
    pub host_port: u16,
    /// Port of the guest that it leads to.
    pub guest_port: u16,
    /// Always `tcp`.
    pub protocol: String,
}

impl PublishedPort {
    /// From one port to the other.
    #[must_use]
    pub fn new(host_port: u16, guest_port: u16) -> Self {
        Self {
            host: HOST.into(),
            host_port,
            guest_port,
            protocol: PROTOCOL.into(),
        }
    }
}

/// One, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnedPort {
    /// From where to where.
    #[serde(flatten)]
    pub port: PublishedPort,
    /// The service that it belongs to; null when it was published by hand.
    pub service_name: Option<String>,
}

/// One of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PortRow {
    /// What it is.
    #[serde(flatten)]
    pub port: OwnedPort,
    /// Connections that are open.
    pub connection_count: u64,
    /// Connections that were taken in since it was published.
    pub accepted_count: u64,
    /// Those that were closed at once: nothing listened in the guest, or too
    /// many were open.
    pub refused_count: u64,
}

/// A port that was just published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedWorkspacePort {
    /// The workspace.
    pub workspace_id: String,
    /// From where to where.
    #[serde(flatten)]
    pub port: PublishedPort,
}

/// The ports of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspacePorts {
    /// The workspace.
    pub workspace_id: String,
    /// How many.
    pub count: usize,
    /// Each, by port of this host.
    pub ports: Vec<PortRow>,
}

/// A port that leads nowhere any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnpublishedWorkspacePort {
    /// The workspace.
    pub workspace_id: String,
    /// From where to where it led.
    #[serde(flatten)]
    pub port: PublishedPort,
    /// Always true.
    pub unpublished: bool,
}
