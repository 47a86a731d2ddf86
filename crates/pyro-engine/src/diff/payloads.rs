//! What a diff returns, as the contract's payloads.md §9 says; the operation
//! adds `workspace_id`. The doc comments become the descriptions of the JSON
//! schemas.
//!
//! Owns: the fields. Refuses: finding their values.

use crate::artifact::ArtifactType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What changed against the baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// Whether anything did.
    pub changed: bool,
    /// Numbers of entries.
    pub summary: Summary,
    /// One entry per changed path, sorted by path.
    pub entries: Vec<Entry>,
    /// Every `text_patch` in order, for `git apply`; between them a line for
    /// each binary file and a sentence for what was too large, which no tool
    /// applies.
    pub patch: String,
    /// Whether text of at least one entry was left out for its size.
    pub truncated: bool,
}

/// Numbers of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// All.
    pub total: usize,
    /// With the status `added`.
    pub added: usize,
    /// With the status `modified`.
    pub modified: usize,
    /// With the status `deleted`.
    pub deleted: usize,
    /// With the status `type_changed`.
    pub type_changed: usize,
    /// With a `text_patch`.
    pub text_patched: usize,
    /// Without one.
    pub non_text: usize,
}

impl Summary {
    pub(super) fn count(&mut self, entry: &Entry) {
        self.total += 1;
        match entry.status {
            Status::Added => self.added += 1,
            Status::Modified => self.modified += 1,
            Status::Deleted => self.deleted += 1,
            Status::TypeChanged => self.type_changed += 1,
        }
        match entry.text_patch {
            Some(_) => self.text_patched += 1,
            None => self.non_text += 1,
        }
    }
}

/// One changed path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Path relative to the workspace; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// Absolute path as the file operations have it: control characters and
    /// bytes that are not UTF-8 as %XX.
    pub workspace_path: String,
    /// How it changed.
    pub status: Status,
    /// What it is now, or was when it is deleted.
    pub artifact_type: ArtifactType,
    /// Its section of the patch; null when the change has no text, is binary
    /// or was too large.
    pub text_patch: Option<String>,
    /// Size of what it is now, or was when it is deleted: bytes of a file,
    /// length of a symlink's target, else 0.
    pub size_bytes: u64,
    /// Whether a side is not text: not UTF-8, or with a NUL byte.
    pub binary: bool,
    /// Whether its text was left out for its size.
    pub truncated: bool,
    /// Permission bits before, in octal; only for a file whose bits changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_mode: Option<String>,
    /// Permission bits after, in octal; only for a file whose bits changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_mode: Option<String>,
    /// Lines added, when they were asked for; none when it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_added: Option<usize>,
    /// Lines deleted, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_deleted: Option<usize>,
}

/// How a path changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is new.
    Added,
    /// Its content, target or permission bits changed.
    Modified,
    /// It is gone.
    Deleted,
    /// It is another type than before.
    TypeChanged,
}
