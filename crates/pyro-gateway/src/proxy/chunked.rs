//! Where a chunked body ends.
//!
//! Owns: counting through it, byte by byte, without keeping any of it.
//! Refuses: extensions, trailers, other line ends: nobody needs them from a
//! client, and readers differ about them.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size { value: u64, digits: u8 },
    SizeEnd { value: u64 },
    Data { left: u64 },
    DataReturn,
    DataEnd,
    LastReturn,
    LastEnd,
    Done,
}

/// A place in a body.
#[derive(Debug)]
pub struct Chunked(At);

impl Default for Chunked {
    fn default() -> Self {
        Self(START)
    }
}

const START: At = At::Size {
    value: 0,
    digits: 0,
};

impl Chunked {
    /// How many of the bytes belong to the body; fewer than all only when it
    /// is done.
    pub fn pass(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let mut index = 0;
        while index < bytes.len() && !self.is_done() {
            if let At::Data { left } = self.0 {
                let here = usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len() - index);
                index += here;
                let left = left - here as u64;
                self.0 = if left == 0 {
                    At::DataReturn
                } else {
                    At::Data { left }
                };
                continue;
            }
            self.0 = self.step(bytes[index])?;
            index += 1;
        }
        Ok(index)
    }

    /// Whether the body has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0 == At::Done
    }

    fn step(&self, byte: u8) -> Result<At, &'static str> {
        Ok(match (self.0, byte) {
            (At::Size { value, digits }, _) if byte.is_ascii_hexdigit() && digits < 15 => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                At::Size {
                    value: value << 4 | u64::from(digit),
                    digits: digits + 1,
                }
            }
            (At::Size { value, digits }, b'\r') if digits > 0 => At::SizeEnd { value },
            (At::SizeEnd { value: 0 }, b'\n') => At::LastReturn,
            (At::SizeEnd { value }, b'\n') => At::Data { left: value },
            (At::DataReturn, b'\r') => At::DataEnd,
            (At::DataEnd, b'\n') => START,
            (At::LastReturn, b'\r') => At::LastEnd,
            (At::LastEnd, b'\n') => At::Done,
            (At::Size { .. }, b';') => return Err("a chunk with an extension"),
            (At::LastReturn, _) => return Err("a chunked body with trailers"),
            _ => return Err("a malformed chunk"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_end_is_found_and_what_follows_left_alone() {
        let mut body = Chunked::default();
        let text = b"3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1";
        assert_eq!(body.pass(text), Ok(text.len() - 14));
        assert!(body.is_done());
    }

    #[test]
    fn what_readers_differ_about_is_refused() {
        for text in [
            "3;x=y\r\nabc\r\n0\r\n\r\n",
            "3\nabc\n0\n\n",
            "\r\n",
            " 3\r\n",
            "+3\r\n",
            "0x3\r\n",
            "3 \r\n",
            "3\r\nabcd\r\n",
            "0\r\nX: y\r\n\r\n",
            "ffffffffffffffff\r\n",
        ] {
            assert!(
                Chunked::default().pass(text.as_bytes()).is_err(),
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..5),
            piece in 1usize..20,
        ) {
            let mut text = Vec::new();
            for chunk in &chunks {
                text.extend(format!("{:x}\r\n", chunk.len()).bytes());
                text.extend(chunk);
                text.extend(b"\r\n");
            }
            text.extend(b"0\r\n\r\n");
            let mut body = Chunked::default();
            for part in text.chunks(piece) {
                prop_assert!(!body.is_done());
                prop_assert_eq!(body.pass(part), Ok(part.len()));
            }
            prop_assert!(body.is_done());
        }

        #[test]
        fn any_bytes_are_something(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Chunked::default().pass(&bytes);
        }
    }
}
