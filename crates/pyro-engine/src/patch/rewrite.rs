//! Applies the hunks of one file to its bytes.
//!
//! Owns: the order of hunks, the offset they carry on, the new bytes.
//! Refuses: half a result. One hunk that fails means no bytes at all, but the
//! others are tried too, so one report names all that fail.

use super::locate::{Text, Wanted, Work, place};
use super::report::{Nearest, Reason};
use super::{FilePatch, Hunk, Line, LineKind, MAX_RESULT};

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
        let before = index.checked_sub(1).and_then(|at| file.hunks.get(at));
        let shared = before.map_or(0, |before| shared(before, hunk));
        let named = first_line(hunk, bytes.is_empty()) + shared as i64;
        let expected = usize::try_from(named.saturating_add(offset)).unwrap_or(0);
        let wanted = Wanted {
            old: hunk.old_side().skip(shared).collect(),
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
                    line: at + 1 - shared,
                    offset,
                });
                new.extend_from_slice(text.lines(floor, at));
                let rest = hunk.new_side().skip(shared);
                rest.for_each(|line| new.extend_from_slice(line));
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

/// Lines that end one hunk and begin the next, context of both. git
/// prints such pairs now and then (and does not take them itself); the first
/// hunk has matched these lines, so what is meant is certain.
fn shared(before: &Hunk, hunk: &Hunk) -> usize {
    let end = before.old_start.saturating_add(before.old_count);
    let count = end.saturating_sub(hunk.old_start) as usize;
    let context = |line: &&Line| line.kind == LineKind::Context;
    let tail = before.lines.iter().rev().take_while(context).count();
    let head = hunk.lines.iter().take_while(context).count();
    let same = count <= tail
        && count <= head
        && before.lines[before.lines.len() - count..] == hunk.lines[..count];
    if same { count } else { 0 }
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
