//! A tree as an ext4 image.
//!
//! Owns: the image's layout, its size, and the hashes of the contents, taken
//! while they are written, for its name (`content_key`). Refuses: an image
//! beyond its drive.
//!
//! ```text
//!   Contents (a directory, archive.rs) --> tree.rs --> mkext4 --> odd_names.rs
//!
//!   a seed   /tree/   the lower layer of /workspace (/ has ext4's lost+found)
//!   a disk   /        with room to go on
//! ```
//!
//! The same tree makes the same bytes: nothing in a seed's image is random or
//! of the time it is made.

pub mod archive;
pub mod tree;

mod acl;
mod content_key;
mod odd_names;

use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink, Meter};
use crate::spool::{LOOK_BYTES, go_on};
use crate::start::BASELINE_DRIVE_BYTES;
use crate::start::disk_copy::{ROOM, leave_room};
use mkext4::{
    FsBuilder, InodeCount, InodeHandle, Options, ROOT, RegionSink, SparseSeg, SpecialKind,
};
use odd_names::OddNames;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use tree::{Meta, Node, Special, Tree};

/// What an image is for.
pub struct Shape {
    /// Where the tree is in the image; empty for its root.
    folder: &'static str,
    uuid: [u8; 16],
    /// Blocks of the journal; the writer's choice when there is none.
    journal_blocks: Option<u32>,
    /// Least bytes of the file system.
    least_bytes: u64,
    /// Bytes of the file, when they are more than the file system's.
    drive_bytes: Option<u64>,
    /// What is said while it is written.
    doing: &'static str,
}

/// A seed's: the agent mounts `/tree`. Nobody ever writes to the journal, so
/// it has the fewest blocks there are.
pub const SEED: Shape = Shape {
    folder: "tree",
    uuid: *b"pyro's baseline!",
    journal_blocks: Some(1024),
    least_bytes: 0,
    drive_bytes: Some(BASELINE_DRIVE_BYTES),
    doing: "seeding",
};

impl Shape {
    /// A disk's, with room up to `least_bytes`.
    pub fn disk(least_bytes: u64) -> Self {
        Self {
            folder: "",
            uuid: uuid::Uuid::new_v4().into_bytes(),
            journal_blocks: None,
            least_bytes: least_bytes.next_multiple_of(BLOCK_BYTES),
            drive_bytes: None,
            doing: "disk-export",
        }
    }
}

const BLOCK_BYTES: u64 = 4096;
/// Room for the journal and what every file system has.
const RESERVE_BYTES: u64 = 32 << 20;
/// An image that does not fit is tried larger.
const TRIES: u32 = 3;

/// Takes the contents of one file, by number, without its holes.
pub type Fill<'a> = dyn FnMut(usize, &mut dyn Read) -> Result<()> + 'a;

/// A tree whose contents can be read, in any order.
pub trait Contents {
    fn tree(&self) -> &Tree;
    /// Hands out every file that has a name.
    fn each(&mut self, fill: &mut Fill<'_>) -> Result<()>;
}

/// What was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// Names the content.
    pub key: String,
    /// Names in the tree.
    pub entry_count: u64,
    /// Bytes of its files.
    pub bytes_written: u64,
}

/// Writes the image into an empty file that has a path.
///
/// # Errors
/// `source_io`, `source_changed`, `seed_too_large`, `no_space`, `io`,
/// `cancelled`.
pub fn write(
    contents: &mut dyn Contents,
    shape: &Shape,
    file: &File,
    path: &Path,
    events: &dyn EventSink,
    cancel: &Cancel,
) -> Result<Written> {
    let planned = Plan::new(contents.tree(), shape, path, cancel)?;
    let folder = path.parent().unwrap_or(path);
    if planned.bytes_stored > LOOK_BYTES {
        leave_room(file, planned.bytes_stored, folder, "the image")?;
    }
    file.set_len(planned.layout.image_len())
        .map_err(Error::io("size", path))?;
    let wanted = || go_on(cancel, "writing", path);
    // A write that a cancel ended has failed, too.
    let stopped = |error| match wanted() {
        Ok(()) => failed(error, path),
        Err(cancelled) => cancelled,
    };
    let mut sink = Sink { file, cancel };
    let mut writer = planned.layout.writer(&mut sink).map_err(stopped)?;
    let files = contents.tree().files().len();
    let mut digests = vec![None; files];
    let mut meter = Meter::new(shape.doing, Some(planned.bytes_stored), events);
    contents.each(&mut |number, reader| {
        wanted()?;
        let mut hashed = Hashed {
            reader,
            hash: Sha256::new(),
            bytes: 0,
            failed: None,
            cancel,
        };
        if let Some(handle) = planned.fillable.get(&number) {
            let filled = writer.fill(*handle, &mut hashed);
            wanted()?;
            if let Some(error) = hashed.failed {
                return Err(Error::runtime("source_io", error.to_string()));
            }
            filled.map_err(stopped)?;
        }
        digests[number] = Some(hashed.hash.finalize());
        meter.add(hashed.bytes);
        Ok(())
    })?;
    writer.finish().map_err(stopped)?;
    planned.odd_names.apply(path, cancel)?;
    if let Some(bytes) = shape.drive_bytes {
        file.set_len(bytes).map_err(Error::io("size", path))?;
    }
    let tree = contents.tree();
    Ok(Written {
        key: content_key::key(tree, &digests),
        entry_count: tree.len() as u64,
        bytes_written: planned.bytes,
    })
}

struct Plan {
    layout: mkext4::Layout,
    /// Files with data, by number.
    fillable: HashMap<usize, InodeHandle>,
    odd_names: OddNames,
    bytes: u64,
    bytes_stored: u64,
}

/// Why there is no plan.
enum Unplanned {
    /// Perhaps in a larger image.
    Unfit(mkext4::Error),
    /// Nobody wants it any more.
    Cancelled(Error),
}

impl From<mkext4::Error> for Unplanned {
    fn from(error: mkext4::Error) -> Self {
        Self::Unfit(error)
    }
}

impl Plan {
    fn new(tree: &Tree, shape: &Shape, path: &Path, cancel: &Cancel) -> Result<Self> {
        let mut size = estimate(tree).max(shape.least_bytes);
        let mut tries = 1;
        loop {
            if size > BASELINE_DRIVE_BYTES {
                return Err(Error::invalid(
                    "seed_too_large",
                    format!("the seed needs {} MiB", size >> 20),
                )
                .hint("a seed of up to 256 GiB fits; leave large files out"));
            }
            let wanted = || go_on(cancel, "laying out", path);
            match Self::of_size(tree, shape, size, &wanted) {
                Ok(plan) => return Ok(plan),
                Err(Unplanned::Cancelled(error)) => return Err(error),
                Err(Unplanned::Unfit(_)) if tries < TRIES => {
                    size = size.saturating_mul(2);
                    tries += 1;
                }
                Err(Unplanned::Unfit(error)) => return Err(failed(error, path)),
            }
        }
    }

    fn of_size(
        tree: &Tree,
        shape: &Shape,
        size_bytes: u64,
        wanted: &dyn Fn() -> Result<()>,
    ) -> std::result::Result<Self, Unplanned> {
        let mut options = Options::new(size_bytes, shape.uuid, 0);
        options.inodes = InodeCount::Exact(inodes(tree, shape));
        options.reserved_percent = 0;
        options.journal_blocks = shape.journal_blocks;
        let mut builder = FsBuilder::new(options)?;
        let top = if shape.folder.is_empty() {
            builder.set_meta(ROOT, meta(tree.root))?;
            ROOT
        } else {
            builder.mkdir(ROOT, shape.folder, meta(tree.root))?
        };
        attributes(&mut builder, top, tree, b"")?;
        let mut folders: HashMap<&[u8], InodeHandle> = HashMap::from([(b"".as_slice(), top)]);
        let mut handles: HashMap<usize, InodeHandle> = HashMap::new();
        let mut odd_names = OddNames::new(shape.folder);
        let (mut bytes, mut bytes_stored) = (0, 0);
        for (path, node) in tree.nodes() {
            wanted().map_err(Unplanned::Cancelled)?;
            let cut = path.iter().rposition(|byte| *byte == b'/');
            let (parent, last) =
                cut.map_or((b"".as_slice(), path), |at| (&path[..at], &path[at + 1..]));
            let folder = folders.get(parent).copied().unwrap_or(top);
            if let Node::Symlink(own, target) = node
                && std::str::from_utf8(target).is_err()
            {
                odd_names.link(path, target, *own);
                continue;
            }
            let name = odd_names.name(path, last);
            let made = match node {
                Node::Folder(own) => {
                    let made = builder.mkdir(folder, &name, meta(*own))?;
                    folders.insert(path, made);
                    made
                }
                Node::Symlink(own, target) => {
                    let target = std::str::from_utf8(target).unwrap_or_default();
                    builder.symlink(folder, &name, target, meta(*own))?
                }
                Node::Special(own, special) => {
                    builder.mknod(folder, &name, meta(*own), kind(*special))?
                }
                Node::File(number) => {
                    if let Some(known) = handles.get(number) {
                        builder.hardlink(folder, &name, *known)?;
                        continue;
                    }
                    let file = &tree.files()[*number];
                    // The tree has seen to it that the sum fits.
                    bytes += file.size;
                    bytes_stored += file.data.iter().map(|piece| piece.length).sum::<u64>();
                    let own = meta(file.meta);
                    let made = if file.is_dense() {
                        builder.file(folder, &name, own, file.size)?
                    } else {
                        builder.file_sparse(folder, &name, own, &segments(file))?
                    };
                    handles.insert(*number, made);
                    made
                }
            };
            attributes(&mut builder, made, tree, path)?;
        }
        handles.retain(|number, _| !tree.files()[*number].data.is_empty());
        Ok(Self {
            layout: builder.seal()?,
            fillable: handles,
            odd_names,
            bytes,
            bytes_stored,
        })
    }
}

fn segments(file: &tree::File) -> Vec<SparseSeg> {
    let (mut segments, mut at) = (Vec::new(), 0);
    for piece in &file.data {
        if piece.offset > at {
            segments.push(SparseSeg::Hole(piece.offset - at));
        }
        segments.push(SparseSeg::Data(piece.length));
        at = piece.offset + piece.length;
    }
    if at < file.size {
        segments.push(SparseSeg::Hole(file.size - at));
    }
    segments
}

fn meta(meta: Meta) -> mkext4::Meta {
    mkext4::Meta::new(meta.mode, meta.owner.0, meta.owner.1, meta.mtime)
}

fn kind(special: Special) -> SpecialKind {
    match special {
        Special::Character(major, minor) => SpecialKind::Char { major, minor },
        Special::Block(major, minor) => SpecialKind::Block { major, minor },
        Special::Fifo => SpecialKind::Fifo,
    }
}

fn attributes(
    builder: &mut FsBuilder,
    handle: InodeHandle,
    tree: &Tree,
    path: &[u8],
) -> mkext4::Result<()> {
    for (name, value) in tree.attributes(path) {
        if name.starts_with("system.posix_acl_") {
            let list = acl::on_disk(value).ok_or_else(|| {
                let path = String::from_utf8_lossy(path);
                mkext4::Error::Invalid(format!("{path:?} has a broken access list"))
            })?;
            builder.set_xattr(handle, name, &list)?;
        } else {
            builder.set_xattr(handle, name, value)?;
        }
    }
    Ok(())
}

/// A disk has as many as mke2fs would give it.
fn inodes(tree: &Tree, shape: &Shape) -> u32 {
    let usual = shape.least_bytes / 16_384;
    u32::try_from((tree.len() as u64 + 64).max(usual)).unwrap_or(u32::MAX)
}

/// Space costs nothing until it is written, so generous.
fn estimate(tree: &Tree) -> u64 {
    let data: u64 = tree
        .files()
        .iter()
        .flat_map(|file| &file.data)
        .map(|piece| piece.length.next_multiple_of(BLOCK_BYTES))
        .sum();
    // An inode, an entry of its folder, and a folder's or link's own block.
    let names: u64 = tree
        .nodes()
        .map(|(path, node)| {
            256 + 2 * (path.len() as u64 + 12)
                + if matches!(node, Node::File(_)) {
                    0
                } else {
                    BLOCK_BYTES
                }
        })
        .sum();
    (data + data / 16 + names * 2 + RESERVE_BYTES).next_multiple_of(BLOCK_BYTES)
}

fn failed(error: mkext4::Error, path: &Path) -> Error {
    match error {
        mkext4::Error::Io(error) => {
            let error = Error::io("write", path)(error);
            match error.code {
                "no_space" => error.hint(ROOM),
                _ => error,
            }
        }
        other => Error::runtime(
            "seed_image",
            format!("cannot make the image {}: {other}", path.display()),
        )
        .hint("report this with the seed's kind; sync push is another way in"),
    }
}

/// A fresh file: what is not written reads as zeros.
struct Sink<'a> {
    file: &'a File,
    /// Looked at in the middle of the tables, too: they may be large.
    cancel: &'a Cancel,
}

impl RegionSink for Sink<'_> {
    fn data(&mut self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        ended(self.cancel)?;
        self.file.write_all_at(bytes, offset)
    }

    fn zeros(&mut self, _: u64, _: u64) -> std::io::Result<()> {
        Ok(())
    }
}

struct Hashed<'a> {
    reader: &'a mut dyn Read,
    hash: Sha256,
    bytes: u64,
    /// Told apart from a failed write.
    failed: Option<std::io::Error>,
    /// Looked at in the middle of a file, too: it may be large.
    cancel: &'a Cancel,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        ended(self.cancel)?;
        match self.reader.read(buffer) {
            Ok(0) if !buffer.is_empty() => {
                self.failed = Some(std::io::Error::other("it is shorter than it was"));
                Ok(0)
            }
            Ok(count) => {
                self.hash.update(&buffer[..count]);
                self.bytes += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.failed = Some(std::io::Error::new(error.kind(), error.to_string()));
                Err(error)
            }
        }
    }
}

fn ended(cancel: &Cancel) -> std::io::Result<()> {
    match cancel.is_cancelled() {
        true => Err(std::io::Error::other("cancelled")),
        false => Ok(()),
    }
}
