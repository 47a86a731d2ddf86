//! The line diff of two texts.
//!
//! Owns: which lines changed, hunks with 3 lines of context, the markers of a
//! missing final newline, an end to long searches. Refuses: labels, headers.

use super::Clock;
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices_deadline, group_diff_ops};
use std::collections::HashMap;
use std::ops::Range;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// A text as lines with their line feeds; the last may lack it.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn ops(old: &[&str], new: &[&str], clock: &Clock) -> Vec<DiffOp> {
    // numbers in place of lines: the search compares the same lines often
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let [old, new] = [old, new].map(|lines| -> Vec<u32> {
        let number = |line| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry(line).or_insert(next)
        };
        lines.iter().copied().map(number).collect()
    });
    // past the deadline the rest counts as replaced: longer, not wrong
    capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(clock.file()))
}

/// Lines added and lines deleted between two texts.
pub(super) fn count(old: &str, new: &str, clock: &Clock) -> (usize, usize) {
    let ops = ops(&lines(old), &lines(new), clock);
    let changed = ops.iter().filter(|op| op.tag() != DiffTag::Equal);
    changed.fold((0, 0), |(added, deleted), op| {
        let (old, new) = (op.old_range(), op.new_range());
        (added + new.len(), deleted + old.len())
    })
}

/// Appends the hunks between two texts. False, with an unfinished text, when
/// it grows beyond `limit` bytes.
pub(super) fn write(text: &mut String, old: &str, new: &str, clock: &Clock, limit: usize) -> bool {
    // every byte more on one side stands in the patch
    if old.len().abs_diff(new.len()) > limit {
        return false;
    }
    let (old, new) = (lines(old), lines(new));
    for group in group_diff_ops(ops(&old, &new, clock), CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        let old_range = range(first.old_range().start..last.old_range().end);
        let new_range = range(first.new_range().start..last.new_range().end);
        text.push_str(&format!("@@ -{old_range} +{new_range} @@\n"));
        for op in &group {
            if op.tag() == DiffTag::Equal {
                put(text, ' ', &old, op.old_range());
            } else {
                put(text, '-', &old, op.old_range());
                put(text, '+', &new, op.new_range());
            }
            if text.len() > limit {
                return false;
            }
        }
    }
    true
}

fn put(text: &mut String, sign: char, lines: &[&str], range: Range<usize>) {
    for line in lines.get(range).unwrap_or_default() {
        text.push(sign);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// `start,count` as hunk headers have it: from 1, and with a count of 0 the
/// line before; a count of 1 is not written.
fn range(lines: Range<usize>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        count => format!("{},{count}", lines.start + 1),
    }
}
