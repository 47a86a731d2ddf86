//! Short forms of a diff.
//!
//! Owns: lines added and deleted per file, as `git diff --stat` draws them,
//! and the paths alone. Refuses: caps; a number is short for any size.

use super::section::{Body, body, pairs};
use super::{Change, Clock, hunks, sorted};
use crate::patch::quote;
use std::fmt;

/// Most signs in the drawing of one file.
const WIDTH: usize = 40;

/// Lines added and deleted in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// Path relative to the root of the tree.
    pub path: Vec<u8>,
    /// Lines added; 0 when it is not text.
    pub added: usize,
    /// Lines deleted; 0 when it is not text.
    pub deleted: usize,
    /// Sizes in bytes before and after, when a side is not text or too large
    /// to compare.
    pub bytes: Option<(u64, u64)>,
}

/// Lines added and deleted per file, sorted by path. Prints as
/// `git diff --stat` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// One entry per changed path.
    pub files: Vec<FileStat>,
}

/// Counts the lines that `changes` add and delete.
#[must_use]
pub fn stat(changes: &[Change]) -> Stat {
    let clock = Clock::start();
    let files = sorted(changes)
        .into_iter()
        .map(|change| file(change, &clock));
    Stat {
        files: files.collect(),
    }
}

fn file(change: &Change, clock: &Clock) -> FileStat {
    let mut made = FileStat {
        path: change.path.clone(),
        added: 0,
        deleted: 0,
        bytes: None,
    };
    for (old, new) in pairs(change) {
        if let (Body::Text(old), Body::Text(new)) = (body(old), body(new)) {
            let (added, deleted) = hunks::count(old, new, clock);
            made.added += added;
            made.deleted += deleted;
        } else {
            let size = |side: &Option<super::Side>| side.as_ref().map_or(0, super::Side::size);
            made.bytes = Some((size(&change.old), size(&change.new)));
        }
    }
    if made.bytes.is_some() {
        (made.added, made.deleted) = (0, 0);
    }
    made
}

/// The changed paths, sorted, quoted as git does with `core.quotePath=false`.
#[must_use]
pub fn name_only(changes: &[Change]) -> Vec<String> {
    let paths = sorted(changes)
        .into_iter()
        .map(|change| quote(&change.path));
    paths.collect()
}

impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.files.iter().map(|file| quote(&file.path)).collect();
        let name_width = names.iter().map(|name| name.chars().count()).max();
        let name_width = name_width.unwrap_or(0);
        let most = self
            .files
            .iter()
            .map(|file| file.added + file.deleted)
            .max();
        let most = most.unwrap_or(0);
        let digits = most.to_string().len();
        for (file, name) in self.files.iter().zip(&names) {
            write!(f, " {name:name_width$} | ")?;
            if let Some((old, new)) = file.bytes {
                writeln!(f, "Bin {old} -> {new} bytes")?;
                continue;
            }
            let total = file.added + file.deleted;
            let signs = |count: usize, sign: &str| {
                let drawn = if most <= WIDTH {
                    count
                } else {
                    // a change is never drawn as none
                    (count * WIDTH / most).max(usize::from(count > 0))
                };
                sign.repeat(drawn)
            };
            let drawn = signs(file.added, "+") + &signs(file.deleted, "-");
            writeln!(f, "{}", format!("{total:>digits$} {drawn}").trim_end())?;
        }
        let sum = |of: fn(&FileStat) -> usize| self.files.iter().map(of).sum::<usize>();
        let plural = |count: usize, of: &str| match count {
            1 => format!("1 {of}"),
            _ => format!("{count} {of}s"),
        };
        let mut parts = vec![plural(self.files.len(), "file") + " changed"];
        let (added, deleted) = (sum(|file| file.added), sum(|file| file.deleted));
        if added > 0 {
            parts.push(plural(added, "insertion") + "(+)");
        }
        if deleted > 0 {
            parts.push(plural(deleted, "deletion") + "(-)");
        }
        writeln!(f, " {}", parts.join(", "))
    }
}
