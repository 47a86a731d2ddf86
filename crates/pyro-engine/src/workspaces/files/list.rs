//! Listing files and finding lines in them.

use super::payloads::{FileEntry, FileList, LineMatch};
use super::{asked, path};
use crate::artifact::absolute;
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::guest::files::asks;
use crate::workspaces::Workspaces;
use pyro_proto::messages::files::{ListFiles, MAX_PATTERN_BYTES, SearchFiles};

/// Least and most entries or matches of one call.
pub const LIMIT_RANGE: std::ops::RangeInclusive<u64> = 1..=200_000;
/// Bytes shown of a line.
const LINE_BYTES: u32 = 400;

/// What to list.
#[derive(Clone, Debug)]
pub struct List {
    /// A path below `/workspace`.
    pub path: String,
    /// Whether to enter directories below.
    pub recursive: bool,
    /// Most entries or matches, [`LIMIT_RANGE`].
    pub limit: u64,
    /// Finds lines instead of listing files.
    pub search: Option<Search>,
}

/// Which lines to find.
#[derive(Clone, Debug)]
pub struct Search {
    /// Plain text, or a regular expression.
    pub pattern: String,
    /// Whether it is one.
    pub regex: bool,
    /// Whether ASCII letters match in either case.
    pub ignore_case: bool,
}

impl Workspaces {
    /// Lists files, or finds lines in them.
    ///
    /// # Errors
    /// `invalid_path`, `out_of_range`, `invalid_pattern`, `file_not_found`,
    /// `file_symlink`; those of [`Workspaces::exec`].
    pub fn list_files(
        &self,
        wanted: &str,
        list: &List,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<FileList> {
        crate::vms::checks::within("limit", list.limit, &LIMIT_RANGE)?;
        let top = path(&list.path)?;
        let (mut entries, mut matches) = (Vec::new(), None);
        let (workspace, truncated) = match &list.search {
            None => {
                let request = ListFiles {
                    path: top.clone(),
                    recursive: list.recursive,
                    limit: list.limit,
                };
                self.ask_agent(wanted, events, cancel, |link| {
                    entries.clear();
                    let listed = asks::list(link, &request, |entry| {
                        entries.push(FileEntry {
                            path: absolute(entry.path.bytes()),
                            artifact_type: entry.kind.into(),
                            size_bytes: entry.size,
                            link_target: entry.target.map(|target| target.to_string()),
                            mode: format!("{:04o}", entry.mode),
                        });
                        Ok(())
                    })?;
                    Ok(listed.truncated)
                })?
            }
            Some(search) => {
                let request = search_request(list, search, top.clone())?;
                let (workspace, (found, truncated)) =
                    self.ask_agent(wanted, events, cancel, |link| {
                        let mut found = Vec::new();
                        let searched = asks::search(link, &request, |line| {
                            found.push((
                                line.cut,
                                LineMatch {
                                    path: absolute(line.path.bytes()),
                                    line: line.line,
                                    column: line.column,
                                    text: line.text,
                                },
                            ));
                            Ok(())
                        })?;
                        Ok((found, searched.truncated))
                    })?;
                let folder = self.store.folder(&workspace.workspace_id);
                let redactor = self.secrets(&folder)?.redactor();
                let whole = |(cut, line): (bool, LineMatch)| match cut {
                    true => LineMatch {
                        text: redactor.part(&line.text),
                        ..line
                    },
                    false => line,
                };
                matches = Some(found.into_iter().map(whole).collect());
                (workspace, truncated)
            }
        };
        let list = FileList {
            workspace_id: workspace.workspace_id.clone(),
            path: asked(&top),
            recursive: list.recursive || list.search.is_some(),
            entries,
            matches,
            truncated,
            execution_mode: workspace.execution_mode,
        };
        self.shown(&workspace.workspace_id, list)
    }
}

fn search_request(
    list: &List,
    search: &Search,
    path: pyro_proto::path::PathText,
) -> Result<SearchFiles> {
    if search.pattern.is_empty() || search.pattern.len() > MAX_PATTERN_BYTES {
        return Err(Error::invalid(
            "invalid_pattern",
            format!(
                "the pattern has {} bytes, it must have 1 to {MAX_PATTERN_BYTES}",
                search.pattern.len()
            ),
        )
        .hint("search for a shorter text"));
    }
    Ok(SearchFiles {
        path,
        pattern: search.pattern.clone(),
        regex: search.regex,
        ignore_case: search.ignore_case,
        max_matches: list.limit,
        max_line_bytes: LINE_BYTES,
    })
}
