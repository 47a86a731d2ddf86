//! The frame: a 12 byte header and a bounded payload.
//!
//! ```text
//!  0      2     3        4           8          12
//!  | "py" | kind| channel| stream LE | length LE| payload ...
//! ```
//!
//! Owns: encoding, decoding and the size limits. Refuses: anything whose
//! magic, kind, channel or length is outside them; the caller then gives the
//! whole link up, since a byte stream that lost its frame border cannot be
//! trusted again.

use std::io::{self, Read};

/// Bytes of a frame header.
pub const HEADER_BYTES: usize = 12;
/// Largest payload of a DATA frame, in bytes.
pub const MAX_DATA_BYTES: usize = 32 * 1024;
/// Largest payload of any other frame (a request or a reply as JSON), in bytes.
pub const MAX_CONTROL_BYTES: usize = 1024 * 1024;
/// Channels of one stream: stdin, stdout, stderr, control.
pub const CHANNELS: usize = 4;

const MAGIC: [u8; 2] = *b"py";

/// What a frame means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Host to agent: start a new session; every older stream is gone.
    Hello = 1,
    /// Agent to host: the answer to [`Kind::Hello`].
    Welcome = 2,
    /// Host to agent: a request opens a stream.
    Open = 3,
    /// Bytes on one channel of a stream.
    Data = 4,
    /// The receiver of a channel grants more bytes to its sender.
    Credit = 5,
    /// No more data will follow on this channel.
    End = 6,
    /// Agent to host: the reply; the stream is over.
    Close = 7,
    /// Either side gives the stream up.
    Reset = 8,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Hello,
            2 => Self::Welcome,
            3 => Self::Open,
            4 => Self::Data,
            5 => Self::Credit,
            6 => Self::End,
            7 => Self::Close,
            8 => Self::Reset,
            _ => return None,
        })
    }

    /// Largest payload a frame of this kind may carry, in bytes.
    #[must_use]
    pub fn max_payload(self) -> usize {
        match self {
            Self::Data => MAX_DATA_BYTES,
            Self::Credit => 4,
            Self::End | Self::Reset => 0,
            Self::Hello | Self::Welcome | Self::Open | Self::Close => MAX_CONTROL_BYTES,
        }
    }
}

/// A decoded header; the payload of `length` bytes follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame means.
    pub kind: Kind,
    /// Channel of the stream, below [`CHANNELS`].
    pub channel: u8,
    /// Stream the frame belongs to; 0 for the session itself.
    pub stream: u32,
    /// Bytes of payload.
    pub length: u32,
}

impl Header {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..2].copy_from_slice(&MAGIC);
        bytes[2] = self.kind as u8;
        bytes[3] = self.channel;
        bytes[4..8].copy_from_slice(&self.stream.to_le_bytes());
        bytes[8..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    /// Reads a header and checks every field.
    ///
    /// # Errors
    /// [`FrameError`] names the field that is outside its range.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        if bytes[..2] != MAGIC {
            return Err(FrameError::Magic([bytes[0], bytes[1]]));
        }
        let kind = Kind::from_byte(bytes[2]).ok_or(FrameError::Kind(bytes[2]))?;
        let channel = bytes[3];
        if usize::from(channel) >= CHANNELS {
            return Err(FrameError::Channel(channel));
        }
        let stream = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let length = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if length as usize > kind.max_payload() {
            return Err(FrameError::Length { kind, length });
        }
        Ok(Self {
            kind,
            channel,
            stream,
            length,
        })
    }
}

/// Encodes a whole frame.
///
/// # Panics
/// When the payload is above the kind's limit: callers check it before.
#[must_use]
pub fn encode(kind: Kind, channel: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    assert!(
        payload.len() <= kind.max_payload(),
        "frame payload above its limit"
    );
    let header = Header {
        kind,
        channel,
        stream,
        length: payload.len() as u32,
    };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend_from_slice(&header.encode());
    bytes.extend_from_slice(payload);
    bytes
}

/// Reads one frame; `Ok(None)` when the stream ended at a frame border.
///
/// # Errors
/// The reader's error, or `InvalidData` around a [`FrameError`].
pub fn read(reader: &mut impl Read) -> io::Result<Option<(Header, Vec<u8>)>> {
    let mut bytes = [0; HEADER_BYTES];
    let mut filled = 0;
    while filled < HEADER_BYTES {
        match reader.read(&mut bytes[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let header = Header::decode(&bytes).map_err(io::Error::other)?;
    let mut payload = vec![0; header.length as usize];
    reader.read_exact(&mut payload)?;
    Ok(Some((header, payload)))
}

/// A header that breaks the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first two bytes are not the magic.
    #[error("frame starts with {0:02x?} instead of the magic")]
    Magic([u8; 2]),
    /// An unknown kind.
    #[error("unknown frame kind {0}")]
    Kind(u8),
    /// A channel that does not exist.
    #[error("unknown channel {0}")]
    Channel(u8),
    /// A payload above the kind's limit.
    #[error("{kind:?} frame of {length} bytes is above its limit")]
    Length {
        /// The frame's kind.
        kind: Kind,
        /// The length it claims, in bytes.
        length: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_never_allocate_above_the_limit(bytes: [u8; HEADER_BYTES]) {
            if let Ok(header) = Header::decode(&bytes) {
                prop_assert!(header.length as usize <= MAX_CONTROL_BYTES);
                prop_assert_eq!(header.encode(), bytes);
            }
        }

        #[test]
        fn what_was_encoded_is_read_back(stream: u32, channel in 0u8..4, payload in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let bytes = encode(Kind::Data, channel, stream, &payload);
            let (header, back) = read(&mut bytes.as_slice()).unwrap().unwrap();
            prop_assert_eq!((header.kind, header.channel, header.stream), (Kind::Data, channel, stream));
            prop_assert_eq!(back, payload);
        }
    }

    #[test]
    fn a_cut_frame_is_an_error_and_a_clean_end_is_not() {
        let bytes = encode(Kind::Data, 1, 7, b"hello");
        assert!(read(&mut &bytes[..0]).unwrap().is_none());
        for cut in 1..bytes.len() {
            assert!(read(&mut &bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
