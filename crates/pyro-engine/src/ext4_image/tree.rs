//! A tree as it will be in an image: names and what they are, no contents.
//!
//! Owns: what may lie where. Refuses: names that leave the tree, a way
//! through anything but folders, one kind of thing in place of another, and
//! more of any of them than the bounds below.
//! Pure; directories and archives both become one of these.

use pyro_proto::tar::{Map, Piece};
use std::collections::BTreeMap;

/// Most names.
pub const MAX_ENTRIES: usize = 4_000_000;
/// Longest name between two slashes, in bytes: ext4's.
const MAX_PART_BYTES: usize = 255;
/// Longest path, in bytes: Linux'.
const MAX_PATH_BYTES: usize = 4095;
/// ext4's block.
const BLOCK_BYTES: u64 = 4096;
/// ext4's largest file, holes included: it numbers blocks with 32 bits.
pub const MAX_FILE_BYTES: u64 = u32::MAX as u64 * BLOCK_BYTES;
/// Most bytes of all files, holes included: what a sum of them has room for.
const MAX_SIZES_BYTES: u64 = i64::MAX as u64;
/// Most memory for names, targets, attributes and maps: 256 bytes for each of
/// the most names.
pub const MAX_HELD_BYTES: usize = 1 << 30;

/// Extended attributes by name.
pub type Attributes = Vec<(String, Vec<u8>)>;

/// What every node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits, 0 to 0o7777.
    pub mode: u16,
    /// User and group. Root's in a seed: in a guest root owns its workspace.
    pub owner: (u32, u32),
    /// Seconds and nanoseconds since the Unix epoch.
    pub mtime: (i64, u32),
}

/// A file's inode, whatever its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub meta: Meta,
    /// Bytes, holes included.
    pub size: u64,
    /// Where its data is, in whole blocks but for the file's end.
    pub data: Vec<Piece>,
}

impl File {
    /// Holes are kept as far as they are whole blocks.
    pub fn new(meta: Meta, size: u64, map: &Map) -> Self {
        let mut data: Vec<Piece> = Vec::new();
        for piece in map.pieces.iter().filter(|piece| piece.length > 0) {
            let begin = piece.offset / BLOCK_BYTES * BLOCK_BYTES;
            let end = (piece.offset + piece.length)
                .next_multiple_of(BLOCK_BYTES)
                .min(size);
            match data.last_mut() {
                Some(last) if last.offset + last.length >= begin => {
                    last.length = last.length.max(end - last.offset);
                }
                _ => data.push(Piece {
                    offset: begin,
                    length: end - begin,
                }),
            }
        }
        Self { meta, size, data }
    }

    /// Whether there is no hole.
    pub fn is_dense(&self) -> bool {
        self.data.iter().map(|piece| piece.length).sum::<u64>() == self.size
    }
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Folder(Meta),
    /// By number, so that hard links share one.
    File(usize),
    Symlink(Meta, Vec<u8>),
    /// Only in a disk.
    Special(Meta, Special),
}

/// What is no file, folder or link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// A character device's major and minor number.
    Character(u32, u32),
    /// A block device's.
    Block(u32, u32),
    Fifo,
}

/// The tree.
#[derive(Debug)]
pub struct Tree {
    pub root: Meta,
    /// By path; a folder stands before what is in it.
    nodes: BTreeMap<Vec<u8>, Node>,
    files: Vec<File>,
    /// By path, the tree's own by an empty one.
    attributes: BTreeMap<Vec<u8>, Attributes>,
    data_bytes: u64,
    sizes_bytes: u64,
    held_bytes: usize,
}

impl Tree {
    pub fn new(root: Meta) -> Self {
        Self {
            root,
            nodes: BTreeMap::new(),
            files: Vec::new(),
            attributes: BTreeMap::new(),
            data_bytes: 0,
            sizes_bytes: 0,
            held_bytes: 0,
        }
    }

    /// What the data of all files takes in whole blocks, also of those whose
    /// name has gone to another.
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    fn hold(&mut self, bytes: usize) -> Result<(), String> {
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        if self.held_bytes > MAX_HELD_BYTES {
            return Err(format!(
                "all names, targets and maps together take over {} MiB",
                MAX_HELD_BYTES >> 20
            ));
        }
        Ok(())
    }

    pub fn nodes(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes
            .iter()
            .map(|(path, node)| (path.as_slice(), node))
    }

    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Whether a name still stands for this file.
    pub fn used_files(&self) -> Vec<bool> {
        let mut used = vec![false; self.files.len()];
        for node in self.nodes.values() {
            if let Node::File(number) = node {
                used[*number] = true;
            }
        }
        used
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn get(&self, path: &[u8]) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Extended attributes of what has this path.
    pub fn attributes(&self, path: &[u8]) -> &[(String, Vec<u8>)] {
        self.attributes.get(path).map_or(&[], Vec::as_slice)
    }

    /// In place of those it had. The error says why not.
    pub fn set_attributes(&mut self, path: &[u8], attributes: Attributes) -> Result<(), String> {
        if attributes.is_empty() {
            self.attributes.remove(path);
            return Ok(());
        }
        let sizes = attributes
            .iter()
            .map(|(name, value)| name.len() + value.len());
        self.hold(path.len() + sizes.sum::<usize>())?;
        self.attributes.insert(path.to_vec(), attributes);
        Ok(())
    }

    /// A file's number, for its names. The error says why not.
    pub fn add_file(&mut self, file: File) -> Result<usize, String> {
        if file.size > MAX_FILE_BYTES {
            return Err(format!(
                "it has {} bytes, and a file of a workspace has at most {MAX_FILE_BYTES}",
                file.size
            ));
        }
        self.sizes_bytes = self.sizes_bytes.saturating_add(file.size);
        if self.sizes_bytes > MAX_SIZES_BYTES {
            return Err("the files together are larger than any disk, holes included".into());
        }
        if self.files.len() >= MAX_ENTRIES {
            return Err(too_many());
        }
        self.hold(file.data.len() * size_of::<Piece>())?;
        let blocks = file
            .data
            .iter()
            .map(|piece| piece.length.next_multiple_of(BLOCK_BYTES));
        self.data_bytes = self.data_bytes.saturating_add(blocks.sum());
        self.files.push(file);
        Ok(self.files.len() - 1)
    }

    /// Puts a node at a clean path; folders on the way are made where they
    /// are missing. The error says why not.
    pub fn put(&mut self, path: &[u8], node: Node) -> Result<(), String> {
        if path.len() > MAX_PATH_BYTES {
            return Err(format!("its path has over {MAX_PATH_BYTES} bytes"));
        }
        if path
            .split(|byte| *byte == b'/')
            .any(|part| part.len() > MAX_PART_BYTES)
        {
            return Err(format!(
                "a part of its name has over {MAX_PART_BYTES} bytes"
            ));
        }
        let parent = path
            .iter()
            .rposition(|byte| *byte == b'/')
            .map(|at| &path[..at]);
        // What is above a folder are folders.
        let known =
            parent.is_none_or(|parent| matches!(self.nodes.get(parent), Some(Node::Folder(_))));
        if !known {
            self.make_way(path)?;
        }
        let fits = match (self.nodes.get(path), &node) {
            (None, _)
            | (Some(Node::Folder(_)), Node::Folder(_))
            | (Some(Node::File(_)), Node::File(_))
            | (Some(Node::Symlink(..)), Node::Symlink(..))
            | (Some(Node::Special(..)), Node::Special(..)) => true,
            (Some(_), _) => false,
        };
        if !fits {
            return Err("an earlier entry of that name is of another kind".into());
        }
        self.insert(path, node)
    }

    fn insert(&mut self, path: &[u8], node: Node) -> Result<(), String> {
        if let Node::Symlink(_, target) = &node {
            self.hold(target.len())?;
        }
        if !self.nodes.contains_key(path) {
            if self.nodes.len() >= MAX_ENTRIES {
                return Err(too_many());
            }
            self.hold(path.len())?;
        }
        self.nodes.insert(path.to_vec(), node);
        Ok(())
    }

    /// Makes the folders above a path that are missing.
    fn make_way(&mut self, path: &[u8]) -> Result<(), String> {
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            match self.nodes.get(&path[..at]) {
                Some(Node::Folder(_)) => {}
                Some(Node::Symlink(..)) => return Err("its way leads through a link".into()),
                Some(Node::File(_) | Node::Special(..)) => {
                    return Err("its way leads through a file".into());
                }
                None => {
                    let implied = Meta {
                        mode: 0o755,
                        owner: (0, 0),
                        mtime: self.root.mtime,
                    };
                    self.insert(&path[..at], Node::Folder(implied))?;
                }
            }
        }
        Ok(())
    }
}

fn too_many() -> String {
    format!("there are over {MAX_ENTRIES} entries")
}

/// A name of an archive as a path of the tree: `./` and doubled slashes go;
/// empty for the tree itself.
pub fn clean(name: &[u8]) -> Result<Vec<u8>, String> {
    if name.starts_with(b"/") {
        return Err("its name is absolute".into());
    }
    if name.contains(&0) {
        return Err("its name has a NUL".into());
    }
    let parts: Vec<&[u8]> = name
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .collect();
    if parts.contains(&b"..".as_slice()) {
        return Err("its name has a `..`".into());
    }
    Ok(parts.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const META: Meta = Meta {
        mode: 0o644,
        owner: (0, 0),
        mtime: (1, 2),
    };

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut tree = Tree::new(META);
        let file = tree.add_file(File::new(META, 3, &Map::whole(3))).unwrap();
        tree.put(b"a/b/f", Node::File(file)).unwrap();
        assert_eq!(tree.len(), 3);
        tree.put(b"a/l", Node::Symlink(META, b"/etc".to_vec()))
            .unwrap();
        for (path, node) in [
            (b"a/l/x".as_slice(), Node::File(file)),
            (b"a/b/f/x", Node::File(file)),
            (b"a/l", Node::Folder(META)),
            (b"a/b", Node::File(file)),
            (b"a/b/f", Node::Symlink(META, b"x".to_vec())),
            (&[b'x'; 256], Node::File(file)),
        ] {
            assert!(tree.put(path, node).is_err(), "{path:?}");
        }
        // A later file takes an earlier one's place.
        let other = tree.add_file(File::new(META, 4, &Map::whole(4))).unwrap();
        tree.put(b"a/b/f", Node::File(other)).unwrap();
        assert_eq!(tree.used_files(), [false, true]);
    }

    #[test]
    fn sizes_that_no_file_system_shows_are_refused() {
        let sparse = |size| {
            let mut map = Map::default();
            let (offset, length) = (size - 1, 1);
            map.push(Piece { offset, length }).unwrap();
            File::new(META, size, &map)
        };
        let mut tree = Tree::new(META);
        // A tebibyte of holes with a byte of data is a block.
        tree.add_file(sparse(1 << 40)).unwrap();
        assert_eq!(tree.data_bytes(), BLOCK_BYTES);
        tree.add_file(sparse(MAX_FILE_BYTES)).unwrap();
        for size in [MAX_FILE_BYTES + 1, i64::MAX as u64] {
            assert!(tree.add_file(sparse(size)).unwrap_err().contains("at most"));
        }
        let why = (0..1_000_000).find_map(|_| tree.add_file(sparse(MAX_FILE_BYTES)).err());
        assert!(why.unwrap().contains("larger than any disk"));
    }

    #[test]
    fn names_take_no_more_memory_than_they_may() {
        // Each name brings a hundred folders that the archive does not have.
        let mut tree = Tree::new(META);
        let room = 3 << 20;
        tree.held_bytes = MAX_HELD_BYTES - room;
        let why = (0..1_000_000).find_map(|number| {
            let path = format!("{number:07}{}", format!("/{}", "n".repeat(39)).repeat(100));
            tree.put(path.as_bytes(), Node::Folder(META)).err()
        });
        assert!(why.unwrap().contains("MiB"));
        assert!(tree.held_bytes >= MAX_HELD_BYTES);
        let held: usize = tree.nodes.keys().map(Vec::len).sum();
        assert!(held > room / 2 && held <= room, "{held}");
    }

    #[test]
    fn names_are_cleaned_or_refused() {
        for (name, path) in [
            ("./a//b/./c/", "a/b/c"),
            ("./", ""),
            ("a", "a"),
            ("..a/b..", "..a/b.."),
        ] {
            assert_eq!(clean(name.as_bytes()).unwrap(), path.as_bytes());
        }
        for bad in ["/a", "..", "a/../b", "a/..", "a\0b"] {
            assert!(clean(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn data_covers_its_pieces_in_whole_blocks(gaps in prop::collection::vec((0u64..20_000, 0u64..20_000), 0..8), tail in 0u64..20_000) {
            let (mut map, mut at) = (Map::default(), 0);
            for (gap, length) in gaps {
                map.push(Piece { offset: at + gap, length }).unwrap();
                at += gap + length;
            }
            let file = File::new(META, at + tail, &map);
            let mut last = None;
            for piece in &file.data {
                prop_assert!(piece.length > 0 && piece.offset % BLOCK_BYTES == 0);
                prop_assert!(piece.offset + piece.length <= file.size);
                prop_assert!(last.is_none_or(|last| last < piece.offset));
                prop_assert!(piece.length % BLOCK_BYTES == 0 || piece.offset + piece.length == file.size);
                last = Some(piece.offset + piece.length);
            }
            for piece in map.pieces.iter().filter(|piece| piece.length > 0) {
                prop_assert!(file.data.iter().any(|data| data.offset <= piece.offset
                    && piece.offset + piece.length <= data.offset + data.length));
            }
        }
    }
}
