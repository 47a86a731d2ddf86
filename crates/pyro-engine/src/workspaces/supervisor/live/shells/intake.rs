//! What a terminal shows, on its way from bytes to text.
//!
//! ```text
//!   bytes --redaction: secrets out, beginnings of secrets held--> bytes
//!         --UTF-8, beginnings of characters held----------------> text
//! ```
//!
//! Owns: the order of both, and decoding over any cut: every byte that cannot
//! be part of a character becomes U+FFFD, as much of a broken one as
//! `from_utf8_lossy` makes one of. Refuses: keeping text (history.rs).
//!
//! What could become a secret is held back. When nothing came for a while a
//! short beginning is shown (fewer than 4 bytes, see [`Redaction::release`]),
//! so that a prompt which ends as a secret begins is not withheld for ever; a
//! longer one waits for what comes next, and at the end of all is replaced.

use crate::redact::{MARKER, Redaction, Redactor};

/// Bytes in, text out.
pub struct Intake {
    redaction: Redaction,
    /// The beginning of a character, at most three bytes.
    partial: Vec<u8>,
}

impl Intake {
    /// Takes these secrets out.
    pub fn new(redactor: &Redactor) -> Self {
        Self {
            redaction: redactor.stream(),
            partial: Vec::new(),
        }
    }

    /// The text that is certain by now.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let shown = self.redaction.push(bytes);
        self.decode(&shown)
    }

    /// Whether something waits for what comes next.
    pub fn is_holding(&self) -> bool {
        self.redaction.held() > 0
    }

    /// Nothing came for a while: what may be shown now.
    pub fn release(&mut self) -> String {
        let shown = self.redaction.release();
        self.decode(&shown)
    }

    /// Nothing more comes.
    pub fn finish(&mut self) -> String {
        let mut text = self.release();
        if self.is_holding() {
            // Most of a secret is no less of one.
            text += MARKER;
        } else {
            text += &String::from_utf8_lossy(&self.partial);
        }
        self.partial.clear();
        text
    }

    fn decode(&mut self, bytes: &[u8]) -> String {
        self.partial.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.partial.len());
        let mut rest = self.partial.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(std::str::from_utf8(valid).unwrap_or_default());
                    rest = after;
                    let Some(bad) = error.error_len() else {
                        // It may become a character.
                        break;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[bad..];
                }
            }
        }
        self.partial = rest.to_vec();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 1..4),
            Just(b"plain text".to_vec()),
        ];
        prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_cut_gives_what_the_whole_gives(bytes in pieces(), piece in 1_usize..7) {
            let mut intake = Intake::new(&Redactor::none());
            let mut text: String = bytes.chunks(piece).map(|bytes| intake.push(bytes)).collect();
            prop_assert!(intake.partial.len() < 4);
            text += &intake.finish();
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }

    proptest! {
        #[test]
        fn a_secret_is_out_however_it_is_cut(before in "[a-z ]{0,9}", after in "[a-z ]{0,9}", piece in 1_usize..7) {
            let mut intake = Intake::new(&Redactor::new(["hunter2-value"]));
            let whole = format!("{before}hunter2-value{after}");
            let mut text: String = whole
                .as_bytes()
                .chunks(piece)
                .map(|bytes| intake.push(bytes))
                .collect();
            text += &intake.finish();
            prop_assert_eq!(text, format!("{before}{MARKER}{after}"));
        }
    }

    #[test]
    fn what_begins_like_a_secret_is_shown_when_it_is_short() {
        let mut intake = Intake::new(&Redactor::new(["$ secret-value-of-a-length"]));
        assert_eq!(intake.push(b"pyro$ "), "pyro");
        assert!(intake.is_holding());
        assert_eq!(intake.release(), "$ ");
        // The rest is replaced all the same, and no cursor moves.
        assert_eq!(
            intake.push(b"secret-value-of-a-length\n"),
            format!("{MARKER}\n")
        );
        // More than a little is not shown, whatever happens.
        assert_eq!(intake.push(b"x$ secret-value"), "x");
        assert_eq!(intake.release(), "");
        assert_eq!(intake.finish(), MARKER);
    }
}
