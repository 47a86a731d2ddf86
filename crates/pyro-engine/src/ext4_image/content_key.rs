//! The name of an image's content.
//!
//! Owns: what it depends on, so that equal trees share an image. Refuses: the
//! file system's own bytes, which may change with the library that writes them.

use super::tree::{Meta, Node, Tree};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Everything that is in the image, as a name for it.
pub fn key(tree: &Tree, digests: &[Option<impl AsRef<[u8]>>]) -> String {
    let mut hash = Sha256::new();
    let attributes = |hash: &mut Sha256, meta: &Meta| {
        hash.update(meta.mode.to_le_bytes());
        hash.update(meta.mtime.0.to_le_bytes());
        hash.update(meta.mtime.1.to_le_bytes());
    };
    let text = |hash: &mut Sha256, text: &[u8]| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    hash.update(b"pyro baseline 1");
    attributes(&mut hash, &tree.root);
    // Hard links are in the key by the first name of their file.
    let mut first: HashMap<usize, &[u8]> = HashMap::new();
    for (path, node) in tree.nodes() {
        text(&mut hash, path);
        match node {
            Node::Folder(meta) => {
                hash.update(b"d");
                attributes(&mut hash, meta);
            }
            Node::Symlink(meta, target) => {
                hash.update(b"l");
                attributes(&mut hash, meta);
                text(&mut hash, target);
            }
            Node::Special(meta, special) => {
                hash.update(b"s");
                attributes(&mut hash, meta);
                text(&mut hash, format!("{special:?}").as_bytes());
            }
            Node::File(number) => {
                if let Some(name) = first.get(number) {
                    hash.update(b"h");
                    text(&mut hash, name);
                    continue;
                }
                first.insert(*number, path);
                let file = &tree.files()[*number];
                hash.update(b"f");
                attributes(&mut hash, &file.meta);
                hash.update(file.size.to_le_bytes());
                for piece in &file.data {
                    hash.update(piece.offset.to_le_bytes());
                    hash.update(piece.length.to_le_bytes());
                }
                let digest = digests.get(*number).and_then(Option::as_ref);
                text(
                    &mut hash,
                    digest.map_or(b"".as_slice(), |digest| digest.as_ref()),
                );
            }
        }
    }
    hex::encode(&hash.finalize()[..16])
}
