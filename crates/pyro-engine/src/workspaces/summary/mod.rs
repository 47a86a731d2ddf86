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
mod page;
pub mod payloads;
#[cfg(test)]
mod tests;

use super::Workspaces;
use super::files::export;
use super::payloads::WorkspaceState;
use super::{commands, events, journal, services, unix_now};
use crate::error::Result;
use crate::events::Cancel;
use build::Session;
use page::Page;
use payloads::WorkspaceSummary;

/// Bytes of head, and again of tail, that a page shows of each stream.
const SHOWN_BYTES: usize = 8 << 10;

impl Workspaces {
    /// Commands, edits, changes, exports, snapshots and the outcome of a
    /// workspace in any state.
    ///
    /// # Errors
    /// As [`Self::status`]; `io`, `cancelled`; those of
    /// [`Self::export`] about `html`, a file that must not exist.
    pub fn summary(
        &self,
        wanted: &str,
        html: Option<&str>,
        cancel: &Cancel,
    ) -> Result<WorkspaceSummary> {
        let folder = self.store.find(wanted)?;
        let output = html.map(|html| self.host.output(html, || Ok(folder.id.clone())));
        let output = output.transpose()?;
        let workspace = self.at_rest(&folder)?;
        let (commands, unreadable_commands) = commands::as_of_now(&folder, workspace.reset_count)?;
        let redactor = self.secrets(&folder)?.redactor();
        let changes = changes::changes(&folder, &workspace, cancel)?;
        let session = Session {
            commands,
            unreadable_commands,
            services: services::current(&folder, workspace.state == WorkspaceState::Started),
            history: events::history(&folder, workspace.reset_count)?,
            named_count: folder.snapshots().all()?.0.len() as u64,
            changes: match changes {
                Ok(changes) => Ok(changes.redacted(&redactor)?),
                Err(reason) => Err(redactor.text(&reason)),
            },
            workspace,
        };
        let mut summary = build::summary(&session);
        if let Some(output) = output {
            let page = Page {
                summary: &summary,
                session: &session,
                written: &|entry, stream| journal::excerpt(&folder, entry, stream, SHOWN_BYTES),
                made_at: unix_now(),
            };
            export::write_new(&output, page::html(&page).as_bytes())
                .map_err(|error| output.told(error))?;
            summary.html_path = Some(output.path.display().to_string());
        }
        Ok(summary)
    }
}
