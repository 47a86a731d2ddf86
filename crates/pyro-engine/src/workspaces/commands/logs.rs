//! The log of a workspace, or a page of it.
//!
//! Owns: what a call may ask for.

use super::account::account;
use super::result::log_entry;
use crate::error::Result;
use crate::events::{Cancel, NoEvents};
use crate::vms::checks;
use crate::workspaces::Workspaces;
use crate::workspaces::command_id::CommandId;
use crate::workspaces::journal::{self, Entry};
use crate::workspaces::payloads::{LogStream, WorkspaceLogs};
use crate::workspaces::store::Folder;
use crate::workspaces::supervisor::wire::Request;
use std::ops::RangeInclusive;

/// Least and most bytes of a page of a log.
pub const LIMIT_BYTES_RANGE: RangeInclusive<u64> = 1..=1_048_576;
/// Bytes of a page where nobody said.
pub const PAGE_BYTES: u64 = 65_536;

/// What to see of the log. A page of one command is asked for by any of the
/// last three.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// One command only.
    pub sequence: Option<u64>,
    /// Of which stream; standard output unless said.
    pub stream: Option<LogStream>,
    /// First byte; 0 unless said.
    pub offset: Option<u64>,
    /// Most bytes, [`LIMIT_BYTES_RANGE`]; [`PAGE_BYTES`] unless said.
    pub limit: Option<u64>,
}

impl Workspaces {
    /// Its commands since the last reset, or one of them, or a part of what
    /// one wrote.
    ///
    /// # Errors
    /// As [`Self::status`]; `unknown_command`, `out_of_range`.
    pub fn logs(&self, wanted: &str, logs: &Logs) -> Result<WorkspaceLogs> {
        let page_is_wanted = logs.sequence.is_some()
            && (logs.stream.is_some() || logs.offset.is_some() || logs.limit.is_some());
        let limit = logs.limit.unwrap_or(PAGE_BYTES);
        checks::within("limit", limit, &LIMIT_BYTES_RANGE)?;
        let folder = self.store.find(wanted)?;
        let reset_count = folder.load()?.reset_count;
        let id = |sequence| CommandId {
            reset_count,
            sequence,
        };
        let found = match logs.sequence {
            None => journal::entries(&folder)?,
            Some(sequence) => vec![
                journal::entry(&folder, sequence)?
                    .ok_or_else(|| id(sequence).unknown(&folder.id, reset_count))?,
            ],
        };
        let mut entries = Vec::new();
        let mut page = None;
        for entry in found {
            let id = id(entry.sequence);
            let Some(entry) = now(&folder, id, entry)? else {
                continue;
            };
            if page_is_wanted {
                let stream = logs.stream.unwrap_or(LogStream::Stdout);
                let offset = logs.offset.unwrap_or_default();
                page = Some(journal::page(&folder, &entry, stream, offset, limit)?);
            }
            entries.push(log_entry(&folder, id, entry, !page_is_wanted));
        }
        Ok(WorkspaceLogs {
            workspace_id: folder.id,
            count: entries.len(),
            entries,
            page,
        })
    }
}

/// Every command since the last reset that can be read, as it is now, and how
/// many cannot be read.
///
/// # Errors
/// `io`; those of asking about one that runs.
pub(in crate::workspaces) fn as_of_now(
    folder: &Folder,
    reset_count: u64,
) -> Result<(Vec<Entry>, u64)> {
    let (entries, unreadable_count) = journal::readable(folder)?;
    let entries: Result<_> = entries
        .into_iter()
        .filter_map(|entry| {
            let id = CommandId {
                reset_count,
                sequence: entry.sequence,
            };
            now(folder, id, entry).transpose()
        })
        .collect();
    Ok((entries?, unreadable_count))
}

/// An entry without an end, as its supervisor knows it; none when a reset took
/// it away meanwhile.
fn now(folder: &Folder, id: CommandId, entry: Entry) -> Result<Option<Entry>> {
    if entry.ended.is_some() {
        return Ok(Some(entry));
    }
    let request = Request::Look {
        id,
        wait_seconds: 0,
        cancel: false,
        output: false,
    };
    match account(folder, id, &request, &NoEvents, &Cancel::default()) {
        Ok((account, ..)) => Ok(Some(account.entry)),
        Err(error) if error.code == "unknown_command" => Ok(None),
        Err(error) => Err(error),
    }
}
