//! What an inode has beside its name and contents, for a disk.
//!
//! Owns: extended attributes, holes, and which names are of one file.
//! Refuses: attributes that an overlay keeps for itself, and more of anything
//! than bounded memory holds.

use super::fault::{about, at};
use pyro_proto::messages::Failed;
use pyro_proto::tar::{Map, Piece};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{SeekFrom, Stat, lgetxattr, llistxattr, seek};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;

/// Most bytes of one inode's attributes, names and values.
const ATTRIBUTE_BYTES: usize = 64 * 1024;
/// Most pieces of a file whose holes are kept.
const MOST_PIECES: usize = 8 * 1024;
/// Files with several names that are remembered; later ones become files of
/// their own.
const MOST_LINKED: usize = 20_000;
/// The overlay's own, which it hides by itself where it is mounted.
const OVERLAY: &[u8] = b"trusted.overlay.";

/// Extended attributes by name.
pub type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// Those of a folder's entry.
pub fn attributes(folder: &OwnedFd, last: &[u8], name: &[u8]) -> Result<Attributes, Failed> {
    // There is no call for an entry that cannot be opened, such as a link.
    let path = [
        format!("/proc/self/fd/{}/", folder.as_raw_fd()).as_bytes(),
        last,
    ]
    .concat();
    let mut names = vec![0; ATTRIBUTE_BYTES];
    let count = match llistxattr(&*path, &mut names[..]) {
        Ok(count) => count,
        Err(Errno::OPNOTSUPP | Errno::NOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(at("reading the attributes of", name)(errno)),
    };
    let mut held = count;
    let mut found = Vec::new();
    let mut value = vec![0; ATTRIBUTE_BYTES];
    for key in names[..count].split(|byte| *byte == 0) {
        // A `=` would end the name in an archive.
        if key.is_empty() || key.starts_with(OVERLAY) || key.contains(&b'=') {
            continue;
        }
        match lgetxattr(&*path, key, &mut value[..]) {
            Ok(count) => {
                held += count;
                if held > ATTRIBUTE_BYTES {
                    return Err(about("archive", name, "has too many attributes"));
                }
                found.push((key.to_vec(), value[..count].to_vec()));
            }
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(at("reading the attributes of", name)(errno)),
        }
    }
    Ok(found)
}

/// Where the data is, for a file that has holes worth keeping.
pub fn holes(file: &File, stat: &Stat) -> Option<Map> {
    let size = stat.st_size as u64;
    if (stat.st_blocks as u64).saturating_mul(512) >= size {
        return None;
    }
    let (mut map, mut offset) = (Map::default(), 0);
    while offset < size {
        let begin = match seek(file, SeekFrom::Data(offset)) {
            Ok(begin) => begin,
            Err(Errno::NXIO) => break,
            Err(_) => return None,
        };
        let end = seek(file, SeekFrom::Hole(begin)).ok()?.min(size);
        if begin >= end || map.pieces.len() == MOST_PIECES {
            return None;
        }
        let length = end - begin;
        map.push(Piece {
            offset: begin,
            length,
        })
        .ok()?;
        offset = end;
    }
    Some(map)
}

/// First names of files that have several.
#[derive(Default)]
pub struct Linked {
    names: HashMap<(u64, u64), Vec<u8>>,
}

impl Linked {
    /// The earlier name of the same file; else this one is remembered.
    pub fn earlier(&mut self, stat: &Stat, name: &[u8]) -> Option<&[u8]> {
        let key = (stat.st_dev, stat.st_ino);
        if stat.st_nlink < 2 {
            return None;
        }
        if !self.names.contains_key(&key) {
            if self.names.len() < MOST_LINKED {
                self.names.insert(key, name.to_vec());
            }
            return None;
        }
        self.names.get(&key).map(Vec::as_slice)
    }
}
