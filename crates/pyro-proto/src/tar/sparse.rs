//! Where the data of a sparse file is.
//!
//! Owns: the map, in the order of its offsets, and GNU's old form of it.
//! Refuses: pieces that overlap, run backwards or leave the file.
//!
//! ```text
//!   file   ....dddd......dd....     map (4,4) (14,2), size 20
//!   data   dddddd                   what the archive holds
//! ```

use super::header::number;
use super::{BLOCK_BYTES, MAX_PIECES, refused};
use std::io;

/// Some bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where in the file.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

/// All pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// In order.
    pub pieces: Vec<Piece>,
}

impl Map {
    /// A file that is data from end to end.
    pub fn whole(size: u64) -> Self {
        let pieces = vec![Piece {
            offset: 0,
            length: size,
        }];
        Self { pieces }
    }

    /// Adds the next piece.
    pub fn push(&mut self, piece: Piece) -> io::Result<()> {
        let end = piece.offset.checked_add(piece.length);
        let after = self
            .pieces
            .last()
            .map_or(0, |last| last.offset + last.length);
        if end.is_none_or(|end| end > i64::MAX as u64) || piece.offset < after {
            return Err(refused("a sparse map is out of order"));
        }
        if self.pieces.len() == MAX_PIECES {
            return Err(refused(format!(
                "a sparse file has over {MAX_PIECES} pieces"
            )));
        }
        self.pieces.push(piece);
        Ok(())
    }

    /// Whether it fits a file of this size with so much data.
    pub fn check(&self, size: u64, data: u64) -> io::Result<()> {
        let held: u64 = self.pieces.iter().map(|piece| piece.length).sum();
        let end = self
            .pieces
            .last()
            .map_or(0, |last| last.offset + last.length);
        if held != data || end > size || size > i64::MAX as u64 {
            return Err(refused("a sparse map does not fit its file"));
        }
        Ok(())
    }

    /// GNU's old form: entries of two numbers; an empty one ends the map.
    pub fn push_old(&mut self, entries: &[u8]) -> io::Result<()> {
        for entry in entries.as_chunks::<24>().0 {
            if entry[12] == 0 {
                break;
            }
            let [offset, length] = [&entry[..12], &entry[12..]]
                .map(|field| number(field).and_then(|number| u64::try_from(number).ok()));
            match (offset, length) {
                (Some(offset), Some(length)) => self.push(Piece { offset, length })?,
                _ => return Err(refused("a sparse map has no numbers")),
            }
        }
        Ok(())
    }
}

/// The map in a header of type `S`, the file's size, and whether more blocks follow.
pub fn old_header(block: &[u8; BLOCK_BYTES], map: &mut Map) -> io::Result<(u64, bool)> {
    map.push_old(&block[386..482])?;
    let size = number(&block[483..495]).and_then(|size| u64::try_from(size).ok());
    let size = size.ok_or_else(|| refused("a sparse file's size is no number"))?;
    Ok((size, block[482] != 0))
}

/// A block after such a header; whether more follow.
pub fn old_block(block: &[u8; BLOCK_BYTES], map: &mut Map) -> io::Result<bool> {
    map.push_old(&block[..504])?;
    Ok(block[504] != 0)
}
