//! What is left out, and that it is said.
//!
//! Owns: the limits per file and per patch, contents that were not read.
//! Refuses: small changes; see the neighbour.

use super::edit;
use crate::diff::{Change, Content, MAX_FILE_TEXT, MAX_TEXT, Side, diff};

#[test]
fn a_file_beyond_the_limit_is_a_sentence() {
    let lines = MAX_FILE_TEXT / 4;
    let (old, new) = ("abc\n".repeat(lines), "xyz\n".repeat(lines));
    let made = diff(&[
        edit("large", Some(&old), Some(&new)),
        edit("z", None, Some("a\n")),
    ]);
    let sentence = format!(
        "diff --git a/large b/large\nindex 0000000..0000000\nThe change of large is left out: its patch is larger than {MAX_FILE_TEXT} bytes.\n"
    );
    assert!(made.patch.starts_with(&sentence), "{}", &made.patch[..200]);
    assert!(made.truncated && made.entries[0].truncated && !made.entries[1].truncated);
    assert_eq!(made.entries[0].text_patch, None);
    assert!(made.entries[1].text_patch.is_some());
    // a small change of a large file is small
    let made = diff(&[edit("large", Some(&old), Some(&(old.clone() + "end\n")))]);
    assert!(!made.truncated && made.patch.len() < 200);
}

#[test]
fn beyond_the_limit_of_the_patch_the_rest_is_one_sentence() {
    let text = format!("{}\n", "x".repeat(200 << 10));
    let names: Vec<String> = (0..30).map(|number| format!("f{number:02}")).collect();
    let changes: Vec<Change> = names
        .iter()
        .map(|name| edit(name, None, Some(&text)))
        .collect();
    let made = diff(&changes);
    let whole = made.entries.iter().filter(|entry| !entry.truncated).count();
    assert_eq!(whole, MAX_TEXT / (text.len() + 80));
    assert_eq!((made.entries.len(), made.summary.text_patched), (30, whole));
    assert!(made.truncated && made.patch.len() < MAX_TEXT + 200);
    let end = format!("(changes left out so: {}).\n", 30 - whole);
    assert!(
        made.patch.ends_with(&end),
        "{}",
        &made.patch[made.patch.len() - 200..]
    );
}

#[test]
fn what_was_not_read_is_compared_and_never_shown_as_text() {
    let side = |content: &Content, mode| {
        let content = content.clone();
        Some(Side::File { content, mode })
    };
    let change = |old: &Content, new: &Content| Change {
        path: b"x".to_vec(),
        old: side(old, 0o644),
        new: side(new, 0o644),
    };
    let unread = |identity, binary| Content::Unread {
        size: 5,
        identity,
        binary,
    };
    assert!(!diff(&[change(&unread(1, false), &unread(1, true))]).changed);
    let mut mode = change(&unread(1, false), &unread(1, false));
    mode.new = side(&unread(1, false), 0o755);
    let made = diff(&[mode]);
    let text = "diff --git a/x b/x\nold mode 100644\nnew mode 100755\n";
    assert_eq!((made.patch.as_str(), made.truncated), (text, false));

    let read = Content::Bytes(b"a".to_vec());
    let sentence = "is left out: the file is too large to compare.\n";
    for (old, new) in [
        (unread(1, false), unread(2, false)),
        (read.clone(), unread(1, false)),
        (unread(1, false), read.clone()),
    ] {
        let made = diff(&[change(&old, &new)]);
        assert!(made.truncated && made.entries[0].truncated && !made.entries[0].binary);
        assert!(made.patch.ends_with(sentence), "{}", made.patch);
    }
    // One side that is surely no text is all there is to know.
    for (old, new) in [
        (unread(1, true), unread(2, false)),
        (unread(1, true), unread(2, true)),
        (read, unread(1, true)),
    ] {
        let made = diff(&[change(&old, &new)]);
        assert!(made.entries[0].binary && !made.truncated, "{}", made.patch);
        assert!(made.patch.ends_with("Binary files a/x and b/x differ\n"));
    }
}
