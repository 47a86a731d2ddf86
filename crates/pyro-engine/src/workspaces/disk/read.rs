//! Reading a file of a stopped workspace's disk.

use super::payloads::DiskContent;
use super::{about, path};
use crate::error::Result;
use crate::events::{Cancel, EventSink};
use crate::workspaces::Workspaces;
use crate::workspaces::journal::whole_characters;
use pyro_proto::messages::files::ReadFile;

/// Least and most bytes of one call; an answer is held in memory.
pub const MAX_BYTES_RANGE: std::ops::RangeInclusive<u64> = 1..=64 << 20;

impl Workspaces {
    /// Reads the start of a regular file, the workspace's or the system's.
    ///
    /// # Errors
    /// `wrong_state`, `busy`, `invalid_path`, `out_of_range`,
    /// `file_not_found`, `file_kind`, `file_symlink`, and everything that can
    /// happen to a machine.
    pub fn read_disk(
        &self,
        wanted: &str,
        path: &str,
        max_bytes: u64,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<DiskContent> {
        crate::vms::checks::within("max_bytes", max_bytes, &MAX_BYTES_RANGE)?;
        let file = path::below_root(path)?;
        let stopped = self.stopped(wanted, cancel)?;
        let redactor = self.secrets(&stopped.folder)?.redactor();
        let reader = self.reader(&stopped, events, cancel)?;
        let request = ReadFile {
            path: path::request(&file),
            offset: 0,
            max_bytes: max_bytes.saturating_add(redactor.context_bytes() as u64),
            lines: None,
            hash: false,
        };
        let mut bytes = Vec::new();
        let out = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        let read = reader
            .read_file(&request, out, cancel)
            .map_err(|error| redactor.error(about(error)))?;
        let most = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        let mut end = bytes.len().min(most);
        if (end as u64) < read.size
            && let whole @ 1.. = whole_characters(&bytes[..end])
        {
            end = whole;
        }
        let (content, redacted) = redactor.range(&bytes, 0..end);
        Ok(DiskContent {
            workspace_id: stopped.folder.id.clone(),
            path: redactor.text(&path::shown(&file)),
            size_bytes: read.size,
            max_bytes,
            content: String::from_utf8_lossy(&content).into_owned(),
            truncated: read.bytes.min(max_bytes) < read.size,
            redacted,
        })
    }
}
