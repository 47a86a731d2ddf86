//! One header block.
//!
//! Owns: its fields and its checksum. Refuses: numbers that are no numbers.
//!
//! ```text
//!  0    100  108 116 124  136   148 156 157      257   263    345    500
//!  | name |mode|uid|gid|size|mtime|sum|type|linkname|magic|..|prefix|..|
//!     numbers: octal text, or base 256 behind a first bit of 1
//! ```

use super::{BLOCK_BYTES, refused};
use std::io;

/// A block whose checksum fits.
#[derive(Clone)]
pub struct Header {
    /// All of it.
    pub block: [u8; BLOCK_BYTES],
}

impl Header {
    /// None for a block of zeroes.
    pub fn parse(block: [u8; BLOCK_BYTES]) -> io::Result<Option<Self>> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Self { block };
        let claimed = number(&block[148..156]);
        if claimed != Some(checksum(&block)) {
            return Err(refused("a header's checksum is wrong: this is no tar"));
        }
        Ok(Some(header))
    }

    /// The type's letter.
    pub fn letter(&self) -> u8 {
        self.block[156]
    }

    /// Bytes that follow.
    pub fn size(&self) -> io::Result<u64> {
        number(&self.block[124..136])
            .and_then(|size| u64::try_from(size).ok())
            .ok_or_else(|| refused("a header's size is no number"))
    }

    /// Permission bits.
    pub fn mode(&self) -> io::Result<u32> {
        let mode = number(&self.block[100..108]);
        mode.map(|mode| mode as u32 & 0o7777)
            .ok_or_else(|| refused("a header's mode is no number"))
    }

    /// User and group; 0 for what is no number, since few want to know.
    pub fn owner(&self) -> (u32, u32) {
        (self.small(108), self.small(116))
    }

    /// A device's major and minor number.
    pub fn device(&self) -> (u32, u32) {
        (self.small(329), self.small(337))
    }

    fn small(&self, at: usize) -> u32 {
        let number = number(&self.block[at..at + 8]);
        number
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(0)
    }

    /// Seconds since the epoch.
    pub fn mtime(&self) -> io::Result<i64> {
        number(&self.block[136..148]).ok_or_else(|| refused("a header's time is no number"))
    }

    /// The name, with the prefix that ustar has for long ones.
    pub fn name(&self) -> Vec<u8> {
        let name = text(&self.block[..100]);
        let prefix = text(&self.block[345..500]);
        if &self.block[257..263] == b"ustar\0" && !prefix.is_empty() {
            return [prefix, b"/", name].concat();
        }
        name.to_vec()
    }

    /// What a link says.
    pub fn link(&self) -> Vec<u8> {
        text(&self.block[157..257]).to_vec()
    }
}

/// The sum of all bytes, with spaces in place of itself.
pub fn checksum(block: &[u8; BLOCK_BYTES]) -> i64 {
    let all: i64 = block.iter().map(|byte| i64::from(*byte)).sum();
    let own: i64 = block[148..156].iter().map(|byte| i64::from(*byte)).sum();
    all - own + 8 * i64::from(b' ')
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number field; an empty one is 0.
pub fn number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 != 0 {
        // Base 256, big end first, two's complement in all bits but the mark.
        let sign: i64 = if first & 0x40 != 0 { -1 } else { 0 };
        let start = sign.checked_mul(64)?.checked_add(i64::from(first & 0x3f))?;
        return field[1..].iter().try_fold(start, |value, byte| {
            value.checked_mul(256)?.checked_add(i64::from(*byte))
        });
    }
    let text = std::str::from_utf8(text(field)).ok()?.trim_matches(' ');
    if text.is_empty() {
        return Some(0);
    }
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'7')) {
        return None;
    }
    i64::from_str_radix(text, 8).ok()
}
