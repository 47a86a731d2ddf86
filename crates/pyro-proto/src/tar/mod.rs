//! The tar format, as much of it as seeds, syncs and exports need.
//!
//! Owns: reading ustar, GNU and PAX archives, sparse files of all kinds
//! included, and writing PAX ones. Refuses: touching a file system, and any
//! length that an archive claims beyond the bounds below; a hostile archive
//! costs bounded memory and ends with an error.
//!
//! ```text
//!   | header 512 | data, padded to 512 |  x: PAX records   for the next member
//!                                         L, K: GNU long name, link
//!                                         S, or GNU.sparse.* records: a map
//!   | zeroes 512 | zeroes 512 |           the end
//! ```

mod header;
mod pax;
mod reader;
mod sparse;
mod writer;

pub use reader::{Kind, Member, Reader};
pub use sparse::{Map, Piece};
pub use writer::{NewMember, Writer};

use std::io;

/// The format's unit.
pub const BLOCK_BYTES: usize = 512;
/// Longest name or link target, in bytes.
pub const MAX_NAME_BYTES: usize = 4096;
/// Longest run of PAX records before one member, in bytes.
pub const MAX_PAX_BYTES: u64 = 512 * 1024;
/// Longest headers before one member, with what they hold, in bytes: two full
/// runs of PAX records, and GNU's long names.
pub const MAX_HEADERS_BYTES: u64 = 2 * MAX_PAX_BYTES + 64 * 1024;
/// Most pieces of one sparse file.
pub const MAX_PIECES: usize = 16 * 1024;

/// An archive that breaks the format or the bounds.
pub fn refused(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Bytes that fill the last block.
pub fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK_BYTES as u64) - size
}

#[cfg(test)]
mod tests;
