//! Tests of telling trees apart, alone and beside the real git.
//!
//! Owns: the cases. Refuses: the patch reader's own; see [`crate::patch`].

mod caps;
mod entries;
mod git;
mod real_git;
mod round_trip;
mod short;
mod trees;

use super::{Change, Content, Side};
use crate::patch::Node;
use crate::patch::tests::tree::Tree;

fn side(node: &Node) -> Side {
    match node.clone() {
        Node::File { bytes, executable } => Side::File {
            content: Content::Bytes(bytes),
            mode: if executable { 0o755 } else { 0o644 },
        },
        Node::Symlink { target } => Side::Symlink { target },
        Node::Folder => Side::Folder,
        Node::Other | Node::TooLarge => Side::Other {
            kind: "fifo".to_owned(),
        },
    }
}

/// One change for every path of both trees, the last path first.
fn changes(old: &Tree, new: &Tree) -> Vec<Change> {
    let mut paths: Vec<_> = old.0.keys().chain(new.0.keys()).collect();
    paths.sort();
    paths.dedup();
    let change = |path: &Vec<u8>| Change {
        path: path.clone(),
        old: old.0.get(path).map(side),
        new: new.0.get(path).map(side),
    };
    paths.into_iter().rev().map(change).collect()
}

/// A change of a file with mode 0644.
fn edit(path: &str, old: Option<&str>, new: Option<&str>) -> Change {
    let side = |text: &str| Side::File {
        content: Content::Bytes(text.as_bytes().to_vec()),
        mode: 0o644,
    };
    Change {
        path: path.as_bytes().to_vec(),
        old: old.map(side),
        new: new.map(side),
    }
}
