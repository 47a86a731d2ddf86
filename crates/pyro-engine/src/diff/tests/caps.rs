//! What is left out, and that it is said.
//!
//! Owns: the limits per file and per patch, contents known by digest only.
//! Refuses: small changes; see the neighbour.

use super::edit;
use crate::diff::{Change, Content, MAX_FILE_TEXT, MAX_TEXT, Side, diff};
use sha2::{Digest, Sha256};

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
fn a_digest_is_compared_and_never_shown_as_text() {
    let file = |content: Content| {
        Some(Side::File {
            content,
            mode: 0o644,
        })
    };
    let digest = |bytes: &[u8]| Content::Digest {
        size: bytes.len() as u64,
        sha256: Sha256::digest(bytes).into(),
    };
    let change = |old, new| Change {
        path: b"x".to_vec(),
        old: file(old),
        new: file(new),
    };
    assert!(!diff(&[change(Content::Bytes(b"a".to_vec()), digest(b"a"))]).changed);
    assert!(!diff(&[change(digest(b"a"), digest(b"a"))]).changed);
    let mut mode = change(digest(b"a"), digest(b"a"));
    mode.new = Some(Side::File {
        content: Content::Bytes(b"a".to_vec()),
        mode: 0o755,
    });
    let made = diff(&[mode]);
    let text = "diff --git a/x b/x\nold mode 100644\nnew mode 100755\n";
    assert_eq!((made.patch.as_str(), made.truncated), (text, false));
    let made = diff(&[change(digest(b"b"), Content::Bytes(b"a".to_vec()))]);
    assert!(made.truncated && made.entries[0].truncated && !made.entries[0].binary);
    assert!(
        made.patch
            .ends_with("is left out: the file is too large to compare.\n")
    );
}
