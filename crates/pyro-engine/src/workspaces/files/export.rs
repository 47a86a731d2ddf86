//! Files of a workspace onto the host, or the patch of what changed.
//!
//! ```text
//!   agent packs --> tar in an unnamed file --> checked, unpacked beside the output --rename--> output
//!   diff -----------------------------------> a file beside the output ---------------rename--> output
//! ```
//!
//! Owns: that an output appears whole or not at all. Refuses: deciding where
//! it may be ([`crate::host_paths`]).

use super::diff::{DiffForm, DiffRequest};
use super::new_file::NewFile;
use super::payloads::Exported;
use super::{asked, path, unpack};
use crate::artifact::ArtifactType;
use crate::diff::Diff;
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink, Meter};
use crate::guest::files::asks;
use crate::host_paths::{Output, exists, is_in_git};
use crate::spool::LOOK_BYTES;
use crate::start::disk_copy::leave_room;
use crate::unfinished;
use crate::workspaces::Workspaces;
use crate::workspaces::events::Done;
use crate::workspaces::secrets::FoundSecrets;
use pyro_proto::messages::files::{FileKind, GetArchive};
use pyro_proto::path::{PathText, WORKSPACE};
use rustix::fs::{CWD, RenameFlags};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

/// Most bytes of one export.
const MAX_ARCHIVE_BYTES: u64 = 64 << 30;
/// Folders beside an output, in which it is put together, begin so.
const PARTIAL: &str = ".pyro-export-";

impl Workspaces {
    /// Copies a file, link or the children of a directory to `output`, which
    /// must not exist.
    ///
    /// # Errors
    /// `invalid_output`, `output_exists`, `output_in_git`, `path_not_allowed`,
    /// `source_in_git`, `invalid_path`, `file_not_found`, `file_kind`, `guest_reply`, `no_space`; those of
    /// [`Workspaces::exec`]. Nothing is left then.
    pub fn export(
        &self,
        wanted: &str,
        from: &str,
        output: &str,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Exported> {
        let source = path(from)?;
        if !self.host.takes_git() && is_in_git(Path::new(from)) {
            return Err(Error::invalid(
                "source_in_git",
                format!("{from} is inside of a .git, which tools do not take out"),
            )
            .hint("export the patch, or the files themselves"));
        }
        let output = self.output(wanted, output)?;
        self.export_to(wanted, &source, &output, events, cancel)
            .map_err(|error| output.told(error))
    }

    fn export_to(
        &self,
        wanted: &str,
        source: &PathText,
        output: &Output,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Exported> {
        let parent = output.parent();
        let mut archive =
            tempfile::tempfile_in(parent).map_err(Error::io("make a file in", parent))?;
        let request = GetArchive {
            path: source.clone(),
            as_disk: false,
        };
        let (workspace, packed) = self.ask_agent(wanted, events, cancel, |link| {
            archive
                .set_len(0)
                .and_then(|()| archive.rewind())
                .map_err(Error::io("write below", parent))?;
            let mut meter = Meter::new("receiving", None, events);
            let (mut received, mut look_at) = (0, LOOK_BYTES);
            asks::get(link, &request, MAX_ARCHIVE_BYTES, |bytes| {
                meter.add(bytes.len() as u64);
                received += bytes.len() as u64;
                if received > look_at {
                    let what = "the next part of what the guest sends";
                    leave_room(&archive, LOOK_BYTES, parent, what)?;
                    look_at = received + LOOK_BYTES;
                }
                archive
                    .write_all(bytes)
                    .map_err(Error::io("write below", parent))
            })
        })?;
        archive.rewind().map_err(Error::io("read below", parent))?;
        unfinished::sweep_folders(parent, PARTIAL);
        let staging = unfinished::Folder::make(parent, PARTIAL)?;
        let whole = staging.path().join("content");
        std::fs::create_dir(&whole).map_err(Error::io("create", &whole))?;
        let unpacked = unpack::unpack(&mut archive, &whole, self.host.takes_git(), cancel)?;
        let made = match packed.kind {
            FileKind::Directory => whole,
            _ => only_member(&whole)?,
        };
        let secrets = self.secrets(&self.store.folder(&workspace.workspace_id))?;
        let found_secrets = secrets.in_files(&made)?;
        appear(&made, output)?;
        warn(&found_secrets, output, events);
        if unpacked.left_out > 0 {
            events.event(Event::Notice(format!(
                "what is in a .git was left out (names: {}); export the patch to take changes out",
                unpacked.left_out
            )));
        }
        if unpacked.links_out > 0 {
            events.event(Event::Notice(format!(
                "links that lead out of {}: {}; here they name files of this host",
                output.path.display(),
                unpacked.links_out
            )));
        }
        let exported = Exported {
            workspace_id: workspace.workspace_id.clone(),
            workspace_path: asked(source),
            output_path: output.path.display().to_string(),
            artifact_type: packed.kind.into(),
            entry_count: unpacked.entry_count,
            bytes_written: unpacked.bytes_written,
            skipped: packed.skipped_special + unpacked.left_out,
            found_secrets,
            execution_mode: workspace.execution_mode,
        };
        self.record(&workspace, Done::export(&exported, false), events);
        Ok(exported)
    }
}

impl Workspaces {
    /// Where an output of a workspace goes.
    pub(in crate::workspaces) fn output(&self, wanted: &str, output: &str) -> Result<Output> {
        let id = || Ok(self.store.find(wanted)?.id);
        self.host.output(output, id)
    }

    /// Writes the patch of what changed, at and below `from` or everywhere,
    /// to `output`, which must not exist.
    ///
    /// # Errors
    /// Those of [`Workspaces::export`] about the output, and of
    /// [`Workspaces::diff`].
    pub fn export_patch(
        &self,
        wanted: &str,
        from: Option<&str>,
        output: &str,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Exported> {
        let source = path(from.unwrap_or(WORKSPACE))?;
        let output = self.output(wanted, output)?;
        let request = DiffRequest {
            paths: vec![asked(&source)],
            form: DiffForm::Patch,
        };
        let told = self.diff_as_it_is(wanted, &request, events, cancel)?;
        let diff = &told.diff;
        let secrets = self.secrets(&self.store.folder(&told.workspace_id))?;
        let found_secrets = secrets.in_bytes(diff.patch.as_bytes());
        write_new(&output, diff.patch.as_bytes()).map_err(|error| output.told(error))?;
        warn(&found_secrets, &output, events);
        if let Some(notice) = not_whole(diff) {
            events.event(Event::Notice(notice));
        }
        let workspace = self.at_rest(&self.store.folder(&told.workspace_id))?;
        let exported = Exported {
            workspace_id: told.workspace_id,
            workspace_path: asked(&source),
            output_path: output.path.display().to_string(),
            artifact_type: ArtifactType::File,
            entry_count: diff.summary.text_patched as u64,
            bytes_written: diff.patch.len() as u64,
            skipped: diff.summary.non_text as u64,
            found_secrets,
            execution_mode: workspace.execution_mode,
        };
        self.record(&workspace, Done::export(&exported, true), events);
        Ok(exported)
    }
}

/// Who exports secrets should know.
pub(in crate::workspaces) fn warn(found: &FoundSecrets, output: &Output, events: &dyn EventSink) {
    if let Some(notice) = found.notice(&output.path.display().to_string()) {
        events.event(Event::Notice(notice));
    }
}

/// A file that must not exist, whole or not at all.
pub(in crate::workspaces) fn write_new(output: &Output, bytes: &[u8]) -> Result<()> {
    // What a redirection of the shell would make.
    let new = NewFile::beside(output, 0o666)?;
    new.file()
        .write_all(bytes)
        .map_err(Error::io("write", &output.path))?;
    new.appear(output)
}

/// What a patch does not bring, if there is any.
fn not_whole(diff: &Diff) -> Option<String> {
    let refused = diff
        .entries
        .iter()
        .filter(|entry| entry.binary || entry.truncated);
    let refused = refused.count();
    let silent = diff.summary.non_text - refused.min(diff.summary.non_text);
    let mut parts = Vec::new();
    if refused > 0 || diff.truncated {
        parts.push(format!(
            "git refuses this patch (changes that are binary or too large for it: {refused}); export those files instead"
        ));
    }
    if silent > 0 {
        parts.push(format!(
            "the patch leaves out empty directories, special files and permission bits that git does not know (changes: {silent})"
        ));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Gives a finished output its name, unless somebody else took it.
pub(in crate::workspaces) fn appear(made: &Path, output: &Output) -> Result<()> {
    rustix::fs::renameat_with(CWD, made, CWD, output.made(), RenameFlags::NOREPLACE).map_err(
        |error| match error {
            rustix::io::Errno::EXIST => exists(&output.path),
            error => Error::io("rename into place", &output.path)(error.into()),
        },
    )
}

fn only_member(folder: &Path) -> Result<PathBuf> {
    let mut members = std::fs::read_dir(folder)
        .map_err(Error::io("list", folder))?
        .flatten();
    match (members.next(), members.next()) {
        (Some(one), None) => Ok(one.path()),
        _ => Err(Error::runtime(
            "guest_reply",
            "the guest's archive of one file does not have one member",
        )
        .hint("something in the guest may have replaced its agent; use a fresh guest")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{Change, Content, Side, diff};

    #[test]
    fn what_a_patch_does_not_bring_is_said() {
        let change = |path: &str, new| Change {
            path: path.into(),
            old: None,
            new: Some(new),
        };
        let file = |bytes: &[u8]| Side::File {
            content: Content::Bytes(bytes.into()),
            mode: 0o644,
        };
        let text = change("a", file(b"text"));
        assert_eq!(not_whole(&diff(std::slice::from_ref(&text))), None);
        let silent = not_whole(&diff(&[text, change("d", Side::Folder)])).unwrap();
        assert!(silent.contains("leaves out") && !silent.contains("refuses"));
        let both = diff(&[change("b", file(b"\0")), change("d", Side::Folder)]);
        let both = not_whole(&both).unwrap();
        assert!(both.contains("for it: 1)") && both.contains("(changes: 1)"));
        let mut cut = diff(&[]);
        cut.cut("more");
        assert!(not_whole(&cut).unwrap().starts_with("git refuses"));
    }
}
