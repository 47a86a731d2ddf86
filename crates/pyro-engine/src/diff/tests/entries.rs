//! Entries, counts and text of small changes.
//!
//! Owns: exact payloads. Refuses: sizes beyond the caps; see the neighbour.

use super::edit;
use crate::diff::{ArtifactType, Change, Content, Side, Status, diff};

fn file(bytes: &[u8], mode: u32) -> Option<Side> {
    let content = Content::Bytes(bytes.to_vec());
    Some(Side::File { content, mode })
}

fn link(target: &str) -> Option<Side> {
    let target = target.as_bytes().to_vec();
    Some(Side::Symlink { target })
}

fn change(path: &str, old: Option<Side>, new: Option<Side>) -> Change {
    let path = path.as_bytes().to_vec();
    Change { path, old, new }
}

#[test]
fn the_text_of_each_kind_of_change() {
    for (change, text) in [
        (
            edit("x", Some("a\nb\n"), Some("a\nc\n")),
            "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n",
        ),
        (
            edit("x y", Some("a"), Some("a\n")),
            "diff --git a/x y b/x y\n--- a/x y\t\n+++ b/x y\t\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n",
        ),
        (
            edit("e", None, Some("")),
            "diff --git a/e b/e\nnew file mode 100644\n",
        ),
        (
            edit("e", Some(""), None),
            "diff --git a/e b/e\ndeleted file mode 100644\n",
        ),
        (
            change("run", None, file(b"#!\n", 0o755)),
            "diff --git a/run b/run\nnew file mode 100755\n--- /dev/null\n+++ b/run\n@@ -0,0 +1 @@\n+#!\n",
        ),
        (
            change("run", file(b"#!\n", 0o644), file(b"#!\n", 0o755)),
            "diff --git a/run b/run\nold mode 100644\nnew mode 100755\n",
        ),
        (
            change("l", link("a"), link("b")),
            "diff --git a/l b/l\nold mode 120000\nnew mode 120000\n--- a/l\n+++ b/l\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n\
             +b\n\\ No newline at end of file\n",
        ),
        (
            change("l", file(b"a\n", 0o644), link("b")),
            "diff --git a/l b/l\ndeleted file mode 100644\n--- a/l\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n\
             diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+b\n\
             \\ No newline at end of file\n",
        ),
        (
            edit("n\n\"\u{e4}", None, Some("")),
            "diff --git \"a/n\\n\\\"\u{e4}\" \"b/n\\n\\\"\u{e4}\"\nnew file mode 100644\n",
        ),
        (
            change("d", Some(Side::Folder), file(b"", 0o644)),
            "diff --git a/d b/d\nnew file mode 100644\n",
        ),
    ] {
        let made = diff(&[change]);
        assert_eq!(made.patch, text);
        assert_eq!(made.entries[0].text_patch.as_deref(), Some(text));
        assert!(crate::patch::parse(text.as_bytes()).is_ok(), "{text}");
    }
}

#[test]
fn statuses_types_modes_and_counts() {
    let fifo = Some(Side::Other {
        kind: "fifo".to_owned(),
    });
    let made = diff(&[
        change("type", file(b"a", 0o644), link("b")),
        change("same", file(b"a", 0o644), file(b"a", 0o100_644)),
        change("none", None, None),
        change("private", file(b"a", 0o644), file(b"a", 0o600)),
        change("mode", file(b"a", 0o644), file(b"a", 0o755)),
        change("folder", None, Some(Side::Folder)),
        change("fifo", fifo.clone(), None),
        change("binary", file(b"a\0", 0o644), file(b"\xff", 0o755)),
        change("bits", file(b"a\0", 0o644), file(b"a\0", 0o755)),
    ]);
    let told: Vec<_> = made
        .entries
        .iter()
        .map(|entry| {
            let modes = entry.old_mode.as_deref().zip(entry.new_mode.as_deref());
            let text = entry.text_patch.is_some();
            (
                entry.path.as_str(),
                entry.status,
                entry.artifact_type,
                text,
                entry.binary,
                modes,
            )
        })
        .collect();
    let executable = Some(("0644", "0755"));
    assert_eq!(
        told,
        [
            (
                "binary",
                Status::Modified,
                ArtifactType::File,
                false,
                true,
                executable
            ),
            (
                "bits",
                Status::Modified,
                ArtifactType::File,
                true,
                false,
                executable
            ),
            (
                "fifo",
                Status::Deleted,
                ArtifactType::Other,
                false,
                false,
                None
            ),
            (
                "folder",
                Status::Added,
                ArtifactType::Directory,
                false,
                false,
                None
            ),
            (
                "mode",
                Status::Modified,
                ArtifactType::File,
                true,
                false,
                executable
            ),
            (
                "private",
                Status::Modified,
                ArtifactType::File,
                false,
                false,
                Some(("0644", "0600"))
            ),
            (
                "type",
                Status::TypeChanged,
                ArtifactType::Symlink,
                true,
                false,
                None
            ),
        ]
    );
    let summary = &made.summary;
    let counts = (
        summary.added,
        summary.modified,
        summary.deleted,
        summary.type_changed,
    );
    assert_eq!(counts, (1, 4, 1, 1));
    assert_eq!(
        (summary.total, summary.text_patched, summary.non_text),
        (7, 3, 4)
    );
    let binary = "diff --git a/binary b/binary\nold mode 100644\nnew mode 100755\n\
                  index 0000000..0000000\nBinary files a/binary and b/binary differ\n";
    assert!(made.patch.starts_with(binary), "{}", made.patch);
    assert!(made.changed && !made.truncated);
}

#[test]
fn the_payload_has_the_fields_of_the_contract() {
    let made = diff(&[edit("x", Some("a\n"), None)]);
    let text =
        "diff --git a/x b/x\ndeleted file mode 100644\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n";
    let expected = serde_json::json!({
        "changed": true,
        "summary": {
            "total": 1, "added": 0, "modified": 0, "deleted": 1, "type_changed": 0,
            "text_patched": 1, "non_text": 0,
        },
        "entries": [{
            "path": "x", "workspace_path": "/workspace/x", "status": "deleted", "artifact_type": "file", "text_patch": text,
            "size_bytes": 2, "binary": false, "truncated": false,
        }],
        "patch": text,
        "truncated": false,
    });
    assert_eq!(serde_json::to_value(&made).expect("JSON"), expected);
    assert!(!diff(&[]).changed);
}

#[test]
fn names_that_are_not_text_survive_in_the_patch() {
    let made = diff(&[Change {
        path: b"\xff".to_vec(),
        old: None,
        new: file(b"", 0o644),
    }]);
    assert_eq!(made.entries[0].path, "\u{fffd}");
    assert_eq!(made.entries[0].workspace_path, "/workspace/%FF");
    let patch = crate::patch::parse(made.patch.as_bytes()).expect("patch");
    assert_eq!(patch.files[0].path, b"\xff");
}
