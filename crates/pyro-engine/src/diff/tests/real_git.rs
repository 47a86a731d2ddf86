//! Our diff applied by git, and git's diff applied by us.
//!
//! Owns: the properties over random trees, with git's own settings varied.
//! Refuses: our two halves together; see the neighbour.

use super::git::Folder;
use super::trees::{BELOW, pair};
use super::{changes, edit};
use crate::diff::{Change, Content, Side, diff};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn git_applies_our_patch((old, new) in pair(false)) {
        let made = diff(&changes(&old, &new));
        if made.changed {
            let folder = Folder::new();
            folder.fill(&old);
            let output = folder.git(&["apply", "--whitespace=nowarn"], made.patch.as_bytes());
            let error = String::from_utf8_lossy(&output.stderr);
            prop_assert!(output.status.success(), "{}\n{}", error, made.patch);
            prop_assert_eq!(folder.tree(), new, "{}", made.patch);
        }
    }
}

const SETTINGS: [&[&str]; 8] = [
    &["-M"],
    &["--no-renames"],
    &["-C", "--find-copies-harder"],
    &["-B", "--no-renames"],
    &["--no-renames", "-U0"],
    &["-M", "-U1", "--no-prefix"],
    &["-M", "--full-index"],
    &["-M", "--patience", "--function-context"],
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn we_apply_the_diff_of_git((old, new) in pair(true)) {
        let folder = Folder::new();
        folder.told(&["init", "--quiet"]);
        folder.fill(&old);
        folder.told(&["add", "--all"]);
        let before = folder.told(&["write-tree"]);
        let before = String::from_utf8(before).expect("a digest");
        folder.fill(&new);
        folder.told(&["add", "--all"]);
        for (index, settings) in SETTINGS.iter().enumerate() {
            let quoted = if index % 2 == 0 { "core.quotePath=true" } else { "core.quotePath=false" };
            let prefix = if index % 3 == 0 { "diff.mnemonicPrefix=true" } else { "diff.noPrefix=false" };
            let mut arguments = vec!["-c", quoted, "-c", prefix, "diff", "--cached"];
            arguments.extend_from_slice(settings);
            arguments.push(before.trim());
            let patch = folder.told(&arguments);
            if old != new {
                let patched = old.patched(&patch);
                prop_assert_eq!(patched.as_ref(), Ok(&new), "{}", String::from_utf8_lossy(&patch));
            }
            if index < 4 && !new.0.contains_key(BELOW) {
                arguments.insert(6, "-R");
                let patch = folder.told(&arguments);
                if old != new {
                    let patched = new.patched(&patch);
                    prop_assert_eq!(patched.as_ref(), Ok(&old), "{}", String::from_utf8_lossy(&patch));
                }
            }
        }
    }
}

#[test]
fn git_refuses_a_patch_with_something_left_out() {
    let large = "x\n".repeat(300_000);
    let binary = Content::Bytes(vec![0, 1]);
    let unread = |binary| Content::Unread {
        size: 1 << 40,
        identity: 7,
        binary,
    };
    let file = |content: &Content| {
        let content = content.clone();
        Some(Side::File {
            content,
            mode: 0o644,
        })
    };
    for left_out in [
        edit("large", None, Some(&large)),
        edit("large", Some("a\n"), Some(&large)),
        Change {
            path: b"binary \xff".to_vec(),
            old: None,
            new: file(&binary),
        },
        Change {
            path: b"binary".to_vec(),
            old: file(&binary),
            new: file(&Content::Bytes(vec![0])),
        },
        Change {
            path: b"binary".to_vec(),
            old: file(&binary),
            new: file(&unread(false)),
        },
        Change {
            path: b"binary".to_vec(),
            old: None,
            new: file(&unread(true)),
        },
    ] {
        let made = diff(&[edit("fine", None, Some("a\n")), left_out]);
        assert_eq!((made.summary.text_patched, made.summary.non_text), (1, 1));
        let folder = Folder::new();
        std::fs::write(folder.work().join("large"), "a\n").expect("write");
        std::fs::write(folder.work().join("binary"), [0, 1]).expect("write");
        let output = folder.git(&["apply"], made.patch.as_bytes());
        assert!(!output.status.success(), "{}", made.patch);
        assert!(!folder.work().join("fine").exists());
        assert!(crate::patch::parse(made.patch.as_bytes()).is_err());
    }
}
