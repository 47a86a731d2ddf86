//! What happened in a workspace since its last reset.
//!
//! ```text
//!   record, journal, events, snapshots --.   none of them needs a machine
//!   diff: guest runs? --yes, in time ----+--> WorkspaceSummary --> page/ (HTML)
//!              `- no: available = false -'
//! ```
//!
//! Owns: putting it together. Refuses: waking a workspace, waiting without
//! end for its guest, and counting as activity.

mod build;
mod changes;
pub mod payloads;

use super::Workspaces;
use super::{commands, events};
use crate::error::Result;
use crate::events::Cancel;
use build::Session;
use payloads::WorkspaceSummary;

impl Workspaces {
    /// Commands, edits, changes, exports, snapshots and the outcome of a
    /// workspace in any state.
    ///
    /// # Errors
    /// As [`Self::status`]; `damaged_record`, `cancelled`.
    pub fn summary(&self, wanted: &str, cancel: &Cancel) -> Result<WorkspaceSummary> {
        let folder = self.store.find(wanted)?;
        let workspace = self.at_rest(&folder)?;
        let session = Session {
            commands: commands::as_of_now(&folder, workspace.reset_count)?,
            history: events::history(&folder, workspace.reset_count)?,
            named_count: folder.snapshots().all()?.0.len() as u64,
            changes: changes::changes(&folder, &workspace, cancel)?,
            workspace,
        };
        Ok(build::summary(&session))
    }
}
