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
    fn a_text_keeps_its_ways() {
        assert_eq!(newline("a\r\nb\n"), "\r\n");
        assert_eq!(indentation("  x: 1", 4), "  ");
    }
}
