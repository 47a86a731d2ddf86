//! What `git ls-files -t -s -z` lists.
//!
//! Owns: reading it; pure. Refuses: names that an index must not have; they
//! would leave the tree, or bring a repository of their own.

use crate::ext4_image::tree::clean;

/// A name of the index, once, whatever the number of its stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the top level; any bytes but NUL.
    pub path: Vec<u8>,
    /// What lies there.
    pub kind: Kind,
    /// Object, as hex digits; of the first stage when there are several.
    pub object: String,
    /// Left out by a sparse checkout.
    pub skip_worktree: bool,
}

/// What a name of the index stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file or link.
    Leaf,
    /// A submodule.
    Submodule,
}

/// Reads a listing: `H 100644 <object> 0\t<path>\0` and so on.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &[u8]) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in text
        .split(|byte| *byte == 0)
        .filter(|line| !line.is_empty())
    {
        let entry = entry(line)?;
        // Stages of one name stand beside each other.
        if entries.last().is_none_or(|last| last.path != entry.path) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn entry(line: &[u8]) -> Result<Entry, String> {
    let broken = || format!("git lists {:?}", String::from_utf8_lossy(line));
    let tab = line.iter().position(|byte| *byte == b'\t');
    let (facts, path) = line.split_at(tab.ok_or_else(broken)?);
    let path = &path[1..];
    let facts = std::str::from_utf8(facts).map_err(|_| broken())?;
    let facts: Vec<&str> = facts.split(' ').collect();
    let [tag, mode, object, _stage] = facts[..] else {
        return Err(broken());
    };
    let named = || format!("the index has the name {:?}", String::from_utf8_lossy(path));
    let same = clean(path).map_err(|why| format!("{}: {why}", named()))?;
    let own = |part: &[u8]| part.eq_ignore_ascii_case(b".git");
    if same.as_slice() != path || path.is_empty() || path.split(|byte| *byte == b'/').any(own) {
        return Err(named());
    }
    Ok(Entry {
        path: same,
        kind: if mode == "160000" {
            Kind::Submodule
        } else {
            Kind::Leaf
        },
        object: object.to_owned(),
        skip_worktree: tag.eq_ignore_ascii_case("S"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stages_are_one_name_and_kinds_are_told_apart() {
        let text = b"H 100644 aa 0\ta b\0S 100755 bb 0\tc\0M 100644 c1 1\td\0M 100644 c2 2\td\0\
            M 100644 c3 3\td\0H 160000 dd 0\tsub\0H 120000 ee 0\t\xff\nl\0";
        let entries = parse(text).unwrap();
        let paths: Vec<_> = entries.iter().map(|entry| entry.path.as_slice()).collect();
        assert_eq!(paths, [b"a b".as_slice(), b"c", b"d", b"sub", b"\xff\nl"]);
        assert!(entries[1].skip_worktree && !entries[0].skip_worktree);
        assert_eq!(entries[3].kind, Kind::Submodule);
        assert_eq!(entries[2].object, "c1");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "../x",
            "/x",
            "a/../b",
            "a//b",
            "./a",
            ".git/config",
            "a/.GIT/hooks/x",
            "",
        ] {
            let text = format!("H 100644 aa 0\t{name}\0");
            assert!(parse(text.as_bytes()).is_err(), "{name:?}");
        }
        for text in ["x\0", "H 100644 0\tx\0", "H\tx\0"] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(entries) = parse(&text) {
                for entry in entries {
                    prop_assert!(!entry.path.is_empty() && !entry.path.contains(&0));
                }
            }
        }

        #[test]
        fn every_name_comes_back(names in prop::collection::btree_set("[^\\x00/]{1,20}(/[^\\x00/]{1,9})?", 0..20)) {
            let bad = |part: &str| [".", "..", ".git"].contains(&part.to_ascii_lowercase().as_str());
            let names: Vec<_> = names.into_iter().filter(|name| !name.split('/').any(bad)).collect();
            let text: String = names.iter().map(|name| format!("H 100644 ab 0\t{name}\0")).collect();
            let entries = parse(text.as_bytes()).unwrap();
            prop_assert_eq!(entries.len(), names.len());
            for (entry, name) in entries.iter().zip(&names) {
                prop_assert_eq!(&entry.path, name.as_bytes());
            }
        }
    }
}
