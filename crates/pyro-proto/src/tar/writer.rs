//! Writing an archive.
//!
//! Owns: ustar headers, with PAX records for what does not fit them. Refuses:
//! owners: all members are root's; a size is fixed before the first byte.
//!
//! ```text
//!   start(member) --> [x records] header --> data, exactly `size` bytes, padded
//!   finish        --> two blocks of zeroes
//! ```

use super::header::checksum;
use super::pax::{append, time_text};
use super::{BLOCK_BYTES, padding};
use std::io::{self, Write};

/// What a new member is.
pub struct NewMember<'a> {
    /// Its name; a folder's ends in a slash.
    pub name: &'a [u8],
    /// `0` file, `2` symbolic link, `5` folder.
    pub letter: u8,
    /// A link's target.
    pub link: &'a [u8],
    /// Permission bits.
    pub mode: u32,
    /// Seconds and nanoseconds since the epoch.
    pub mtime: (i64, u32),
    /// Bytes that will follow.
    pub size: u64,
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
        let seconds = u64::try_from(member.mtime.0)
            .ok()
            .filter(|s| octal::<12>(*s).is_some());
        if seconds.is_none() || member.mtime.1 != 0 {
            append(&mut records, "mtime", time_text(member.mtime).as_bytes());
        }
        if !records.is_empty() {
            let size = records.len() as u64;
            self.header(b"PaxHeaders", b'x', b"", 0o644, 0, size)?;
            self.out.write_all(&records)?;
            self.pad = padding(size);
            self.pad()?;
        }
        let (name, link) = (cut(member.name), cut(member.link));
        let seconds = seconds.unwrap_or(0);
        self.header(name, member.letter, link, member.mode, seconds, member.size)?;
        self.pad = padding(member.size);
        Ok(())
    }

    fn header(
        &mut self,
        name: &[u8],
        letter: u8,
        link: &[u8],
        mode: u32,
        seconds: u64,
        size: u64,
    ) -> io::Result<()> {
        let mut block = [0; BLOCK_BYTES];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, name);
        put(100, &octal::<8>(u64::from(mode)).unwrap_or_default());
        put(108, b"0000000\x000000000\0");
        put(124, &octal::<12>(size).unwrap_or([0; 12]));
        put(136, &octal::<12>(seconds).unwrap_or([0; 12]));
        put(156, &[letter]);
        put(157, link);
        put(257, b"ustar\x0000root");
        put(297, b"root");
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
