//! PAX records: what a header has no room for.
//!
//! Owns: their text form, both ways, and which of them matter. Refuses: wrong
//! lengths; unknown keys are passed over, as the format wants it.
//!
//! ```text
//!   "30 mtime=1350244992.023960108\n"    30 counts the whole record
//! ```

use super::refused;
use super::sparse::{Map, Piece};
use std::io;

/// What the key of an extended attribute begins with.
pub const ATTRIBUTE: &str = "SCHILY.xattr.";

/// What the records before a member say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Its name.
    pub path: Option<Vec<u8>>,
    /// A link's target.
    pub link: Option<Vec<u8>>,
    /// User, where the header has no room.
    pub uid: Option<u32>,
    /// Group, where the header has no room.
    pub gid: Option<u32>,
    /// Extended attributes, by name.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes that follow the header.
    pub size: Option<u64>,
    /// Seconds and nanoseconds since the epoch.
    pub mtime: Option<(i64, u32)>,
    /// A sparse file's name, since `path` is a made-up one then.
    pub sparse_name: Option<Vec<u8>>,
    /// A sparse file's size.
    pub sparse_size: Option<u64>,
    /// Whether the map is in front of the data (sparse format 1.0).
    pub sparse_in_data: bool,
    /// The map of the formats 0.0 and 0.1.
    pub map: Map,
    pending_offset: Option<u64>,
}

impl Records {
    /// Takes in one run of records.
    pub fn parse(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let bad = || refused("a PAX record has a wrong length");
            let space = bytes
                .iter()
                .position(|byte| *byte == b' ')
                .ok_or_else(bad)?;
            let length = decimal(&bytes[..space]).ok_or_else(bad)?;
            let length = usize::try_from(length).map_err(|_| bad())?;
            if length <= space + 1 || length > bytes.len() || bytes[length - 1] != b'\n' {
                return Err(bad());
            }
            let record = &bytes[space + 1..length - 1];
            let equals = record
                .iter()
                .position(|byte| *byte == b'=')
                .ok_or_else(bad)?;
            self.set(&record[..equals], &record[equals + 1..])?;
            bytes = &bytes[length..];
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let count = || decimal(value).ok_or_else(|| refused("a PAX record has no number"));
        if let Some(name) = key.strip_prefix(ATTRIBUTE.as_bytes()) {
            self.attributes.push((name.to_vec(), value.to_vec()));
            return Ok(());
        }
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(count()?),
            // Whoever packs as no number has names instead.
            b"uid" => self.uid = decimal(value).and_then(|id| u32::try_from(id).ok()),
            b"gid" => self.gid = decimal(value).and_then(|id| u32::try_from(id).ok()),
            b"mtime" => {
                let time = time(value).ok_or_else(|| refused("a PAX record has no time"))?;
                self.mtime = Some(time);
            }
            b"GNU.sparse.name" => self.sparse_name = Some(value.to_vec()),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse_size = Some(count()?),
            b"GNU.sparse.major" => self.sparse_in_data = count()? >= 1,
            b"GNU.sparse.offset" => self.pending_offset = Some(count()?),
            b"GNU.sparse.numbytes" => {
                let offset = self.pending_offset.take();
                let offset = offset.ok_or_else(|| refused("a sparse piece has no offset"))?;
                self.map.push(Piece {
                    offset,
                    length: count()?,
                })?;
            }
            b"GNU.sparse.map" => {
                let mut numbers = value.split(|byte| *byte == b',').map(decimal);
                while let Some(offset) = numbers.next() {
                    match (offset, numbers.next().flatten()) {
                        (Some(offset), Some(length)) => self.map.push(Piece { offset, length })?,
                        _ => return Err(refused("a sparse map has an odd end")),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// A number of digits alone.
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn time(text: &[u8]) -> Option<(i64, u32)> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let seconds = i64::try_from(decimal(parts.next()?)?).ok()?;
    let mut nanoseconds = 0;
    if let Some(fraction) = parts.next() {
        let digits = fraction.iter().chain(std::iter::repeat(&b'0')).take(9);
        for digit in digits {
            nanoseconds = nanoseconds * 10 + char::from(*digit).to_digit(10)?;
        }
    }
    Some(match (negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

/// A time's text.
pub fn time_text((seconds, nanoseconds): (i64, u32)) -> String {
    if seconds < 0 && nanoseconds > 0 {
        return format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanoseconds);
    }
    format!("{seconds}.{nanoseconds:09}")
}

/// Appends one record.
pub fn append(records: &mut Vec<u8>, key: impl AsRef<[u8]>, value: &[u8]) {
    let key = key.as_ref();
    let rest = 1 + key.len() + 1 + value.len() + 1;
    // The length counts its own digits.
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length += 1;
    }
    records.extend_from_slice(format!("{length} ").as_bytes());
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}
