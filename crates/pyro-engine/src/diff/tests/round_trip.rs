//! Our diff, read and applied by our own patch code.
//!
//! Owns: the property over random trees. Refuses: git; see the neighbour.

use super::trees::pair;
use super::{changes, edit};
use crate::diff::diff;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn the_patch_of_a_diff_gives_the_new_tree((old, new) in pair(false)) {
        let made = diff(&changes(&old, &new));
        prop_assert_eq!(made.changed, old != new);
        prop_assert_eq!(made.summary.non_text, 0);
        let joined: String = made.entries.iter().flat_map(|entry| entry.text_patch.clone()).collect();
        prop_assert_eq!(&joined, &made.patch);
        if made.changed {
            let patched = old.patched(&made.patch);
            prop_assert_eq!(patched.as_ref(), Ok(&new), "{}", made.patch);
        }
    }
}

#[test]
fn a_long_search_ends_and_is_still_right() {
    let line = |number: u32| format!("{}\n", number.wrapping_mul(2_654_435_761) % 97);
    let old: String = (0..30_000).map(line).collect();
    let new: String = (0..30_000).rev().map(line).collect();
    let (old, new) = (&old[..60_000], &new[..60_000]);
    let made = diff(&[edit("x", Some(old), Some(new))]);
    let tree = |text: &str| {
        crate::patch::tests::tree::Tree::of([("x", crate::patch::tests::tree::file(text))])
    };
    assert!(!made.truncated);
    assert_eq!(tree(old).patched(&made.patch), Ok(tree(new)));
}
