//! The lines of one file's patch with their numbers.
//!
//! Owns: telling apart what a line is. A hunk's own counts decide where it
//! ends, so that no line of a file passes for a heading. Pure.

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// About the file, for example its new mode.
    About(&'a str),
    /// Where a hunk is.
    Hunk(&'a str),
    /// The same on both sides: old number, new number, text.
    Same(u64, u64, &'a str),
    /// Old number, text.
    Deleted(u64, &'a str),
    /// New number, text.
    Added(u64, &'a str),
    /// The line before has no newline at its end.
    NoNewline,
}

/// Every line worth showing: paths are in the heading already.
pub fn lines(patch: &str) -> impl Iterator<Item = Line<'_>> {
    let mut hunk = Hunk::default();
    patch
        .split_terminator('\n')
        .filter_map(move |line| hunk.line(line))
}

/// Next numbers, and how many lines of each side are to come.
#[derive(Default)]
struct Hunk {
    old: u64,
    new: u64,
    old_left: u64,
    new_left: u64,
}

impl Hunk {
    fn line<'a>(&mut self, line: &'a str) -> Option<Line<'a>> {
        if line.starts_with('\\') {
            return Some(Line::NoNewline);
        }
        if self.old_left + self.new_left == 0 {
            if let Some(next) = Self::heading(line) {
                *self = next;
                return Some(Line::Hunk(line));
            }
            let known = ["diff --git ", "index ", "--- ", "+++ "];
            let said = known.iter().any(|word| line.starts_with(word));
            return (!said).then_some(Line::About(line));
        }
        let (old, new) = (self.old, self.new);
        match line.split_at_checked(1) {
            Some(("+", text)) => {
                self.step(0, 1);
                Some(Line::Added(new, text))
            }
            Some(("-", text)) => {
                self.step(1, 0);
                Some(Line::Deleted(old, text))
            }
            Some((" ", text)) => {
                self.step(1, 1);
                Some(Line::Same(old, new, text))
            }
            _ => Some(Line::About(line)),
        }
    }

    fn step(&mut self, old: u64, new: u64) {
        self.old = self.old.saturating_add(old);
        self.new = self.new.saturating_add(new);
        self.old_left = self.old_left.saturating_sub(old);
        self.new_left = self.new_left.saturating_sub(new);
    }

    /// `@@ -3,5 +3,6 @@`; a count that is not there is 1.
    fn heading(line: &str) -> Option<Self> {
        let (old, rest) = line.strip_prefix("@@ -")?.split_once(" +")?;
        let (new, _) = rest.split_once(" @@")?;
        let range = |text: &str| -> Option<(u64, u64)> {
            match text.split_once(',') {
                Some((at, count)) => Some((at.parse().ok()?, count.parse().ok()?)),
                None => Some((text.parse().ok()?, 1)),
            }
        };
        let ((old, old_left), (new, new_left)) = (range(old)?, range(new)?);
        // Both counts are added up.
        old_left.checked_add(new_left)?;
        Some(Self {
            old,
            new,
            old_left,
            new_left,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::{Change, Content, Side, diff};
    use proptest::prelude::*;

    #[test]
    fn numbers_and_kinds() {
        let patch = "diff --git a/f b/f\nold mode 100644\nnew mode 100755\nindex 1..2 100644\n--- a/f\n+++ b/f\n\
            @@ -3,3 +3,2 @@ fn x\n same\n--- gone\n-@@ -1 +1 @@\n+++ came\n\\ No newline at end of file\n@@ -9 +8 @@\n-a\n+b\n";
        let found: Vec<_> = lines(patch).collect();
        assert_eq!(
            found,
            [
                Line::About("old mode 100644"),
                Line::About("new mode 100755"),
                Line::Hunk("@@ -3,3 +3,2 @@ fn x"),
                Line::Same(3, 3, "same"),
                Line::Deleted(4, "-- gone"),
                Line::Deleted(5, "@@ -1 +1 @@"),
                Line::Added(4, "++ came"),
                Line::NoNewline,
                Line::Hunk("@@ -9 +8 @@"),
                Line::Deleted(9, "a"),
                Line::Added(8, "b"),
            ]
        );
    }

    fn file(lines: &[String]) -> Option<Side> {
        let content = Content::Bytes(lines.concat().into_bytes());
        Some(Side::File {
            content,
            mode: 0o644,
        })
    }

    proptest! {
        #[test]
        fn both_sides_are_in_their_places(
            old in prop::collection::vec("[-+@ ab]{0,3}\n", 0..30), new in prop::collection::vec("[-+@ ab]{0,3}\n", 0..30)
        ) {
            let made = diff(&[Change { path: "f".into(), old: file(&old), new: file(&new) }]);
            let is = |side: &[String], number: u64, text: &str| {
                side[usize::try_from(number).unwrap() - 1] == format!("{text}\n")
            };
            for line in lines(&made.patch) {
                prop_assert!(match line {
                    Line::Same(one, other, text) => is(&old, one, text) && is(&new, other, text),
                    Line::Deleted(number, text) => is(&old, number, text),
                    Line::Added(number, text) => is(&new, number, text),
                    Line::Hunk(_) => true,
                    Line::About(_) | Line::NoNewline => false,
                }, "{line:?} of {}", made.patch);
            }
        }

        #[test]
        fn any_text_has_lines(text in "([-+@ 0-9,a\\\\]{0,12}\n){0,20}", huge in any::<u64>()) {
            let patch = format!("@@ -{huge},{huge} +1 @@\n{text}");
            prop_assert!(lines(&patch).count() <= patch.lines().count());
        }
    }
}
