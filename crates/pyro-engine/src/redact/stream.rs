//! A stream of bytes that loses its secrets on the way. Positions count the
//! bytes that went in.
//!
//! ```text
//!        base             shown                end
//! ───────┬────────────────┬────────────────────┬
//!  shown │ shown already, │ held: could become │ still to come
//!        │ still matching │ a secret           │
//! ```
//!
//! Held is what ends the stream and is the beginning of a pattern, no more:
//! ordinary text is not delayed, and never more than the longest pattern.
//! A marker is shown as soon as it is certain where it begins.

use std::sync::Arc;

use super::MARKER;
use super::patterns::{ANCHOR_BYTES, Pattern, Patterns};
use super::window::merged;

/// At least this much of a secret is never shown because of a pause.
const NEVER_RELEASED_BYTES: usize = 4;

/// A stream on which secrets are replaced.
#[derive(Clone)]
pub struct Redaction {
    patterns: Option<Arc<Patterns>>,
    /// The bytes from `base` on.
    buffer: Vec<u8>,
    base: u64,
    shown: u64,
    /// The end of the last occurrence whose marker was shown.
    covered: u64,
    /// Patterns that the stream ends within, and how much of them.
    running: Vec<(usize, usize)>,
    /// Per pattern: up to where it was followed.
    followed: Vec<u64>,
    /// Occurrences, begin and end, whose marker was not shown yet.
    occurrences: Vec<(u64, u64)>,
    found: Vec<bool>,
    replaced: u64,
}

impl Redaction {
    pub(super) fn new(patterns: Option<Arc<Patterns>>) -> Self {
        let count = patterns.as_ref().map_or(0, |p| p.len());
        Self {
            patterns,
            buffer: Vec::new(),
            base: 0,
            shown: 0,
            covered: 0,
            running: Vec::new(),
            followed: vec![0; count],
            occurrences: Vec::new(),
            found: Vec::new(),
            replaced: 0,
        }
    }

    /// Takes what comes next; returns what may be shown now.
    #[must_use]
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(patterns) = self.patterns.clone() else {
            return bytes.to_vec();
        };
        let mut out = Vec::with_capacity(bytes.len());
        if self.buffer.is_empty() {
            let kept = self.take(&patterns, bytes, 0, &mut out);
            self.buffer.extend_from_slice(&bytes[kept..]);
        } else {
            let mut whole = std::mem::take(&mut self.buffer);
            let old = whole.len();
            whole.extend_from_slice(bytes);
            let kept = self.take(&patterns, &whole, old, &mut out);
            whole.drain(..kept);
            self.buffer = whole;
        }
        out
    }

    /// As [`push`](Self::push), without a copy where nothing is to be replaced.
    #[must_use]
    pub fn pass(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let Some(patterns) = &self.patterns else {
            return bytes;
        };
        if !self.buffer.is_empty()
            || patterns.next_anchor(&bytes, 0).is_some()
            || short_beginning(patterns, &bytes).is_some()
        {
            return self.push(&bytes);
        }
        self.base += bytes.len() as u64;
        self.shown = self.base;
        bytes
    }

    /// As [`push`](Self::push), where only what is [`found`](Self::found) matters.
    pub fn look(&mut self, bytes: &[u8]) {
        let Some(patterns) = &self.patterns else {
            return;
        };
        if !self.buffer.is_empty() || patterns.next_anchor(bytes, 0).is_some() {
            let _ = self.push(bytes);
            return;
        }
        let end = &bytes[bytes.len() - short_beginning(patterns, bytes).unwrap_or(0)..];
        self.base += (bytes.len() - end.len()) as u64;
        self.shown = self.base;
        self.buffer.extend_from_slice(end);
    }

    /// How many bytes came that are neither shown nor replaced yet.
    #[must_use]
    pub fn held(&self) -> usize {
        let unshown = self.end().saturating_sub(self.shown.max(self.covered));
        usize::try_from(unshown).unwrap_or(usize::MAX)
    }

    /// Shows what is held because nothing came for a while, as when a prompt
    /// ends with the byte that a secret begins with: only where of each
    /// pattern it may begin fewer than 4 bytes and less than a quarter are
    /// there. If that secret does come, its rest is replaced all the same.
    #[must_use]
    pub fn release(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.held() == 0 || !self.may_release() {
            return out;
        }
        let end = self.end();
        let buffer = std::mem::take(&mut self.buffer);
        self.show(&buffer, end, &mut out);
        self.buffer = buffer;
        out
    }

    /// Nothing more comes: what was held is shown, as it became no secret.
    /// What is pushed after that is a new stream.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let end = self.end();
        let buffer = std::mem::take(&mut self.buffer);
        self.settle(&buffer, end, &mut out);
        self.base = end;
        self.running.clear();
        out
    }

    /// How many markers were shown.
    #[must_use]
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// The values that were met, by their index.
    pub fn found(&self) -> impl Iterator<Item = usize> + '_ {
        self.found
            .iter()
            .enumerate()
            .filter_map(|(owner, &found)| found.then_some(owner))
    }

    fn end(&self) -> u64 {
        self.base + self.buffer.len() as u64
    }

    /// Where secrets are in a whole text, those that overlap as one.
    pub(super) fn occurrences(mut self, bytes: &[u8]) -> Vec<(usize, usize)> {
        if let Some(patterns) = self.patterns.take() {
            self.scan(&patterns, bytes, 0);
        }
        merged(self.occurrences)
    }

    /// Looks through `bytes`, which begin at `base` and of which `old` were
    /// looked through before. Returns how many need not be kept.
    fn take(&mut self, patterns: &Patterns, bytes: &[u8], old: usize, out: &mut Vec<u8>) -> usize {
        self.scan(patterns, bytes, old);
        let kept = self
            .running
            .iter()
            .map(|&(_, matched)| bytes.len() - matched)
            .chain(short_beginning(patterns, bytes).map(|n| bytes.len() - n))
            .min()
            .unwrap_or(bytes.len());
        self.settle(bytes, self.base + kept as u64, out);
        self.base += kept as u64;
        kept
    }

    fn scan(&mut self, patterns: &Patterns, bytes: &[u8], old: usize) {
        for (pattern, matched) in std::mem::take(&mut self.running) {
            self.follow(patterns, pattern, matched, bytes, old);
        }
        // An anchor may begin in what was held and end in what came.
        let mut from = old.saturating_sub(ANCHOR_BYTES - 1);
        while let Some((at, begin_here)) = patterns.next_anchor(bytes, from) {
            for &pattern in begin_here {
                if self.followed[pattern] <= self.base + at as u64 {
                    self.follow(patterns, pattern, 0, bytes, at);
                }
            }
            from = at + 1;
        }
    }

    /// Follows one pattern from `at` until it does not match, or to the end.
    fn follow(
        &mut self,
        patterns: &Patterns,
        pattern: usize,
        mut matched: usize,
        bytes: &[u8],
        mut at: usize,
    ) {
        let this = patterns.get(pattern);
        let mut last: Option<(u64, u64)> = None;
        while let Some(&byte) = bytes.get(at) {
            matched = this.step(matched, byte);
            at += 1;
            if matched == this.len() {
                matched = this.after_match();
                let end = self.base + at as u64;
                let begin = end - this.len() as u64;
                // A value that repeats itself ends at every byte.
                match &mut last {
                    Some(last) if begin < last.1 => last.1 = end,
                    last => self.occurrences.extend(last.replace((begin, end))),
                }
            }
            if matched == 0 {
                break;
            }
        }
        self.followed[pattern] = self.base + at as u64;
        if matched > 0 {
            self.running.push((pattern, matched));
        }
        if let Some(last) = last {
            self.occurrences.push(last);
            if self.found.len() <= this.owner {
                self.found.resize(this.owner + 1, false);
            }
            self.found[this.owner] = true;
        }
    }

    /// Shows everything before `limit`: all that begins there is known.
    fn settle(&mut self, bytes: &[u8], limit: u64, out: &mut Vec<u8>) {
        self.occurrences.sort_unstable();
        let known = self
            .occurrences
            .partition_point(|&(begin, _)| begin < limit);
        let mut occurrences = std::mem::take(&mut self.occurrences);
        for (begin, end) in occurrences.drain(..known) {
            if begin < self.covered {
                self.covered = self.covered.max(end);
                continue;
            }
            self.show(bytes, begin, out);
            out.extend_from_slice(MARKER.as_bytes());
            self.replaced += 1;
            self.covered = end;
        }
        self.occurrences = occurrences;
        self.show(bytes, limit, out);
    }

    /// Shows what is not covered before `limit`.
    fn show(&mut self, bytes: &[u8], limit: u64, out: &mut Vec<u8>) {
        let from = self.shown.max(self.covered);
        if from < limit {
            // Both lie within `bytes`, whose length is a usize.
            let index = |position: u64| (position - self.base) as usize;
            out.extend_from_slice(&bytes[index(from)..index(limit)]);
        }
        self.shown = self.shown.max(limit);
    }

    fn may_release(&self) -> bool {
        let Some(patterns) = &self.patterns else {
            return true;
        };
        let small = |pattern: &Pattern, there: usize| {
            there < NEVER_RELEASED_BYTES.min(pattern.len() / NEVER_RELEASED_BYTES)
        };
        self.running
            .iter()
            .all(|&(pattern, matched)| small(patterns.get(pattern), matched))
            && (1..ANCHOR_BYTES.min(self.buffer.len() + 1)).all(|n| {
                let end = &self.buffer[self.buffer.len() - n..];
                patterns
                    .beginning_with(end)
                    .all(|pattern| small(pattern, n))
            })
    }
}

/// How many bytes at the end of `bytes`, fewer than an anchor, begin one.
fn short_beginning(patterns: &Patterns, bytes: &[u8]) -> Option<usize> {
    (1..ANCHOR_BYTES.min(bytes.len() + 1)).rev().find(|&n| {
        patterns
            .beginning_with(&bytes[bytes.len() - n..])
            .next()
            .is_some()
    })
}
