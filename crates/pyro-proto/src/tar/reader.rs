//! Reading an archive, member by member.
//!
//! Owns: putting a member together from its headers, and its data. Refuses:
//! jumping: it reads forward only, so any stream will do.
//!
//! ```text
//!   next_member --> [g skipped] [x] [L] [K] header [map] --> Member
//!   data        --> (offset, bytes) ... until the member's end; the next skips the rest
//! ```

use super::header::Header;
use super::pax::{Records, decimal};
use super::sparse::{Map, Piece, old_block, old_header};
use super::{
    BLOCK_BYTES, MAX_HEADERS_BYTES, MAX_NAME_BYTES, MAX_PAX_BYTES, MAX_PIECES, padding, refused,
};
use std::io::{self, Read};

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Folder,
    /// A symbolic link and what it says.
    Symlink(Vec<u8>),
    /// Another name of an earlier member.
    HardLink(Vec<u8>),
    /// Something else, by its letter.
    Other(u8),
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, as it stands there.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// A device's major and minor number.
    pub device: (u32, u32),
    /// Extended attributes by name.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Seconds and nanoseconds since the epoch.
    pub mtime: (i64, u32),
    /// Bytes of the file, holes included.
    pub size: u64,
}

/// An archive that is read.
pub struct Reader<R> {
    input: R,
    map: Map,
    piece: usize,
    /// Of the current piece.
    done: u64,
    pad: u64,
}

impl<R: Read> Reader<R> {
    /// Starts before the first member.
    pub fn new(input: R) -> Self {
        Self {
            input,
            map: Map::default(),
            piece: 0,
            done: 0,
            pad: 0,
        }
    }

    /// What follows the archive's end.
    pub fn into_rest(self) -> R {
        self.input
    }

    fn block(&mut self) -> io::Result<Option<[u8; BLOCK_BYTES]>> {
        let mut block = [0; BLOCK_BYTES];
        let mut filled = 0;
        while filled < BLOCK_BYTES {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(refused("the archive ends within a block")),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(block))
    }

    fn more(&mut self) -> io::Result<[u8; BLOCK_BYTES]> {
        self.block()?
            .ok_or_else(|| refused("the archive ends within a member"))
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.input).take(bytes), &mut io::sink())?;
        if skipped == bytes {
            Ok(())
        } else {
            Err(refused("the archive ends within a member"))
        }
    }

    /// A whole body of at most `most` bytes.
    fn body(&mut self, size: u64, most: u64) -> io::Result<Vec<u8>> {
        if size > most {
            return Err(refused(format!(
                "an extended header has {size} bytes, at most {most} fit"
            )));
        }
        let mut body = Vec::new();
        (&mut self.input).take(size).read_to_end(&mut body)?;
        if body.len() as u64 != size {
            return Err(refused("the archive ends within a header"));
        }
        self.skip(padding(size))?;
        Ok(body)
    }

    /// The next member; none at the end.
    pub fn next_member(&mut self) -> io::Result<Option<Member>> {
        let rest = self.rest();
        self.skip(rest)?;
        self.map = Map::default();
        self.pad = 0;
        let mut records = Records::default();
        let (mut name, mut link) = (None, None);
        let mut headers_bytes = 0;
        loop {
            // An archive that was cut at a member's border lacks its end only.
            let Some(header) = self.block()?.map(Header::parse).transpose()?.flatten() else {
                return Ok(None);
            };
            let size = header.size()?;
            let longest = MAX_NAME_BYTES as u64 + 1;
            if matches!(header.letter(), b'g' | b'x' | b'L' | b'K') {
                // Each is bounded by itself; without this their number is not.
                headers_bytes += BLOCK_BYTES as u64 + size.min(MAX_HEADERS_BYTES);
                if headers_bytes > MAX_HEADERS_BYTES {
                    return Err(refused(format!(
                        "the headers before one member have over {MAX_HEADERS_BYTES} bytes"
                    )));
                }
            }
            match header.letter() {
                b'g' => {
                    self.body(size, MAX_PAX_BYTES)?;
                }
                b'x' => {
                    let body = self.body(size, MAX_PAX_BYTES)?;
                    records.parse(&body)?;
                }
                b'L' => name = Some(text(self.body(size, longest)?)),
                b'K' => link = Some(text(self.body(size, longest)?)),
                _ => return self.member(&header, records, name, link).map(Some),
            }
        }
    }

    fn member(
        &mut self,
        header: &Header,
        records: Records,
        name: Option<Vec<u8>>,
        link: Option<Vec<u8>>,
    ) -> io::Result<Member> {
        let name = records.sparse_name.or(records.path).or(name);
        let name = name.unwrap_or_else(|| header.name());
        let link = records.link.or(link).unwrap_or_else(|| header.link());
        if name.len() > MAX_NAME_BYTES || link.len() > MAX_NAME_BYTES {
            return Err(refused(format!("a name has over {MAX_NAME_BYTES} bytes")));
        }
        let kind = match header.letter() {
            // Before ustar a directory was a file whose name ends in a slash.
            0 | b'0' | b'7' if name.ends_with(b"/") => Kind::Folder,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink(link),
            b'2' => Kind::Symlink(link),
            b'5' => Kind::Folder,
            other => Kind::Other(other),
        };
        let mut stored = records.size.unwrap_or(header.size()?);
        if stored > i64::MAX as u64 {
            return Err(refused("a member's size is beyond every file's"));
        }
        self.pad = padding(stored);
        let mut size = stored;
        if header.letter() == b'S' {
            let mut map = Map::default();
            let (whole, mut more) = old_header(&header.block, &mut map)?;
            let mut blocks = 0;
            while more {
                blocks += 1;
                if blocks > MAX_PIECES {
                    return Err(refused("a sparse map does not end"));
                }
                more = old_block(&self.more()?, &mut map)?;
            }
            (size, self.map) = (whole, map);
        } else if let (Kind::File, Some(whole)) = (&kind, records.sparse_size) {
            let mut map = records.map;
            if records.sparse_in_data {
                stored = self.map_in_data(&mut map, stored)?;
            }
            (size, self.map) = (whole, map);
        } else if kind == Kind::File {
            self.map = Map::whole(size);
        } else {
            // Hard links may repeat a size; only what follows is skipped.
            let follows = matches!(header.letter(), b'1' | b'2' | b'5');
            if follows {
                (stored, size, self.pad) = (0, 0, 0);
            }
            self.map = Map::whole(stored);
        }
        self.map.check(size, stored)?;
        (self.piece, self.done) = (0, 0);
        let (uid, gid) = header.owner();
        Ok(Member {
            owner: (records.uid.unwrap_or(uid), records.gid.unwrap_or(gid)),
            device: match header.letter() {
                b'3' | b'4' => header.device(),
                _ => (0, 0),
            },
            attributes: records.attributes,
            name,
            kind,
            mode: header.mode()?,
            mtime: records.mtime.unwrap_or((header.mtime()?, 0)),
            size,
        })
    }

    /// Reads the map before the data: decimal lines, their count first, up to
    /// a block's end. Returns what is left of the stored bytes.
    fn map_in_data(&mut self, map: &mut Map, stored: u64) -> io::Result<u64> {
        let (mut left, mut numbers) = (stored, None);
        let (mut digits, mut offset) = (Vec::new(), None);
        while numbers != Some(0u64) {
            left = left
                .checked_sub(BLOCK_BYTES as u64)
                .ok_or_else(|| refused("a sparse map is longer than its file"))?;
            for byte in self.more()? {
                if numbers == Some(0) {
                    break;
                }
                if byte != b'\n' {
                    digits.push(byte);
                    if digits.len() > 20 {
                        return Err(refused("a sparse map has no numbers"));
                    }
                    continue;
                }
                let number =
                    decimal(&digits).ok_or_else(|| refused("a sparse map has no numbers"))?;
                digits.clear();
                match (numbers, offset.take()) {
                    (None, _) => numbers = Some(number.saturating_mul(2)),
                    (Some(count), None) => {
                        offset = Some(number);
                        numbers = Some(count - 1);
                    }
                    (Some(count), Some(offset)) => {
                        map.push(Piece {
                            offset,
                            length: number,
                        })?;
                        numbers = Some(count - 1);
                    }
                }
            }
        }
        Ok(left)
    }

    /// Where the member's data is in its file; the rest are holes.
    pub fn map(&self) -> &Map {
        &self.map
    }

    fn rest(&self) -> u64 {
        let pieces = self.map.pieces.iter().skip(self.piece);
        pieces.map(|piece| piece.length).sum::<u64>() - self.done + self.pad
    }

    /// The next of the member's bytes: how many, and where they belong; none
    /// at its end. What lies between is a hole.
    pub fn data(&mut self, buffer: &mut [u8]) -> io::Result<Option<(u64, usize)>> {
        while let Some(piece) = self.map.pieces.get(self.piece) {
            let left = piece.length - self.done;
            if left == 0 {
                (self.piece, self.done) = (self.piece + 1, 0);
                continue;
            }
            let most = left.min(buffer.len() as u64) as usize;
            let count = self.input.read(&mut buffer[..most])?;
            if count == 0 {
                return Err(refused("the archive ends within a member"));
            }
            let offset = piece.offset + self.done;
            self.done += count as u64;
            return Ok(Some((offset, count)));
        }
        Ok(None)
    }
}

fn text(mut body: Vec<u8>) -> Vec<u8> {
    let end = body.iter().position(|byte| *byte == 0);
    body.truncate(end.unwrap_or(body.len()));
    body
}
