//! Parts of a text: a range with what lies around it, and one without.
//!
//! Owns: that a secret which the edge of a part cuts in two does not show its
//! half. Positions are those of the text, so paging stays true.

use std::ops::Range;

use super::patterns::Patterns;
use super::{MARKER, MIN_VALUE_BYTES, Redactor};

impl Redactor {
    /// How much has to be known before and behind a range so that nothing in
    /// it is missed.
    #[must_use]
    pub fn context_bytes(&self) -> usize {
        let longest = self.patterns.as_ref().map_or(0, |p| p.longest());
        longest.saturating_sub(1)
    }

    /// `range` of `bytes` without secrets, and how many markers are in it. A
    /// secret that reaches into it is replaced whole.
    #[must_use]
    pub fn range(&self, bytes: &[u8], range: Range<usize>) -> (Vec<u8>, u64) {
        let (mut out, mut replaced, mut at) = (Vec::new(), 0, range.start);
        for (begin, end) in self.stream().occurrences(bytes) {
            if end <= range.start || begin >= range.end {
                continue;
            }
            out.extend_from_slice(&bytes[at..begin.max(at)]);
            out.extend_from_slice(MARKER.as_bytes());
            replaced += 1;
            at = end.min(range.end);
        }
        out.extend_from_slice(&bytes[at..range.end]);
        (out, replaced)
    }

    /// `text`, of which nobody knows what came before and behind, without
    /// secrets and without parts of them at its ends.
    #[must_use]
    pub fn part(&self, text: &str) -> String {
        let Some(patterns) = &self.patterns else {
            return text.to_owned();
        };
        let (begin, end) = cut(patterns, text.as_bytes());
        let middle = if begin < end {
            self.bytes(&text.as_bytes()[begin..end])
        } else {
            Vec::new()
        };
        let mark = |is_cut: bool| if is_cut { MARKER } else { "" };
        format!(
            "{}{}{}",
            mark(begin > 0),
            String::from_utf8_lossy(&middle),
            mark(end < text.len() && begin < end)
        )
    }
}

/// What is left of `text` without the end of a pattern at its beginning and
/// the beginning of one at its end; few enough bytes tell nothing.
fn cut(patterns: &Patterns, text: &[u8]) -> (usize, usize) {
    let (mut begin, mut end) = (0, text.len());
    if text.len() < MIN_VALUE_BYTES {
        return (begin, end);
    }
    for pattern in patterns.iter() {
        let pattern = pattern.bytes();
        if pattern.len() > text.len() && pattern.windows(text.len()).any(|part| part == text) {
            return (text.len(), text.len());
        }
        let most = pattern.len().saturating_sub(1).min(text.len());
        for length in (MIN_VALUE_BYTES..=most).rev() {
            if length > begin && text.starts_with(&pattern[pattern.len() - length..]) {
                begin = length;
            }
            if length > text.len() - end && text.ends_with(&pattern[..length]) {
                end = text.len() - length;
            }
        }
    }
    (begin, end.max(begin))
}

/// Overlapping ranges as one each, in order.
pub(super) fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(usize, usize)> {
    ranges.sort_unstable();
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for (begin, end) in ranges {
        // They lie in a text in memory.
        let (begin, end) = (begin as usize, end as usize);
        match merged.last_mut() {
            Some(last) if begin < last.1 => last.1 = last.1.max(end),
            _ => merged.push((begin, end)),
        }
    }
    merged
}
