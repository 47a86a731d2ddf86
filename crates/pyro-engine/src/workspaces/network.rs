//! What a workspace's guest asked of the network.
//!
//! Owns: the operation as a client makes it: the log is a file, so nobody has
//! to run. Refuses: the file's shape ([`crate::network::log`]).

use super::Workspaces;
use crate::error::Result;
pub use crate::network::log::{LIMIT_RANGE, Look, NetworkAttempt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a guest asked of the network since the last reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceNetworkLog {
    /// The workspace.
    pub workspace_id: String,
    /// Its policy: `off`, `egress` or `egress+published-ports`.
    pub network_policy: String,
    /// How many entries this page has.
    pub count: usize,
    /// The entries, the oldest first; each counts what was the same.
    pub entries: Vec<NetworkAttempt>,
    /// Entries in the whole log that fit.
    pub total: u64,
    /// Where the next page begins; null at the end.
    pub next_offset: Option<u64>,
    /// Lines that could not be read.
    pub damaged: u64,
}

impl Workspaces {
    /// A page of what its guest asked for, let through or not.
    ///
    /// # Errors
    /// `unknown_workspace`, `ambiguous_name`, `damaged_record`, `out_of_range`, `io`.
    pub fn network_log(&self, wanted: &str, look: &Look) -> Result<WorkspaceNetworkLog> {
        let folder = self.store.find(wanted)?;
        let record = folder.load()?;
        let page = crate::network::log::page(folder.path(), look)?;
        Ok(WorkspaceNetworkLog {
            workspace_id: folder.id,
            network_policy: record.spec.network.policy.as_str().to_owned(),
            count: page.entries.len(),
            entries: page.entries,
            total: page.total,
            next_offset: page.next_offset,
            damaged: page.damaged,
        })
    }
}
