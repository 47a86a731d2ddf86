//! What is kept of a command's output for the result.
//!
//! Owns: a bounded capture of head and tail: the error is in the tail, the
//! beginning says what ran. Refuses: holding everything; the live stream of
//! events is complete.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes kept from the beginning of each stream, and again from its end.
pub const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// A bounded capture.
#[derive(Default)]
pub struct Captured {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total_bytes: u64,
    limit_bytes: usize,
}

/// A finished capture as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Head and tail, invalid UTF-8 replaced, with a line in place of what was cut.
    pub text: String,
    /// Bytes the command wrote.
    pub total_bytes: u64,
    /// Whether something was cut.
    pub truncated: bool,
    /// Whether invalid UTF-8 was replaced.
    pub lossy: bool,
}

impl Captured {
    /// Keeps at most `2 * limit_bytes`.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            ..Self::default()
        }
    }

    /// Head and tail of the first `size_bytes` of a file; what lies between is
    /// not read.
    ///
    /// # Errors
    /// When the file cannot be read, or is smaller.
    pub fn of_file(file: &File, size_bytes: u64, limit_bytes: usize) -> std::io::Result<Self> {
        let limit = limit_bytes as u64;
        let head_bytes = size_bytes.min(limit);
        let tail_bytes = (size_bytes - head_bytes).min(limit);
        let read = |count: u64, at: u64| {
            let mut bytes = vec![0; usize::try_from(count).unwrap_or_default()];
            file.read_exact_at(&mut bytes, at).map(|()| bytes)
        };
        Ok(Self {
            head: read(head_bytes, 0)?,
            tail: read(tail_bytes, size_bytes - tail_bytes)?.into(),
            total_bytes: size_bytes,
            limit_bytes,
        })
    }

    /// Takes the next piece.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.total_bytes += bytes.len() as u64;
        let room = self.limit_bytes - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        bytes = &rest[rest.len().saturating_sub(self.limit_bytes)..];
        let excess = (self.tail.len() + bytes.len()).saturating_sub(self.limit_bytes);
        self.tail.drain(..excess);
        self.tail.extend(bytes);
    }

    /// Text for the result.
    #[must_use]
    pub fn finish(self) -> Output {
        let kept = (self.head.len() + self.tail.len()) as u64;
        let cut = self.total_bytes - kept;
        let mut bytes = self.head;
        if cut > 0 {
            bytes.extend_from_slice(
                format!("\n[pyro: {cut} bytes are not shown here]\n").as_bytes(),
            );
        }
        bytes.extend(self.tail);
        let (text, lossy) = match String::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
        };
        // A cut may fall inside a character: that is no fault of the output.
        Output {
            text,
            total_bytes: self.total_bytes,
            truncated: cut > 0,
            lossy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn head_and_tail_are_the_real_ones(pieces in proptest::collection::vec(proptest::collection::vec(b'a'..=b'z', 0..40), 0..40)) {
            let all: Vec<u8> = pieces.concat();
            let mut captured = Captured::new(64);
            for piece in &pieces {
                captured.push(piece);
            }
            let output = captured.finish();
            prop_assert_eq!(output.total_bytes, all.len() as u64);
            prop_assert_eq!(output.truncated, all.len() > 128);
            if output.truncated {
                let text = output.text.as_bytes();
                prop_assert_eq!(&text[..64], &all[..64]);
                prop_assert_eq!(&text[text.len() - 64..], &all[all.len() - 64..]);
            } else {
                prop_assert_eq!(output.text.into_bytes(), all);
            }
        }
    }

    proptest! {
        #[test]
        fn a_file_gives_what_the_live_stream_gave(all in proptest::collection::vec(b'a'..=b'z', 0..300), limit in 0_usize..100) {
            let mut live = Captured::new(limit);
            live.push(&all);
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, &all).unwrap();
            let read = Captured::of_file(&file, all.len() as u64, limit).unwrap();
            prop_assert_eq!(read.finish(), live.finish());
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_said_so() {
        let mut captured = Captured::new(KEPT_BYTES);
        captured.push(b"a\xff");
        let output = captured.finish();
        assert_eq!((output.text.as_str(), output.lossy), ("a\u{fffd}", true));
    }
}
