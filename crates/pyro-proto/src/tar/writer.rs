//! Writing an archive.
//!
//! Owns: ustar headers, with PAX records for what does not fit them. Refuses:
//! names of owners, which mean nothing elsewhere; a size is fixed before the
//! first byte.
//!
//! ```text
//!   start(member) --> [x records] header --> data, exactly `size` bytes, padded
//!   finish        --> two blocks of zeroes
//! ```

use super::header::checksum;
use super::pax::{ATTRIBUTE, append, time_text};
use super::sparse::Map;
use super::{BLOCK_BYTES, padding};
use std::io::{self, Write};

/// What a new member is.
#[derive(Clone, Copy, Default)]
pub struct NewMember<'a> {
    /// Its name; a folder's ends in a slash.
    pub name: &'a [u8],
    /// `0` file, `1` hard link, `2` symbolic link, `3` and `4` character and
    /// block device, `5` folder, `6` FIFO.
    pub letter: u8,
    /// A link's target.
    pub link: &'a [u8],
    /// Permission bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// A device's major and minor number.
    pub device: (u32, u32),
    /// Extended attributes by name.
    pub attributes: &'a [(Vec<u8>, Vec<u8>)],
    /// Seconds and nanoseconds since the epoch.
    pub mtime: (i64, u32),
    /// Bytes that will follow.
    pub size: u64,
    /// A sparse file's size and where those bytes belong in it.
    pub sparse: Option<(u64, &'a Map)>,
}

/// An archive that is written.
pub struct Writer<W> {
    out: W,
    pad: u64,
}

impl<W: Write> Writer<W> {
    /// Nothing is written yet.
    pub fn new(out: W) -> Self {
        Self { out, pad: 0 }
    }

    /// Where it goes.
    pub fn get(&mut self) -> &mut W {
        &mut self.out
    }

    fn pad(&mut self) -> io::Result<()> {
        let pad = std::mem::take(&mut self.pad) as usize;
        self.out.write_all(&[0; BLOCK_BYTES][..pad])
    }

    /// Writes the headers; the caller then writes `size` bytes.
    pub fn start(&mut self, member: &NewMember<'_>) -> io::Result<()> {
        self.pad()?;
        let mut records = Vec::new();
        if member.name.len() > 100 {
            append(&mut records, "path", member.name);
        }
        if member.link.len() > 100 {
            append(&mut records, "linkpath", member.link);
        }
        if octal::<12>(member.size).is_none() {
            append(&mut records, "size", member.size.to_string().as_bytes());
        }
        for (key, id) in [("uid", member.owner.0), ("gid", member.owner.1)] {
            if octal::<8>(u64::from(id)).is_none() {
                append(&mut records, key, id.to_string().as_bytes());
            }
        }
        for (name, value) in member.attributes {
            append(&mut records, [ATTRIBUTE.as_bytes(), name].concat(), value);
        }
        if let Some((size, map)) = member.sparse {
            append(&mut records, "GNU.sparse.size", size.to_string().as_bytes());
            let numbers: Vec<String> = map
                .pieces
                .iter()
                .map(|piece| format!("{},{}", piece.offset, piece.length))
                .collect();
            if !numbers.is_empty() {
                append(&mut records, "GNU.sparse.map", numbers.join(",").as_bytes());
            }
        }
        let seconds = u64::try_from(member.mtime.0)
            .ok()
            .filter(|s| octal::<12>(*s).is_some());
        if seconds.is_none() || member.mtime.1 != 0 {
            append(&mut records, "mtime", time_text(member.mtime).as_bytes());
        }
        if !records.is_empty() {
            let size = records.len() as u64;
            let extended = NewMember {
                name: b"PaxHeaders",
                letter: b'x',
                mode: 0o644,
                size,
                ..NewMember::default()
            };
            self.header(&extended, 0)?;
            self.out.write_all(&records)?;
            self.pad = padding(size);
            self.pad()?;
        }
        self.header(member, seconds.unwrap_or(0))?;
        self.pad = padding(member.size);
        Ok(())
    }

    fn header(&mut self, member: &NewMember<'_>, seconds: u64) -> io::Result<()> {
        let small = |number: u32| octal::<8>(u64::from(number)).unwrap_or(*b"0000000\0");
        let mut block = [0; BLOCK_BYTES];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, cut(member.name));
        put(100, &small(member.mode));
        put(108, &small(member.owner.0));
        put(116, &small(member.owner.1));
        put(124, &octal::<12>(member.size).unwrap_or([0; 12]));
        put(136, &octal::<12>(seconds).unwrap_or([0; 12]));
        put(156, &[member.letter]);
        put(157, cut(member.link));
        put(257, b"ustar\x0000root");
        put(297, b"root");
        put(329, &small(member.device.0));
        put(337, &small(member.device.1));
        let sum = checksum(&block) as u64;
        let digits = octal::<7>(sum).unwrap_or_default();
        block[148..155].copy_from_slice(&digits);
        block[155] = b' ';
        self.out.write_all(&block)
    }

    /// Writes the end.
    pub fn finish(mut self) -> io::Result<W> {
        self.pad()?;
        self.out.write_all(&[0; 2 * BLOCK_BYTES])?;
        Ok(self.out)
    }
}

fn cut(name: &[u8]) -> &[u8] {
    &name[..name.len().min(100)]
}

/// Digits and a NUL; none when there are too many.
fn octal<const N: usize>(number: u64) -> Option<[u8; N]> {
    let text = format!("{number:0width$o}\0", width = N - 1);
    text.into_bytes().try_into().ok()
}
