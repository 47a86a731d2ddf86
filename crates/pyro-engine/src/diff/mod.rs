//! What changed between two states of a tree: entries, and a patch that
//! `git apply` and [`crate::patch`] take.
//!
//! Owns: the typed changes it starts from, statuses, what counts as text, the
//! caps. Refuses: reading trees (the caller brings both sides), finding
//! renames, text for what no patch can carry: binary files, folders, special
//! files, permission bits besides the executable one.
//!
//! ```text
//! changes -- diff ------> Diff   entries sorted by path, summary, patch
//!            stat ------> lines added and deleted per file
//!            name_only -> paths
//!
//! one entry   text_patch   what `patch` has for it
//! text        yes          its section
//! binary      null         headers, `Binary files ... differ`
//! too large   null         headers, one sentence
//!                          neither applies: nobody takes half a patch
//!                          for a whole one
//! other       null         nothing
//! ```

mod hunks;
mod payloads;
mod section;
mod stat;
#[cfg(test)]
mod tests;

pub use crate::artifact::ArtifactType;
pub use payloads::{Diff, Entry, Status, Summary};
pub use stat::{FileStat, Stat, name_only, stat};

use crate::artifact::absolute;
use crate::patch::quote;
use section::{Part, UNKNOWN_INDEX, section};
use std::time::{Duration, Instant};

/// Largest text patch of one file, in bytes.
pub const MAX_FILE_TEXT: usize = 256 << 10;
/// Largest patch of one diff, in bytes, without its closing sentence.
pub const MAX_TEXT: usize = 4 << 20;
/// Time for the shortest line diff of one file; then a longer one is taken.
const FILE_TIME: Duration = Duration::from_millis(300);
/// The same for all files together.
const TOTAL_TIME: Duration = Duration::from_secs(5);

/// One path whose sides may differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Path relative to the root of the tree; any bytes but NUL.
    pub path: Vec<u8>,
    /// What was there; None when nothing was.
    pub old: Option<Side>,
    /// What is there; None when nothing is.
    pub new: Option<Side>,
}

/// What a path is on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// A regular file.
    File {
        /// Its content.
        content: Content,
        /// Its permission bits; others are ignored.
        mode: u32,
    },
    /// A symlink, not followed.
    Symlink {
        /// Its target as it stands there.
        target: Vec<u8>,
    },
    /// A folder, listed only when it comes or goes as such.
    Folder,
    /// A socket, FIFO or device.
    Other {
        /// What it is, for example `fifo`.
        kind: String,
    },
}

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    Bytes(Vec<u8>),
    /// What is known of it when it is too large to hand over.
    Unread {
        /// Size in bytes.
        size: u64,
        /// The same number on both sides when the bytes are the same.
        identity: u64,
        /// Whether its beginning is no text.
        binary: bool,
    },
}

impl Content {
    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Unread { size, .. } => *size,
        }
    }

    /// Whether both are the same bytes. What was read and what was not are
    /// never taken for the same.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Unread { size, identity, .. },
                Self::Unread {
                    size: other_size,
                    identity: other_identity,
                    ..
                },
            ) => (size, identity) == (other_size, other_identity),
            _ => self == other,
        }
    }
}

impl Side {
    fn artifact_type(&self) -> ArtifactType {
        match self {
            Self::File { .. } => ArtifactType::File,
            Self::Symlink { .. } => ArtifactType::Symlink,
            Self::Folder => ArtifactType::Directory,
            Self::Other { .. } => ArtifactType::Other,
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::File { content, mode },
                Self::File {
                    content: other,
                    mode: other_mode,
                },
            ) => permissions(*mode) == permissions(*other_mode) && content.same(other),
            _ => self == other,
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::File { content, .. } => content.size(),
            Self::Symlink { target } => target.len() as u64,
            Self::Folder | Self::Other { .. } => 0,
        }
    }
}

fn permissions(mode: u32) -> u32 {
    mode & 0o7777
}

impl Change {
    /// How it changed; None when both sides are the same.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match (&self.old, &self.new) {
            (None, None) => None,
            (None, Some(_)) => Some(Status::Added),
            (Some(_), None) => Some(Status::Deleted),
            (Some(old), Some(new)) if old.same(new) => None,
            (Some(old), Some(new)) if old.artifact_type() == new.artifact_type() => {
                Some(Status::Modified)
            }
            _ => Some(Status::TypeChanged),
        }
    }

    fn entry(&self) -> Option<Entry> {
        let status = self.status()?;
        let side = self.new.as_ref().or(self.old.as_ref())?;
        let mode = |side: &Option<Side>| match side {
            Some(Side::File { mode, .. }) => Some(permissions(*mode)),
            _ => None,
        };
        let modes = mode(&self.old).zip(mode(&self.new));
        let modes = modes.filter(|(old, new)| old != new);
        Some(Entry {
            path: String::from_utf8_lossy(&self.path).into_owned(),
            workspace_path: absolute(&self.path),
            status,
            artifact_type: side.artifact_type(),
            text_patch: None,
            size_bytes: side.size(),
            binary: false,
            truncated: false,
            old_mode: modes.map(|(old, _)| format!("{old:04o}")),
            new_mode: modes.map(|(_, new)| format!("{new:04o}")),
            lines_added: None,
            lines_deleted: None,
        })
    }
}

/// The changes in the order of their paths, without those that are none.
fn sorted(changes: &[Change]) -> Vec<&Change> {
    let changed = changes.iter().filter(|change| change.status().is_some());
    let mut changes: Vec<&Change> = changed.collect();
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    changes
}

/// Entries, counts and patch text of `changes`, sorted by path. A change
/// whose sides are the same is left out. Pure but for the clock: a file whose
/// shortest line diff takes too long gets a longer one, never a wrong one.
#[must_use]
pub fn diff(changes: &[Change]) -> Diff {
    let clock = Clock::start();
    let mut made = Diff::default();
    let mut left_out: Option<(&Change, usize)> = None;
    for change in sorted(changes) {
        let Some(mut entry) = change.entry() else {
            continue;
        };
        let part = section(change, &clock, MAX_FILE_TEXT);
        entry.binary = matches!(part, Part::Binary(_));
        entry.truncated = matches!(part, Part::TooLarge(_));
        let text = part.text();
        let full = left_out.is_some() || made.patch.len() + text.len() > MAX_TEXT;
        if full && !text.is_empty() {
            entry.truncated = true;
            left_out.get_or_insert((change, 0)).1 += 1;
        } else {
            made.patch.push_str(text);
            entry.text_patch = part.into_text_patch();
        }
        made.truncated |= entry.truncated;
        made.summary.count(&entry);
        made.entries.push(entry);
    }
    if let Some((first, count)) = left_out {
        let why = format!(
            "the whole patch would be larger than {MAX_TEXT} bytes (changes left out so: {count})"
        );
        made.patch.push_str(&left_out_section(&first.path, &why));
    }
    made.changed = !made.entries.is_empty();
    made
}

impl Diff {
    /// Says that there is more, so that nobody takes the patch for all of it.
    pub fn cut(&mut self, why: &str) {
        self.truncated = true;
        self.patch.push_str(&refused_section(b"more", why));
    }
}

/// A section that names a change and does not apply.
fn left_out_section(path: &[u8], why: &str) -> String {
    let sentence = format!("The change of {} is left out: {why}.", quote(path));
    refused_section(path, &sentence)
}

fn refused_section(path: &[u8], sentence: &str) -> String {
    format!(
        "diff --git {} {}\n{UNKNOWN_INDEX}\n{sentence}\n",
        quote(&[b"a/", path].concat()),
        quote(&[b"b/", path].concat()),
    )
}

/// When line diffs must be done.
struct Clock {
    end: Instant,
}

impl Clock {
    fn start() -> Self {
        Self {
            end: Instant::now() + TOTAL_TIME,
        }
    }

    /// When the line diff of a file that begins now must be done.
    fn file(&self) -> Instant {
        self.end.min(Instant::now() + FILE_TIME)
    }
}
