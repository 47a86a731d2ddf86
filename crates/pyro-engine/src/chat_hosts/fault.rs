//! Where a document cannot be read or changed, and why.
//!
//! Owns: the place as editors count it. Refuses: knowing a format.

/// Why a document cannot be read or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// In a few words.
    pub what: String,
    /// Whether it is pyro that cannot read it, and the host may.
    pub is_limit: bool,
}

impl Fault {
    pub fn at(text: &str, byte: usize, what: impl Into<String>) -> Self {
        let (line, column) = position(text, byte);
        Self {
            line,
            column,
            what: what.into(),
            is_limit: false,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut letters = self.what.chars();
        let first = letters.next().map(|first| first.to_ascii_lowercase());
        let what: String = first.into_iter().chain(letters).collect();
        write!(f, "line {}, column {}: {what}", self.line, self.column)
    }
}

/// Where a byte is, counted from 1, as editors do.
fn position(text: &str, byte: usize) -> (usize, usize) {
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

#[cfg(test)]
mod tests {
    use super::position;

    #[test]
    fn positions_count_characters() {
        assert_eq!(position("a\nüb", 4), (2, 2));
        assert_eq!(position("", 0), (1, 1));
    }
}
