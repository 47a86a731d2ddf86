//! Applies the hunks of one file to its bytes.
//!
//! Owns: the order of hunks, the offset they carry on, the new bytes.
//! Refuses: half a result. One hunk that fails means no bytes at all, but the
//! others are tried too, so one report names all that fail.

use super::locate::{Text, Wanted, Work, place};
use super::report::{Nearest, Reason};
use super::{FilePatch, Hunk, MAX_RESULT};

/// Where a hunk was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedHunk {
    /// Line of the file before the patch it begins at, from 1; for an
    /// insertion, the line that follows it.
    pub line: usize,
    /// Lines it moved against its header; negative is towards the start.
    pub offset: i64,
}

/// A hunk that failed: its number from 1, itself, why.
pub(super) struct Miss<'a> {
    pub(super) number: usize,
    pub(super) hunk: &'a Hunk,
    pub(super) reason: Reason,
    pub(super) nearest: Option<Nearest>,
}

/// The bytes after all hunks and where each was applied.
pub(super) fn rewrite<'a>(
    bytes: &[u8],
    file: &'a FilePatch,
    work: &mut Work,
) -> Result<(Vec<u8>, Vec<AppliedHunk>), Vec<Miss<'a>>> {
    if file.hunks.is_empty() {
        // a move of a large file needs no lines
        return Ok((bytes.to_vec(), Vec::new()));
    }
    let text = Text::new(bytes);
    let mut new = Vec::with_capacity(bytes.len());
    let (mut applied, mut misses) = (Vec::new(), Vec::new());
    let (mut floor, mut offset) = (0, 0_i64);
    for (index, hunk) in file.hunks.iter().enumerate() {
        let named = first_line(hunk, bytes.is_empty());
        let expected = usize::try_from(named.saturating_add(offset)).unwrap_or(0);
        let wanted = Wanted {
            old: hunk.old_side().collect(),
            expected,
            floor,
            ends: hunk
                .new_side()
                .last()
                .is_some_and(|line| line.last() != Some(&b'\n')),
        };
        match place(&text, &wanted, work) {
            Ok(at) => {
                offset = i64::try_from(at).unwrap_or(i64::MAX) - named;
                applied.push(AppliedHunk {
                    line: at + 1,
                    offset,
                });
                new.extend_from_slice(text.lines(floor, at));
                hunk.new_side().for_each(|line| new.extend_from_slice(line));
                floor = at + wanted.old.len();
            }
            Err((reason, nearest)) => misses.push(Miss {
                number: index + 1,
                hunk,
                reason,
                nearest,
            }),
        }
        // what is left is added last: this is where a file grows
        if new.len() > MAX_RESULT {
            misses.push(Miss {
                number: index + 1,
                hunk,
                reason: Reason::TooLarge,
                nearest: None,
            });
            break;
        }
    }
    if !misses.is_empty() {
        return Err(misses);
    }
    new.extend_from_slice(text.lines(floor, text.len()));
    Ok((new, applied))
}

/// The line the header names, from 0. A count of 0 means after that line.
fn first_line(hunk: &Hunk, empty: bool) -> i64 {
    let start = i64::from(hunk.old_start);
    match hunk.old_count {
        // an empty file has one place, whatever the header says
        0 if empty => 0,
        0 => start,
        _ => (start - 1).max(0),
    }
}
