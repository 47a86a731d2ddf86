//! Random pairs of small trees.
//!
//! Owns: odd names, contents that look like patches, edits, moves.
//! Refuses: a file where the other tree has a folder.

use crate::patch::Node;
use crate::patch::tests::tree::{Tree, file};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const NAMES: [&[u8]; 16] = [
    b"plain",
    b"with space",
    b" lead",
    b"trail ",
    b"quo\"te",
    b"back\\slash",
    b"tab\tname",
    b"new\nline",
    b"return\r",
    "\u{e4}/\u{f6} x".as_bytes(),
    b"\xff\xfe",
    b"dir/x",
    b"dir/sub/y",
    b"b/a",
    b"a/b/a",
    b"-dash",
];

const LINES: [&[u8]; 14] = [
    b"a",
    b"b",
    b"c",
    b"}",
    b"",
    b"-- x",
    b"++ y",
    b"\r",
    b"carriage return\r",
    "\u{e4}\u{2028}".as_bytes(),
    b"@@ -1 +1 @@",
    b"diff --git a/x b/x",
    b"\\ No newline at end of file",
    b"-- ",
];

/// A file below a name that was one.
pub(super) const BELOW: &[u8] = b"plain/below";

/// A line that is not UTF-8: text for git, binary for us.
const LATIN: &[u8] = b"gr\xfcn";

fn line(latin: bool) -> impl Strategy<Value = Vec<u8>> {
    let mut lines = LINES.to_vec();
    lines.extend(latin.then_some(LATIN));
    select(lines).prop_map(<[u8]>::to_vec)
}

fn content(latin: bool) -> impl Strategy<Value = Vec<u8>> {
    (vec(line(latin), 0..24), any::<bool>()).prop_map(|(lines, ends)| {
        let mut bytes = lines.join(&b'\n');
        if ends && !bytes.is_empty() {
            bytes.push(b'\n');
        }
        bytes
    })
}

fn node(latin: bool) -> impl Strategy<Value = Node> {
    prop_oneof![
        5 => (content(latin), any::<bool>()).prop_map(|(bytes, executable)| Node::File { bytes, executable }),
        1 => select(vec!["t", "../up", "/abs", "\u{e4} b", "two\nlines"])
            .prop_map(|target| Node::Symlink { target: target.into() }),
    ]
}

type Edit = (Index, Vec<u8>, bool);

fn edited(node: &Node, edits: &[Edit], flip: bool) -> Node {
    let Node::File { bytes, executable } = node else {
        return node.clone();
    };
    let mut lines: Vec<Vec<u8>> = bytes
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    for (at, line, insert) in edits {
        let at = at.index(lines.len());
        if *insert {
            lines.insert(at, line.clone());
        } else {
            lines[at].clone_from(line);
        }
    }
    Node::File {
        bytes: lines.join(&b'\n'),
        executable: *executable != flip,
    }
}

/// A tree and what became of it: edited, moved, replaced, deleted, created.
pub(super) fn pair(latin: bool) -> impl Strategy<Value = (Tree, Tree)> {
    let one = (
        proptest::option::of(node(latin)),
        vec((any::<Index>(), line(latin), any::<bool>()), 0..4),
        proptest::option::weighted(0.2, node(latin)),
        proptest::bool::weighted(0.8),
        proptest::bool::weighted(0.2),
    );
    let moved = prop_oneof![3 => Just(0_usize), 1 => 1_usize..4];
    (vec(one, NAMES.len()), moved).prop_map(|(cells, moved)| {
        let (mut old, mut new) = (Tree::default(), Tree::default());
        for (index, (name, cell)) in NAMES.iter().zip(&cells).enumerate() {
            let (node, edits, replaced, stays, flip) = cell;
            if let Some(node) = node {
                old.0.insert(name.to_vec(), node.clone());
            }
            let base = &cells[(index + moved) % cells.len()].0;
            let next = base.as_ref().map(|node| edited(node, edits, *flip));
            if let Some(node) = replaced.clone().or(next).filter(|_| *stays) {
                new.0.insert(name.to_vec(), node);
            }
        }
        // a file may become a folder, but not the other way round
        if old.0.contains_key(NAMES[0]) && !new.0.contains_key(NAMES[0]) {
            new.0.insert(BELOW.to_vec(), file("a\n"));
        }
        (old, new)
    })
}
