//! Changes to a text as the places where it changes.
//!
//! Owns: putting them in; whatever no splice names stays byte for byte.
//! Refuses: knowing a format.

use std::ops::Range;

/// New text in place of a range of bytes; an empty range inserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// What goes.
    pub at: Range<usize>,
    /// What comes.
    pub text: String,
}

impl Splice {
    pub fn insert(at: usize, text: impl Into<String>) -> Self {
        Self {
            at: at..at,
            text: text.into(),
        }
    }

    pub fn replace(at: Range<usize>, text: impl Into<String>) -> Self {
        Self {
            at,
            text: text.into(),
        }
    }
}

/// The text with all of them; those at one place come in the order given.
/// They do not overlap.
pub fn apply(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| splice.at.start);
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for splice in splices {
        out.push_str(&text[done..splice.at.start]);
        out.push_str(&splice.text);
        done = splice.at.end;
    }
    out.push_str(&text[done..]);
    out
}

/// Where a byte is, counted from 1, as editors do.
pub fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..byte.min(text.len())];
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = String::from_utf8_lossy(&before[line_start..])
        .chars()
        .count()
        + 1;
    (line, column)
}

/// The line ends of a text: those of its first line.
pub fn newline(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// The part of the line before a byte.
pub fn before_on_line(text: &str, byte: usize) -> &str {
    &text[text[..byte].rfind('\n').map_or(0, |at| at + 1)..byte]
}

/// White space at the beginning of the line that a byte is on.
pub fn indentation(text: &str, byte: usize) -> &str {
    let line = before_on_line(text, byte);
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splices_at_one_place_keep_their_order() {
        let splices = vec![
            Splice::insert(1, "x"),
            Splice::insert(1, "y"),
            Splice::replace(0..1, "A"),
        ];
        assert_eq!(apply("ab", splices), "Axyb");
    }

    #[test]
    fn positions_count_characters() {
        assert_eq!(position("a\nüb", 4), (2, 2));
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(newline("a\r\nb\n"), "\r\n");
        assert_eq!(indentation("  x: 1", 4), "  ");
    }
}
