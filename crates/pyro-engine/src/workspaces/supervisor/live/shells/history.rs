//! All that a shell showed, as far as it is kept.
//!
//! Owns: absolute positions in characters, and dropping the oldest. Refuses:
//! bytes (intake.rs) and pictures (plain.rs).
//!
//! ```text
//!   dropped        |segment: checkpoint, text, sizes|segment| ... |segment|
//!   0 ------------ start -------------------------------------------- end
//! ```
//!
//! Each segment begins with the state of the terminal at its first character,
//! so that what any piece of the text looks like can be told from the segment
//! it begins in, however much was dropped before.

use super::screen::{Checkpoint, Screen};
use std::collections::VecDeque;

/// A segment ends with the first character that makes it so large, or, when
/// that is in an escape sequence, with the sequence; at twice the size anyway.
const SEGMENT_BYTES: usize = 64 * 1024;
/// Most that is kept of all segments but the last.
const KEPT_BYTES: usize = 1024 * 1024;

struct Segment {
    start: u64,
    from: Checkpoint,
    text: String,
    chars: u64,
    /// New sizes of the terminal: before which character of this segment.
    sizes: Vec<(u64, u16, u16)>,
}

/// The text.
pub struct History {
    segment_bytes: usize,
    most_bytes: usize,
    segments: VecDeque<Segment>,
    kept_bytes: usize,
    end: u64,
    screen: Screen,
}

/// A piece of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Slice {
    /// Where it begins.
    pub cursor: u64,
    /// Where it ends.
    pub next: u64,
    /// Characters between the place asked for and the beginning, which are gone.
    pub dropped: u64,
    /// Whether there is more.
    pub truncated: bool,
}

/// Something that happened to the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It showed this.
    Text(String),
    /// It got this size.
    Size(u16, u16),
}

/// A piece and what makes its picture.
pub struct Replay {
    /// The terminal some time before.
    pub from: Checkpoint,
    /// What happened until the piece begins.
    pub before: Vec<Step>,
    /// The piece.
    pub piece: Vec<Step>,
}

impl History {
    /// Nothing was shown yet.
    pub fn new(cols: u16, rows: u16) -> Self {
        Self::with_bounds(cols, rows, SEGMENT_BYTES, KEPT_BYTES)
    }

    /// With other bounds than usual.
    pub fn with_bounds(cols: u16, rows: u16, segment_bytes: usize, most_bytes: usize) -> Self {
        let screen = Screen::new(cols, rows);
        let mut history = Self {
            segment_bytes,
            most_bytes,
            segments: VecDeque::new(),
            kept_bytes: 0,
            end: 0,
            screen,
        };
        history.begin_segment();
        history
    }

    fn begin_segment(&mut self) {
        self.segments.push_back(Segment {
            start: self.end,
            from: self.screen.checkpoint(),
            text: String::new(),
            chars: 0,
            sizes: Vec::new(),
        });
    }

    fn last(&mut self) -> &mut Segment {
        if self.segments.is_empty() {
            self.begin_segment();
        }
        let last = self.segments.len() - 1;
        &mut self.segments[last]
    }

    /// Takes what is shown next. Cut where it likes: the segments depend on
    /// the text alone.
    pub fn push(&mut self, mut text: &str) {
        while !text.is_empty() {
            let held = self.last().text.len();
            // Once it is full, only up to the end of an escape sequence.
            let room = self.segment_bytes.saturating_sub(held).max(1);
            let (now, later) = text.split_at(ceil_boundary(text, room));
            text = later;
            self.screen.feed(now, &mut ());
            let chars = now.chars().count() as u64;
            self.end += chars;
            self.kept_bytes += now.len();
            let last = self.last();
            last.text.push_str(now);
            last.chars += chars;
            let held = last.text.len();
            let is_full = held >= self.segment_bytes && self.screen.is_settled();
            if is_full || held >= 2 * self.segment_bytes {
                self.begin_segment();
                self.drop_oldest();
            }
        }
    }

    fn drop_oldest(&mut self) {
        while self.kept_bytes > self.most_bytes
            && self.segments.len() > 1
            && let Some(oldest) = self.segments.pop_front()
        {
            self.kept_bytes -= oldest.text.len();
        }
    }

    /// The terminal has another size from here on.
    pub fn resize(&mut self, cols: u16, rows: u16) {
        self.screen.resize(cols, rows, &mut ());
        let at = self.last().chars;
        let sizes = &mut self.last().sizes;
        // Nobody saw the one that was at the same place.
        sizes.retain(|(of, ..)| *of != at);
        sizes.push((at, cols, rows));
    }

    /// Characters ever shown.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The first that is kept.
    pub fn start(&self) -> u64 {
        self.segments.front().map_or(self.end, |first| first.start)
    }

    /// Where a read begins and ends.
    pub fn slice(&self, wanted: u64, max_chars: u64) -> Slice {
        let cursor = wanted.clamp(self.start(), self.end);
        let next = cursor.saturating_add(max_chars).min(self.end);
        Slice {
            cursor,
            next,
            dropped: cursor.saturating_sub(wanted),
            truncated: next < self.end,
        }
    }

    /// The text between two positions.
    pub fn text(&self, from: u64, to: u64) -> String {
        let mut text = String::new();
        for segment in &self.segments {
            text.push_str(segment.text_within(from, to));
        }
        text
    }

    /// What it takes to draw the text between two positions.
    pub fn replay(&self, from: u64, to: u64) -> Option<Replay> {
        let first = self
            .segments
            .iter()
            .rposition(|segment| segment.start <= from)?;
        let (mut before, mut piece) = (Vec::new(), Vec::new());
        for segment in self.segments.iter().skip(first) {
            // A size is no output: one just before the piece is not of it.
            segment.steps(0, from, |at| at <= from, &mut before);
            segment.steps(from, to, |at| at > from && at < to, &mut piece);
        }
        Some(Replay {
            from: self.segments[first].from.clone(),
            before,
            piece,
        })
    }
}

impl Segment {
    fn text_within(&self, from: u64, to: u64) -> &str {
        let (from, to) = (from.max(self.start), to.min(self.start + self.chars));
        let offset = |position: u64| byte_of(&self.text, position.saturating_sub(self.start));
        let (from, to) = (offset(from), offset(to));
        if from < to { &self.text[from..to] } else { "" }
    }

    /// The text between two positions, and the sizes at those that are `meant`.
    fn steps(&self, from: u64, to: u64, meant: impl Fn(u64) -> bool, steps: &mut Vec<Step>) {
        let mut at = from;
        for (of, cols, rows) in &self.sizes {
            let position = self.start + of;
            if meant(position) {
                push_text(steps, self.text_within(at, position));
                steps.push(Step::Size(*cols, *rows));
                at = position.max(at);
            }
        }
        push_text(steps, self.text_within(at, to));
    }
}

fn push_text(steps: &mut Vec<Step>, text: &str) {
    if !text.is_empty() {
        steps.push(Step::Text(text.to_owned()));
    }
}

/// Where a character begins, in bytes; the end for one beyond it.
fn byte_of(text: &str, character: u64) -> usize {
    let character = usize::try_from(character).unwrap_or(usize::MAX);
    if text.is_ascii() {
        return character.min(text.len());
    }
    text.char_indices()
        .nth(character)
        .map_or(text.len(), |(at, _)| at)
}

/// The first boundary of characters at or after `at`.
fn ceil_boundary(text: &str, at: usize) -> usize {
    (at.min(text.len())..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn positions_are_those_of_the_whole_text(
            pieces in prop::collection::vec("[a-zé€\u{1f600}\n]{0,30}", 0..20),
            from in 0_u64..400,
            count in 0_u64..400,
        ) {
            let mut history = History::with_bounds(20, 5, 16, 64);
            for piece in &pieces {
                history.push(piece);
            }
            let whole: Vec<char> = pieces.concat().chars().collect();
            prop_assert_eq!(history.end(), whole.len() as u64);
            prop_assert!(history.kept_bytes <= 64 + 2 * 16 + 4);
            let slice = history.slice(from, count);
            prop_assert!(slice.cursor >= history.start() && slice.next <= history.end());
            prop_assert_eq!(slice.dropped, history.start().saturating_sub(from));
            prop_assert_eq!(slice.truncated, slice.next < history.end());
            let text: String = whole[slice.cursor as usize..slice.next as usize].iter().collect();
            prop_assert_eq!(history.text(slice.cursor, slice.next), text);
        }
    }

    #[test]
    fn a_cursor_beyond_the_end_is_the_end() {
        let mut history = History::new(80, 24);
        history.push("four");
        let slice = history.slice(9, 5);
        assert_eq!((slice.cursor, slice.next, slice.truncated), (4, 4, false));
        assert_eq!(history.text(4, 4), "");
    }

    #[test]
    fn a_flood_is_bounded_and_says_what_is_gone() {
        let mut history = History::new(80, 24);
        let line = "0123456789".repeat(7) + "\r\n";
        for _ in 0..40_000 {
            history.push(&line);
        }
        assert_eq!(history.end(), 40_000 * 72);
        assert!(history.kept_bytes <= KEPT_BYTES + SEGMENT_BYTES);
        assert_eq!(history.slice(0, 10).dropped, history.start());
        assert!(history.start() > 1_000_000);
    }
}
