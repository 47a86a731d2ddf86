//! Colour on a terminal.
//!
//! Owns: when there is any (a terminal, no `NO_COLOR`, no dumb one), and what
//! a patch looks like there. Refuses: colour in anything that a program reads,
//! and control characters of a guest's files on a person's terminal.

use anstyle::{AnsiColor, Style};
use std::fmt::Write;
use std::io::IsTerminal;

/// Whether standard output is a terminal that wants it (<https://no-color.org>).
pub fn wanted() -> bool {
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    std::io::stdout().is_terminal()
        && unset("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A patch for the eyes: nobody applies it from a screen.
pub fn patch(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut in_hunk = false;
    for line in text.split_inclusive('\n') {
        let (line, end) = line
            .strip_suffix('\n')
            .map_or((line, ""), |line| (line, "\n"));
        in_hunk = match line.as_bytes().first() {
            Some(b'@') => true,
            Some(b'd') => false,
            _ => in_hunk,
        };
        let style = style(line, in_hunk);
        let _ = write!(out, "{style}");
        for letter in line.chars() {
            if letter.is_control() && letter != '\t' {
                let _ = write!(out, "{}", letter.escape_default());
            } else {
                out.push(letter);
            }
        }
        let _ = write!(out, "{style:#}{end}");
    }
    out
}

/// As git has it by default.
fn style(line: &str, in_hunk: bool) -> Style {
    let plain = Style::new();
    match line.as_bytes().first() {
        Some(b'@') => plain.fg_color(Some(AnsiColor::Cyan.into())),
        Some(b'+') if in_hunk => plain.fg_color(Some(AnsiColor::Green.into())),
        Some(b'-') if in_hunk => plain.fg_color(Some(AnsiColor::Red.into())),
        Some(b' ' | b'\\') | None => plain,
        Some(_) if in_hunk => plain,
        Some(_) => plain.bold(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_patch_have_the_colours_of_git() {
        let shown = patch("diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-old\n+new\n same\n");
        assert_eq!(
            shown,
            "\u{1b}[1mdiff --git a/f b/f\u{1b}[0m\n\u{1b}[1m--- a/f\u{1b}[0m\n\u{1b}[1m+++ b/f\u{1b}[0m\n\
             \u{1b}[36m@@ -1 +1 @@\u{1b}[0m\n\u{1b}[31m-old\u{1b}[0m\n\u{1b}[32m+new\u{1b}[0m\n same\n"
        );
    }

    #[test]
    fn what_a_file_says_to_a_terminal_is_shown_not_done() {
        let shown = patch("@@ -1 +1 @@\n+\u{1b}]0;title\u{7}\r\u{9b}2J\ttab\n");
        let said = shown.split_once("+").map_or("", |(_, rest)| rest);
        assert!(
            !said.contains("\u{1b}]") && !said.contains('\u{7}') && !said.contains('\r'),
            "{said:?}"
        );
        assert!(
            !said.contains('\u{9b}') && said.contains("\ttab"),
            "{said:?}"
        );
    }
}
