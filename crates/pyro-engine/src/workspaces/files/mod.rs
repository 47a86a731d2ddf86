//! Files of a workspace: list, search, read, write, patch, sync, diff, export.
//!
//! Owns: what a caller may ask for and what it gets. Refuses: paths outside
//! `/workspace`, which the agent refuses as well, and believing the guest,
//! whose answers [`crate::guest::files`] checks.
//!
//! ```text
//!   this --asks--> session ==relay==> agent      one stream per request
//! ```

pub(super) mod diff;
pub(super) mod export;
mod list;
pub(super) mod new_file;
mod pack;
mod patch;
pub mod payloads;
mod read;
mod sync;
mod unpack;
mod write;

pub use diff::{DiffForm, DiffRequest};
pub use list::{LIMIT_RANGE, List, Search};
pub use read::Read;
pub use write::Write;

use super::Workspaces;
use super::events::{self, Done};
use super::payloads::Workspace;
use crate::artifact::absolute;
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::guest::files::Fault;
use pyro_proto::Link;
use pyro_proto::path::{PathText, beneath};

/// A path a caller gave, below `/workspace`.
fn path(text: &str) -> Result<PathText> {
    beneath(text.as_bytes())
        .map(|_| PathText::from(text.as_bytes()))
        .map_err(|error| {
            Error::invalid("invalid_path", error.to_string())
                .hint("name a path below /workspace, for example src/main.rs")
        })
}

/// What a caller asks about, in the same form.
fn asked(path: &PathText) -> String {
    absolute(&beneath(path.bytes()).unwrap_or_default())
}

impl Workspaces {
    /// Asks the agent, and says which workspace it was.
    fn ask_agent<T>(
        &self,
        wanted: &str,
        events: &dyn EventSink,
        cancel: &Cancel,
        mut ask: impl FnMut(&Link) -> Result<T, Fault>,
    ) -> Result<(Workspace, T)> {
        let folder = self.store.find(wanted)?;
        let done = self.on_machine(&folder, events, cancel, |session| {
            session.files(cancel, &mut ask)
        })?;
        Ok((self.at_rest(&folder)?, done))
    }

    /// Writes down what was just done in a workspace, for its summary.
    fn record(&self, workspace: &Workspace, done: Done, sink: &dyn EventSink) {
        // A path may have one in its name.
        match self.shown(&workspace.workspace_id, done) {
            Ok(done) => {
                let folder = self.store.folder(&workspace.workspace_id);
                events::record(&folder, workspace.reset_count, done, sink);
            }
            Err(error) => sink.event(Event::Notice(format!(
                "this is done, but the workspace's summary will not show it: {error}"
            ))),
        }
    }
}
