//! A pack of objects and its index, version 2 of both.
//!
//! Owns: those formats. Refuses: deltas; a shared image need not be small,
//! and `git gc` in the guest makes them where somebody wants them.

use super::objects::{Id, Kind, Object};
use super::{Content, Named, cancelled, each, open};
use crate::error::{Error, Result};
use crate::events::Cancel;
use flate2::{Compression, Crc, write::ZlibEncoder};
use sha1::{Digest, Sha1};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

/// Larger files are not held in memory.
const LARGE_BYTES: u64 = 4 << 20;
/// Files are deflated in rounds of so many bytes.
const ROUND_BYTES: u64 = 16 << 20;
/// And of so many files.
const ROUND_FILES: usize = 4096;

/// A pack that was written.
pub struct Made {
    /// What its name is made of: the hash it ends with.
    pub name: Id,
    /// Its index.
    pub index: Vec<u8>,
}

/// Writes the pack of all these objects, each once.
pub fn write(
    leaves: &[Named],
    trees: Vec<Object>,
    commit: Object,
    path: &Path,
    failed: &(dyn Fn(&Path, std::io::Error) -> Error + Sync),
    cancel: &Cancel,
) -> Result<Made> {
    let mut known = HashSet::new();
    let blobs: Vec<&Named> = leaves.iter().filter(|(_, id)| known.insert(**id)).collect();
    let count = blobs.len() + trees.len() + 1;
    let file = File::create_new(path).map_err(Error::io("create", path))?;
    let mut pack = Pack {
        file: BufWriter::with_capacity(1 << 20, file),
        hash: Sha1::new(),
        crc: Crc::new(),
        at: 0,
        entries: Vec::with_capacity(count),
    };
    let io = || Error::io("write", path);
    let number = u32::try_from(count).unwrap_or(u32::MAX);
    pack.write_all(&[b"PACK", &2u32.to_be_bytes()[..], &number.to_be_bytes()].concat())
        .map_err(io())?;
    for object in trees.iter().chain([&commit]) {
        let bytes = deflated(object.kind, &object.bytes).map_err(io())?;
        pack.add(object.id, &bytes).map_err(io())?;
    }
    let mut rest = blobs.as_slice();
    while let Some((leaf, id)) = rest.first() {
        if let Content::File { from, size, .. } = &leaf.content
            && *size > LARGE_BYTES
        {
            pack.begin(**id);
            pack.write_all(&header(Kind::Blob, *size)).map_err(io())?;
            let mut file = open(from).map_err(|error| failed(from, error))?.take(*size);
            let mut output = ZlibEncoder::new(&mut pack, Compression::fast());
            copy(&mut file, &mut output, path, cancel, |error| {
                failed(from, error)
            })?;
            output.finish().map_err(io())?;
            pack.end();
            rest = &rest[1..];
            continue;
        }
        let (mut bytes, mut files) = (0, 0);
        for (leaf, _) in rest.iter().take(ROUND_FILES) {
            bytes += leaf.size();
            if leaf.size() > LARGE_BYTES || bytes > ROUND_BYTES {
                break;
            }
            files += 1;
        }
        let (round, later) = rest.split_at(files.max(1));
        let made = each(round.len(), cancel, |number| {
            let content = content(&round[number].0.content, failed)?;
            deflated(Kind::Blob, &content).map_err(io())
        })?;
        for ((_, id), bytes) in round.iter().zip(made) {
            pack.add(**id, &bytes).map_err(io())?;
        }
        rest = later;
    }
    let name: Id = pack.hash.clone().finalize().into();
    pack.file
        .write_all(&name)
        .and_then(|()| pack.file.flush())
        .map_err(io())?;
    Ok(Made {
        name,
        index: index(pack.entries, &name),
    })
}

fn content(
    content: &Content,
    failed: &(dyn Fn(&Path, std::io::Error) -> Error + Sync),
) -> Result<Vec<u8>> {
    match content {
        Content::Link(target) => Ok(target.clone()),
        Content::File { from, size, .. } => {
            let mut bytes = Vec::with_capacity(usize::try_from(*size).unwrap_or(0));
            let read = open(from).and_then(|file| file.take(*size).read_to_end(&mut bytes));
            read.map_err(|error| failed(from, error))?;
            Ok(bytes)
        }
    }
}

fn copy(
    input: &mut impl Read,
    output: &mut impl Write,
    path: &Path,
    cancel: &Cancel,
    failed: impl Fn(std::io::Error) -> Error,
) -> Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        if cancel.is_cancelled() {
            return Err(cancelled());
        }
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => output
                .write_all(&buffer[..count])
                .map_err(Error::io("write", path))?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

fn deflated(kind: Kind, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut output = header(kind, bytes.len() as u64);
    output.reserve(bytes.len() / 2 + 64);
    let mut encoder = ZlibEncoder::new(output, Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Kind and size: four bits of it, then seven at a time.
fn header(kind: Kind, size: u64) -> Vec<u8> {
    let mut bytes = vec![(kind as u8) << 4 | (size & 15) as u8];
    let mut rest = size >> 4;
    while rest > 0 {
        if let Some(last) = bytes.last_mut() {
            *last |= 0x80;
        }
        bytes.push((rest & 0x7f) as u8);
        rest >>= 7;
    }
    bytes
}

struct Entry {
    id: Id,
    offset: u64,
    crc: u32,
}

struct Pack {
    file: BufWriter<File>,
    hash: Sha1,
    crc: Crc,
    at: u64,
    entries: Vec<Entry>,
}

impl Pack {
    fn begin(&mut self, id: Id) {
        self.crc = Crc::new();
        self.entries.push(Entry {
            id,
            offset: self.at,
            crc: 0,
        });
    }

    fn end(&mut self) {
        if let Some(entry) = self.entries.last_mut() {
            entry.crc = self.crc.sum();
        }
    }

    fn add(&mut self, id: Id, bytes: &[u8]) -> std::io::Result<()> {
        self.begin(id);
        self.write_all(bytes)?;
        self.end();
        Ok(())
    }
}

impl Write for Pack {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.crc.update(bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn index(mut entries: Vec<Entry>, pack: &Id) -> Vec<u8> {
    entries.sort_unstable_by_key(|entry| entry.id);
    let mut bytes = b"\xfftOc\0\0\0\x02".to_vec();
    let mut below = 0u32;
    for first in 0..=u8::MAX {
        let rest = entries.get(below as usize..).unwrap_or_default();
        let here = rest.iter().take_while(|entry| entry.id[0] == first).count();
        below += u32::try_from(here).unwrap_or(0);
        bytes.extend(below.to_be_bytes());
    }
    for entry in &entries {
        bytes.extend(entry.id);
    }
    for entry in &entries {
        bytes.extend(entry.crc.to_be_bytes());
    }
    let mut far = Vec::new();
    for entry in &entries {
        let offset = u32::try_from(entry.offset).ok().filter(|at| *at < 1 << 31);
        // What lies beyond 2 GiB has its place in a table of its own.
        let offset = offset.unwrap_or_else(|| {
            far.push(entry.offset);
            1 << 31 | u32::try_from(far.len() - 1).unwrap_or(0)
        });
        bytes.extend(offset.to_be_bytes());
    }
    for offset in far {
        bytes.extend(offset.to_be_bytes());
    }
    bytes.extend(pack);
    let hash: Id = Sha1::digest(&bytes).into();
    bytes.extend(hash);
    bytes
}
