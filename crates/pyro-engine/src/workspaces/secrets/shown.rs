//! What a client shows of a workspace, without its secrets.
//!
//! ```text
//!   supervisor: output, journal, record, errors     redacted before they come here
//!   this:       what the agent answers a client     files, names, diffs, its refusals
//! ```
//!
//! Owns: that nothing is shown when the secrets cannot be read.

use super::Secrets;
use crate::error::{Error, Result};
use crate::workspaces::Workspaces;
use crate::workspaces::store::Folder;
use serde::Serialize;
use serde::de::DeserializeOwned;

impl Workspaces {
    /// The secrets of one, with their values.
    ///
    /// # Errors
    /// `secret_missing`; those of its record.
    pub(in crate::workspaces) fn secrets(&self, folder: &Folder) -> Result<Secrets> {
        Secrets::load(folder, &folder.load()?)
    }

    /// `result` without secrets.
    ///
    /// # Errors
    /// As [`Self::secrets`].
    pub(in crate::workspaces) fn shown<T: Serialize + DeserializeOwned>(
        &self,
        workspace_id: &str,
        result: T,
    ) -> Result<T> {
        let folder = self.store.folder(workspace_id);
        Ok(self.secrets(&folder)?.redactor().result(result)?.0)
    }

    /// `error` without secrets. One of a workspace without a record has none.
    pub(in crate::workspaces) fn shown_error(&self, folder: &Folder, error: Error) -> Error {
        let Ok(record) = folder.load() else {
            return error;
        };
        match Secrets::load(folder, &record) {
            Ok(secrets) => secrets.redactor().error(error),
            Err(unreadable) => unreadable,
        }
    }
}
