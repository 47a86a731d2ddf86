//! Random input: reading and applying never panic.
//!
//! Owns: bytes, and damaged patches. Refuses: results.

use super::tree::{Tree, file};
use crate::patch::{apply, parse};
use proptest::prelude::*;

const PIECES: [&str; 26] = [
    "diff --git a/x b/x\n",
    "diff --git \"a/\\303\" b/y z\n",
    "--- a/x\n",
    "+++ b/x\n",
    "--- /dev/null\n",
    "+++ /dev/null\n",
    "@@ -1 +1 @@\n",
    "@@ -0,0 +1,2 @@\n",
    "@@ -2,0 +3 @@\n",
    "@@ -1,3 +1,2 @@ x\n",
    "-a\n",
    "+b\n",
    " c\n",
    "\n",
    "\\ No newline at end of file\n",
    "old mode 100644\n",
    "new mode 100755\n",
    "new file mode 120000\n",
    "deleted file mode 100644\n",
    "rename from x\n",
    "rename to y\n",
    "copy from x\n",
    "copy to z\n",
    "index 1..2 100644\n",
    "-- \n",
    "\r\n",
];

fn try_all(text: &[u8]) {
    if let Ok(patch) = parse(text) {
        let tree = Tree::of([("x", file("a\nc\nc\n")), ("y", file("a"))]);
        if let Ok(applied) = apply(&patch, |path| Ok(tree.read(path))) {
            let mut tree = tree;
            tree.carry_out(&applied);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn any_bytes(text in proptest::collection::vec(any::<u8>(), 0..300)) {
        try_all(&text);
    }

    #[test]
    fn any_pieces_of_patches(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..24),
    ) {
        try_all(pieces.concat().as_bytes());
    }

    #[test]
    fn a_patch_with_damage(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..6),
    ) {
        let mut text = b"diff --git a/x b/x\nold mode 100644\nnew mode 100755\nindex 1..2\n--- a/x\n\
            +++ b/x\n@@ -1,3 +1,2 @@\n a\n-c\n c\ndiff --git \"a/\\\"\" \"b/\\\"\"\nnew file mode 100644\n\
            --- /dev/null\n+++ \"b/\\\"\"\n@@ -0,0 +1 @@\n+a\n\\ No newline at end of file\n".to_vec();
        for (at, byte, how) in damage {
            let at = at.index(text.len());
            match how {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => { text.remove(at); }
            }
        }
        try_all(&text);
    }
}
