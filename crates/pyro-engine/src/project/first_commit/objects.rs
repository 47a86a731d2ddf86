//! Git's objects: names for contents, folders, a commit.
//!
//! Owns: their bytes and ids. Refuses: where they are stored (pack.rs).

use super::{Content, Leaf, Named, cancelled, open};
use crate::error::{Error, Result};
use crate::events::Cancel;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use std::io::Read;
use std::path::Path;

/// SHA-1 of an object.
pub type Id = [u8; 20];

const WHO: &str = "pyro <pyro@localhost> 1577836800 +0000";
const WHY: &str = "Baseline: what this workspace began with";

/// A tree or commit.
pub struct Object {
    pub kind: Kind,
    pub id: Id,
    pub bytes: Vec<u8>,
}

/// Kinds of objects, by their numbers in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Commit = 1,
    Tree = 2,
    Blob = 3,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
        }
    }
}

impl Object {
    fn new(kind: Kind, bytes: Vec<u8>) -> Self {
        let mut hash = begun(kind, bytes.len() as u64);
        hash.update(&bytes);
        Self {
            kind,
            id: hash.finalize().into(),
            bytes,
        }
    }

    /// The commit of a tree; without a parent, always by the same author at
    /// the same time.
    pub fn commit(tree: Id) -> Self {
        let tree = hex::encode(tree);
        let text = format!("tree {tree}\nauthor {WHO}\ncommitter {WHO}\n\n{WHY}\n");
        Self::new(Kind::Commit, text.into_bytes())
    }
}

fn begun(kind: Kind, size: u64) -> Sha1 {
    prefixed(kind, size)
}

fn prefixed<Hash: Digest>(kind: Kind, size: u64) -> Hash {
    Hash::new_with_prefix(format!("{} {size}\0", kind.name()))
}

/// The id of a leaf's content, and whether it is what the project's index has.
pub fn blob(
    leaf: &Leaf,
    failed: &(dyn Fn(&Path, std::io::Error) -> Error + Sync),
    cancel: &Cancel,
) -> Result<(Id, bool)> {
    let mut hash = begun(Kind::Blob, leaf.size());
    let mut long = (leaf.indexed.len() == 64).then(|| prefixed(Kind::Blob, leaf.size()));
    let mut add = |bytes: &[u8]| {
        hash.update(bytes);
        if let Some(long) = &mut long {
            Sha256::update(long, bytes);
        }
    };
    match &leaf.content {
        Content::Link(target) => add(target),
        Content::File { from, size, .. } => {
            let mut file = open(from).map_err(|error| failed(from, error))?.take(*size);
            let length = usize::try_from(*size).unwrap_or(usize::MAX);
            let mut buffer = vec![0; length.clamp(1, 256 << 10)];
            loop {
                if cancel.is_cancelled() {
                    return Err(cancelled());
                }
                match file.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => add(&buffer[..count]),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(failed(from, error)),
                }
            }
        }
    }
    let id: Id = hash.finalize().into();
    let name = long.map_or_else(|| hex::encode(id), |long| hex::encode(long.finalize()));
    Ok((id, name == leaf.indexed))
}

/// The trees above leaves.
pub struct Trees {
    pub root: Id,
    /// Each once.
    pub objects: Vec<Object>,
    /// The same as the extension `TREE` of an index.
    pub cache: Vec<u8>,
}

/// Makes them of leaves that are sorted by path.
pub fn trees(leaves: &[Named]) -> Trees {
    let mut trees = Trees {
        root: Id::default(),
        objects: Vec::new(),
        cache: Vec::new(),
    };
    let mut known = std::collections::HashSet::new();
    trees.root = trees.below(leaves, 0, b"", &mut known);
    trees
}

struct Line<'a> {
    name: &'a [u8],
    mode: u32,
    id: Id,
}

impl Trees {
    /// The tree of leaves that have the first `skip` bytes of their path in common.
    fn below(
        &mut self,
        leaves: &[Named],
        skip: usize,
        name: &[u8],
        known: &mut std::collections::HashSet<Id>,
    ) -> Id {
        let (mut lines, mut folders, mut at) = (Vec::<Line>::new(), 0, 0);
        // Those of the folders come behind this one's own.
        let outer = std::mem::take(&mut self.cache);
        while let Some((leaf, id)) = leaves.get(at) {
            let rest = &leaf.path[skip..];
            let Some(cut) = rest.iter().position(|byte| *byte == b'/') else {
                lines.push(Line {
                    name: rest,
                    mode: leaf.mode(),
                    id: **id,
                });
                at += 1;
                continue;
            };
            let inside = |one: &&Named| one.0.path[skip..].starts_with(&rest[..=cut]);
            let count = leaves[at..].iter().take_while(inside).count();
            let part = &rest[..cut];
            let id = self.below(&leaves[at..at + count], skip + cut + 1, part, known);
            lines.push(Line {
                name: part,
                mode: 0o40_000,
                id,
            });
            folders += 1;
            at += count;
        }
        // A folder is sorted as if its name ended with a slash.
        lines.sort_by(|one, other| key(one).cmp(key(other)));
        let mut bytes = Vec::new();
        for line in &lines {
            bytes.extend(format!("{:o} ", line.mode).into_bytes());
            bytes.extend_from_slice(line.name);
            bytes.push(0);
            bytes.extend(line.id);
        }
        let object = Object::new(Kind::Tree, bytes);
        let id = object.id;
        if known.insert(id) {
            self.objects.push(object);
        }
        let inner = std::mem::replace(&mut self.cache, outer);
        self.cache.extend_from_slice(name);
        self.cache
            .extend(format!("\0{} {folders}\n", leaves.len()).into_bytes());
        self.cache.extend(id);
        self.cache.extend(inner);
        id
    }
}

fn key<'a>(line: &'a Line) -> impl Iterator<Item = u8> + 'a {
    let end = (line.mode == 0o40_000).then_some(b'/');
    line.name.iter().copied().chain(end)
}
