//! Zstd as files have it: frames one after the other.
//!
//! Owns: going from frame to frame, over those that hold no content, as
//! parallel compressors write them, and comparing checksums, which the decoder
//! leaves to its caller. Refuses: windows over the decoder's 128 MiB.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, Read};

/// What all frames hold.
pub struct Frames<R> {
    input: R,
    decoder: FrameDecoder,
    within: bool,
}

impl<R: BufRead> Frames<R> {
    /// Starts before the first.
    pub fn new(input: R) -> Self {
        Self {
            input,
            decoder: FrameDecoder::new(),
            within: false,
        }
    }

    /// Whether there is one more.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.input.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.input) {
                Ok(()) => {
                    self.within = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => self.skip(u64::from(length))?,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.input).take(length), &mut io::sink())?;
        if skipped == length {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.within = false;
        let wanted = self.decoder.get_checksum_from_data();
        if wanted.is_some() && wanted != self.decoder.get_calculated_checksum() {
            return Err(io::Error::other("a frame's checksum is wrong"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.within || self.begin()? {
            let decoder = &mut self.decoder;
            while decoder.can_collect() == 0 && !decoder.is_finished() {
                decoder
                    .decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
            }
            let count = decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.end()?;
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    const SKIPPED: &[u8] = b"\x50\x2a\x4d\x18\x03\0\0\0abc";

    fn all(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Frames::new(bytes).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn frames_without_content_are_passed_over() {
        let [one, empty, two] = [&b"one "[..], b"", b"two"]
            .map(|part| compress_to_vec(part, CompressionLevel::Fastest));
        let bytes = [SKIPPED, &one, SKIPPED, SKIPPED, &empty, &two, SKIPPED].concat();
        assert_eq!(all(&bytes).unwrap(), b"one two");
        assert_eq!(all(b"").unwrap(), b"");
        for cut in 1..bytes.len() {
            // Between two frames it may end.
            if let Ok(out) = all(&bytes[..cut]) {
                assert!(b"one two".starts_with(&out), "{cut}");
            }
        }
        assert!(all(&SKIPPED[..10]).is_err() && all(&one[..one.len() - 1]).is_err());
    }

    #[test]
    fn a_wrong_checksum_is_found() {
        let mut frame = compress_to_vec(&[7; 100_000][..], CompressionLevel::Fastest);
        assert_eq!(all(&frame).unwrap(), [7; 100_000]);
        // The checksum stands at the end.
        *frame.last_mut().unwrap() ^= 1;
        let error = all(&frame).unwrap_err();
        assert!(error.to_string().contains("checksum"), "{error}");
    }
}
