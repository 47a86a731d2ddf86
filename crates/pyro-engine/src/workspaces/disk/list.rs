//! Listing a stopped workspace's disk.

use super::payloads::DiskList;
use super::{about, path};
use crate::error::Result;
use crate::events::{Cancel, EventSink};
use crate::workspaces::Workspaces;
use crate::workspaces::files::LIMIT_RANGE;
use crate::workspaces::files::payloads::FileEntry;
use pyro_proto::messages::files::{FileKind, ListFiles};

impl Workspaces {
    /// Lists files, directories and links, the workspace's and the system's.
    ///
    /// # Errors
    /// `wrong_state`, `busy`, `invalid_path`, `file_not_found`,
    /// `file_symlink`, and everything that can happen to a machine.
    pub fn list_disk(
        &self,
        wanted: &str,
        path: &str,
        recursive: bool,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<DiskList> {
        let top = path::below_root(path)?;
        let stopped = self.stopped(wanted, cancel)?;
        let redactor = self.secrets(&stopped.folder)?.redactor();
        let reader = self.reader(&stopped, events, cancel)?;
        let request = ListFiles {
            path: path::request(&top),
            recursive,
            limit: *LIMIT_RANGE.end(),
        };
        let mut found = Vec::new();
        let each = |entry: pyro_proto::messages::files::Entry| {
            if entry.kind != FileKind::Other {
                found.push(entry);
            }
            Ok(())
        };
        let listed = reader
            .list_files(&request, each, cancel)
            .map_err(|error| redactor.error(about(error)))?;
        found.sort_by(|a, b| a.path.cmp(&b.path));
        let row = |entry: pyro_proto::messages::files::Entry| FileEntry {
            path: path::shown(entry.path.bytes()),
            artifact_type: entry.kind.into(),
            size_bytes: entry.size,
            link_target: entry.target.map(|target| target.to_string()),
            mode: format!("{:04o}", entry.mode),
        };
        let list = DiskList {
            workspace_id: stopped.folder.id.clone(),
            path: path::shown(&top),
            recursive,
            entries: found.into_iter().map(row).collect(),
            truncated: listed.truncated,
        };
        Ok(redactor.result(list)?.0)
    }
}
