//! Tests of reading and applying patches.
//!
//! Owns: the cases. Refuses: running git; see the tests of [`crate::diff`].

mod applying;
mod arbitrary;
mod moving;
mod parsing;
mod refusing;
pub(crate) mod tree;
