//! Ports of this host that lead into a workspace.
//!
//! ```text
//!   client --PortPublish--> supervisor: listener on 127.0.0.1 (supervisor/live/ports/)
//!   anybody --TCP--> listener --one stream each--> agent --TCP--> service in the guest
//! ```
//!
//! Owns: the operations as a client makes them, whose a port is. Refuses:
//! sockets; the supervisor has them, so they go with it.

pub mod payloads;
mod wish;

pub use wish::{GUEST_PORT_RANGE, HOST_PORT_RANGE, PortWish};

use super::Workspaces;
use super::reach::decode;
use super::supervisor::wire::Request;
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use payloads::{PortRow, PublishedWorkspacePort, UnpublishedWorkspacePort, WorkspacePorts};

/// Who had a port opened, and closes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Somebody, by `workspace port publish`.
    Hand,
    /// A service; its ports follow its state.
    Service(String),
}

impl Owner {
    /// The service, when it is one.
    #[must_use]
    pub fn service_name(&self) -> Option<&str> {
        match self {
            Self::Hand => None,
            Self::Service(name) => Some(name),
        }
    }
}

impl Workspaces {
    /// Opens a port of this host that leads to a port of the guest, until it
    /// is unpublished or the machine ends.
    ///
    /// # Errors
    /// `unknown_workspace`, `ambiguous_name`, `wrong_state`, `invalid_port`,
    /// `port_in_use`, `port_published`, `too_many_ports`.
    pub fn publish_port(
        &self,
        wanted: &str,
        port: &str,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<PublishedWorkspacePort> {
        let wish = port.parse::<PortWish>()?.check()?;
        let folder = self.store.find(wanted)?;
        let request = Request::PortPublish(wish);
        let port = self.on_machine(&folder, events, cancel, |session| {
            decode(session.call(&request, None, events, cancel)?.value)
        })?;
        Ok(PublishedWorkspacePort {
            workspace_id: folder.id,
            port,
        })
    }

    /// Those that are open; none when the workspace is stopped.
    ///
    /// # Errors
    /// `unknown_workspace`, `ambiguous_name`.
    pub fn list_ports(&self, wanted: &str) -> Result<WorkspacePorts> {
        let folder = self.store.find(wanted)?;
        let ports: Vec<PortRow> = match self.ask(&folder, &Request::PortList)? {
            Some(ports) => ports,
            None => {
                self.at_rest(&folder)?;
                Vec::new()
            }
        };
        Ok(WorkspacePorts {
            workspace_id: folder.id,
            count: ports.len(),
            ports,
        })
    }

    /// Closes one that was published by hand, and its connections.
    ///
    /// # Errors
    /// `unknown_workspace`, `ambiguous_name`, `invalid_port`, `unknown_port`,
    /// `port_of_service`.
    pub fn unpublish_port(&self, wanted: &str, port: &str) -> Result<UnpublishedWorkspacePort> {
        let host_port = wish::host_port(port)?;
        let folder = self.store.find(wanted)?;
        let request = Request::PortUnpublish { host_port };
        match self.ask(&folder, &request)? {
            Some(port) => Ok(UnpublishedWorkspacePort {
                workspace_id: folder.id,
                port,
                unpublished: true,
            }),
            None => {
                self.at_rest(&folder)?;
                Err(unknown(host_port, &folder.id))
            }
        }
    }
}

/// There is no such port.
pub(super) fn unknown(host_port: u16, workspace_id: &str) -> Error {
    Error::invalid(
        "unknown_port",
        format!("workspace {workspace_id} has no published port {host_port}"),
    )
    .hint(format!(
        "run pyro workspace port list {workspace_id}; ports go when the workspace is stopped"
    ))
}
