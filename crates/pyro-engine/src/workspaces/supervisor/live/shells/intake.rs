//! What a terminal shows, on its way from bytes to text.
//!
//! Owns: decoding UTF-8 over any cut. Every byte that cannot be part of a
//! character becomes U+FFFD, as much of a broken one as `from_utf8_lossy`
//! makes one of. Refuses: keeping text (history.rs).

/// Bytes in, text out.
#[derive(Default)]
pub struct Intake {
    /// The beginning of a character, at most three bytes.
    partial: Vec<u8>,
}

impl Intake {
    /// The text that is certain by now.
    pub fn push(&mut self, bytes: &[u8]) -> String {
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

    /// Whether something waits for what comes next and could be shown without.
    pub fn is_holding(&self) -> bool {
        false
    }

    /// Nothing came for a while: what may be shown now.
    pub fn release(&mut self) -> String {
        String::new()
    }

    /// Nothing more comes.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.partial).into_owned();
        self.partial.clear();
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
            let mut intake = Intake::default();
            let mut text: String = bytes.chunks(piece).map(|bytes| intake.push(bytes)).collect();
            prop_assert!(intake.partial.len() < 4);
            text += &intake.finish();
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}
