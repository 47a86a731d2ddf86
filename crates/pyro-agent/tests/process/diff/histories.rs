//! Random histories of a tree, told as a plain comparison tells them.
//!
//! Owns: the property, and the comparison it rests on: both trees walked from
//! end to end. Refuses: the exact words of single changes; see above.

use super::{seeded, words};
use proptest::prelude::*;
use pyro_proto::messages::diff::TreeSide;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Kind, mode and content by name.
type Leaves = BTreeMap<Vec<u8>, (char, u32, Vec<u8>)>;

/// A tree as a plain walk sees it: leaves, empty folders among them.
fn leaves(folder: &Path) -> Leaves {
    fn below(folder: &Path, prefix: &Path, found: &mut Leaves) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let (path, name) = (entry.path(), prefix.join(entry.file_name()));
            let key = name.as_os_str().as_bytes().to_vec();
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() {
                if std::fs::read_dir(&path).unwrap().next().is_none() {
                    found.insert(key, ('d', 0, Vec::new()));
                }
                below(&path, &name, found);
            } else if meta.is_symlink() {
                let target = path.read_link().unwrap();
                found.insert(key, ('l', 0, target.as_os_str().as_bytes().to_vec()));
            } else {
                let mode = meta.permissions().mode() & 0o7777;
                found.insert(key, ('f', mode, std::fs::read(&path).unwrap()));
            }
        }
    }
    let mut found = BTreeMap::new();
    below(folder, Path::new(""), &mut found);
    found
}

/// Without asking the file system, which would follow a link on the way.
fn is_folder(tree: &Leaves, name: &[u8]) -> bool {
    let inside = [name, b"/"].concat();
    tree.get(name).is_some_and(|leaf| leaf.0 == 'd')
        || tree.keys().any(|key| key.starts_with(&inside))
}

const PLACES: [&str; 9] = [
    "a", "b", "a/x", "a/y", "b/x", "a/x/1", "b/x/1", "a/y/2", "c",
];

fn step() -> impl Strategy<Value = String> {
    let place = || proptest::sample::select(PLACES.to_vec());
    prop_oneof![
        (place(), 0..4u8)
            .prop_map(|(at, n)| format!("mkdir -p $(dirname {at}) && echo {n} > {at}")),
        place().prop_map(|at| format!("rm -rf {at}")),
        place().prop_map(|at| format!("mkdir -p {at}")),
        place().prop_map(|at| format!("mkdir -p $(dirname {at}) && ln -sfn a {at}")),
        place().prop_map(|at| format!("[ -L {at} ] || chmod u=rwx,g=,o= {at}")),
        (place(), place())
            .prop_map(|(from, to)| format!("mkdir -p $(dirname {to}) && mv -T {from} {to}")),
        (place(), place()).prop_map(|(from, to)| format!(
            "rm -rf {to}; mkdir -p $(dirname {to}) && mv -T {from} {to}"
        )),
        (place(), place()).prop_map(|(from, to)| format!("cp -aT {from} {to}")),
        (place(), place()).prop_map(|(from, to)| format!("ln {from} {to}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn any_history_gives_what_both_trees_differ_in(
        before in proptest::collection::vec(step(), 0..10),
        after in proptest::collection::vec(step(), 1..14),
    ) {
        let line = |steps: &[String]| steps.iter().map(|step| format!("( {step} ) 2>/dev/null; ")).collect::<String>() + "true";
        let Some(at) = seeded(|lower| {
            let done = std::process::Command::new("sh").args(["-c", &line(&before)]).current_dir(lower).status();
            assert!(done.unwrap().success());
        }) else {
            return Ok(());
        };
        at.sh(&line(&after));
        // The overlay is the agent's alone: a copy of it is compared.
        let copy = at.at("copy");
        at.sh(&format!("cp -aT . {}", copy.display()));
        let (old, new) = (leaves(&at.at("lower")), leaves(&copy));
        let mut wanted = Vec::new();
        let mut names: Vec<_> = old.keys().chain(new.keys()).cloned().collect();
        names.sort();
        names.dedup();
        for name in names {
            // A folder that was or is one with something in it is no change.
            let was = old.get(&name).filter(|leaf| leaf.0 != 'd' || !is_folder(&new, &name));
            let is = new.get(&name).filter(|leaf| leaf.0 != 'd' || !is_folder(&old, &name));
            if was != is {
                let sign = match (was, is) { (None, _) => '+', (_, None) => '-', _ => '~' };
                wanted.push(format!("{sign}{}", String::from_utf8_lossy(&name)));
            }
        }
        let (changes, _) = at.diff();
        let mut found = words(&changes);
        found.sort_by(|a, b| a[1..].cmp(&b[1..]));
        prop_assert_eq!(found, wanted);
        for (change, contents) in &changes {
            let read = |tree: &Leaves| tree.get(change.path.bytes()).map(|leaf| leaf.2.clone()).unwrap_or_default();
            if let Some(TreeSide::File { .. }) = change.new && change.sent {
                prop_assert_eq!(&contents[1], &read(&new));
            }
            if let Some(TreeSide::File { .. }) = change.old && change.sent {
                prop_assert_eq!(&contents[0], &read(&old));
            }
        }
    }
}
