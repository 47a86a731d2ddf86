//! The byte strings to be found, and how they are found in linear time.
//!
//! All patterns are at least [`ANCHOR_BYTES`] long. One automaton looks for
//! their first bytes, the anchors, fast (with vector instructions where there
//! are few). From an anchor on, each pattern that begins so is followed with
//! its own failure table (Knuth, Morris and Pratt). So a value of 64 KiB costs
//! its length and a table, not an automaton of a million states, and a value
//! that repeats itself costs no more than any other.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};

use super::MIN_VALUE_BYTES;

/// No pattern is shorter.
pub(super) const ANCHOR_BYTES: usize = MIN_VALUE_BYTES;

/// So many fit a table of some MiB, which is the fastest way.
const MAX_TABLE_ANCHORS: usize = 1024;

type Anchor = [u8; ANCHOR_BYTES];

/// One byte string to be found.
pub(super) struct Pattern {
    bytes: Vec<u8>,
    /// For each matched length less one: the longest shorter match that is
    /// still one when the next byte is not the expected one.
    failure: Vec<u32>,
    /// The value it is a form of.
    pub(super) owner: usize,
}

pub(super) struct Patterns {
    list: Vec<Pattern>,
    anchors: AhoCorasick,
    /// In the order of `anchors`, sorted: the patterns that begin so.
    by_anchor: Vec<(Anchor, Vec<usize>)>,
}

impl Patterns {
    /// None where nothing is to be found.
    pub(super) fn new(forms: Vec<(Vec<u8>, usize)>) -> Option<Self> {
        let mut by_anchor = BTreeMap::<Anchor, Vec<usize>>::new();
        let mut list = Vec::new();
        for (bytes, owner) in forms {
            let Some(anchor) = bytes.first_chunk::<ANCHOR_BYTES>() else {
                continue;
            };
            by_anchor.entry(*anchor).or_default().push(list.len());
            list.push(Pattern::new(bytes, owner));
        }
        let by_anchor = by_anchor.into_iter().collect::<Vec<_>>();
        // It fails for no reason but more states than a u32 counts.
        let anchors = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .kind((by_anchor.len() <= MAX_TABLE_ANCHORS).then_some(AhoCorasickKind::DFA))
            .build(by_anchor.iter().map(|(anchor, _)| anchor))
            .ok()?;
        (!list.is_empty()).then_some(Self {
            list,
            anchors,
            by_anchor,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pattern> {
        self.list.iter()
    }

    /// Bytes of the longest.
    pub(super) fn longest(&self) -> usize {
        self.list.iter().map(Pattern::len).max().unwrap_or(0)
    }

    pub(super) fn get(&self, pattern: usize) -> &Pattern {
        &self.list[pattern]
    }

    /// The first anchor in `bytes` at `from` or after: where it is, and the
    /// patterns that begin with it.
    pub(super) fn next_anchor(&self, bytes: &[u8], from: usize) -> Option<(usize, &[usize])> {
        let found = self.anchors.find(Input::new(bytes).range(from..))?;
        let patterns = &self.by_anchor[found.pattern().as_usize()].1;
        Some((found.start(), patterns))
    }

    /// The patterns that begin with `short`, which is less than an anchor.
    pub(super) fn beginning_with<'a>(
        &'a self,
        short: &'a [u8],
    ) -> impl Iterator<Item = &'a Pattern> + 'a {
        let first = self
            .by_anchor
            .partition_point(|(anchor, _)| &anchor[..short.len()] < short);
        self.by_anchor[first..]
            .iter()
            .take_while(move |(anchor, _)| anchor.starts_with(short))
            .flat_map(|(_, patterns)| patterns.iter().map(|&pattern| &self.list[pattern]))
    }
}

impl Pattern {
    fn new(bytes: Vec<u8>, owner: usize) -> Self {
        let mut failure = vec![0_u32; bytes.len()];
        let mut matched = 0_usize;
        for i in 1..bytes.len() {
            while matched > 0 && bytes[matched] != bytes[i] {
                matched = failure[matched - 1] as usize;
            }
            if bytes[matched] == bytes[i] {
                matched += 1;
            }
            // A form is at most some times 64 KiB long.
            failure[i] = u32::try_from(matched).unwrap_or(0);
        }
        Self {
            bytes,
            failure,
            owner,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How much of the pattern the text ends with once `byte` came, where it
    /// ended with `matched` before. At `len` the pattern is complete; go on
    /// with [`after_match`](Self::after_match).
    pub(super) fn step(&self, mut matched: usize, byte: u8) -> usize {
        while matched > 0 && self.bytes[matched] != byte {
            matched = self.failure[matched - 1] as usize;
        }
        if self.bytes[matched] == byte {
            matched += 1;
        }
        matched
    }

    /// How much of the next occurrence a complete one already is.
    pub(super) fn after_match(&self) -> usize {
        self.failure[self.bytes.len() - 1] as usize
    }
}
