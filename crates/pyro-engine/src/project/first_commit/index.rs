//! Git's index, version 2, of files as they are in the guest.
//!
//! Owns: that format. Refuses: inodes, devices, users and times of change:
//! `core.checkStat = minimal` makes git do without, and they would be those
//! of this host.

use super::Named;
use super::objects::Id;
use sha1::{Digest, Sha1};

/// The index of leaves that are sorted by path; `trees` is its extension
/// `TREE`, which saves git the comparison with the commit.
pub fn bytes(leaves: &[Named], trees: &[u8]) -> Vec<u8> {
    let count = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
    let mut bytes = b"DIRC\0\0\0\x02".to_vec();
    bytes.extend(count.to_be_bytes());
    for (leaf, id) in leaves {
        let begin = bytes.len();
        // Git keeps the low 32 bits of these, too.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let (seconds, size) = (leaf.mtime.0 as u32, leaf.size() as u32);
        let (ctime, device, inode, user, group) = ([0; 2], 0, 0, 0, 0);
        for number in [
            ctime[0],
            ctime[1],
            seconds,
            leaf.mtime.1,
            device,
            inode,
            leaf.mode(),
            user,
            group,
            size,
        ] {
            bytes.extend(u32::to_be_bytes(number));
        }
        bytes.extend(**id);
        let length = u16::try_from(leaf.path.len()).unwrap_or(u16::MAX);
        bytes.extend(length.min(0xfff).to_be_bytes());
        bytes.extend_from_slice(&leaf.path);
        // One NUL at least, and whole groups of eight.
        let padding = 8 - (bytes.len() - begin) % 8;
        bytes.resize(bytes.len() + padding, 0);
    }
    bytes.extend(b"TREE");
    bytes.extend(u32::try_from(trees.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(trees);
    let hash: Id = Sha1::digest(&bytes).into();
    bytes.extend(hash);
    bytes
}
