//! Access lists: the kernel's form as ext4's.
//!
//! Owns: that translation. Refuses: lists that are neither, which are left out
//! with a refusal by the caller.
//!
//! ```text
//!   kernel   version 2 | tag 2, rights 2, id 4 | ...
//!   ext4     version 1 | tag 2, rights 2, id 4 only for a named user or group | ...
//! ```

const KERNEL_VERSION: [u8; 4] = 2u32.to_le_bytes();
const EXT4_VERSION: [u8; 4] = 1u32.to_le_bytes();
/// Tags of entries that name somebody.
const NAMED: [u16; 2] = [0x02, 0x08];
/// Tags of the others: owner, owning group, mask, everybody else.
const UNNAMED: [u16; 4] = [0x01, 0x04, 0x10, 0x20];

/// None for what is no access list.
pub fn on_disk(value: &[u8]) -> Option<Vec<u8>> {
    let entries = value.strip_prefix(&KERNEL_VERSION)?;
    let (entries, rest) = entries.as_chunks::<8>();
    if !rest.is_empty() {
        return None;
    }
    let mut list = EXT4_VERSION.to_vec();
    for entry in entries {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        if NAMED.contains(&tag) {
            list.extend_from_slice(entry);
        } else if UNNAMED.contains(&tag) {
            list.extend_from_slice(&entry[..4]);
        } else {
            return None;
        }
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_is_translated() {
        let kernel = [
            &[2, 0, 0, 0][..],
            &[1, 0, 6, 0, 255, 255, 255, 255],
            &[2, 0, 4, 0, 232, 3, 0, 0],
        ];
        let disk = [
            &[1, 0, 0, 0][..],
            &[1, 0, 6, 0],
            &[2, 0, 4, 0, 232, 3, 0, 0],
        ];
        assert_eq!(on_disk(&kernel.concat()), Some(disk.concat()));
        assert_eq!(on_disk(&[1, 0, 0, 0]), None);
        assert_eq!(on_disk(&[2, 0, 0, 0, 1]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = on_disk(&bytes);
            let _ = on_disk(&[&KERNEL_VERSION[..], &bytes].concat());
        }
    }
}
