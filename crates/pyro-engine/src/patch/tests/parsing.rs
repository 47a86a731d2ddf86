//! Patches of real shapes that must be read.
//!
//! Owns: texts as git, GNU diff and mail programs write them.
//! Refuses: refusals; see the neighbour.

use crate::patch::{Action, LineKind, Mode, Patch, parse, quote};

fn read(text: impl AsRef<[u8]>) -> Patch {
    parse(text.as_ref()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_mail_of_git_format_patch() {
    let patch = read(
        "From 3f2a Mon Sep 17 00:00:00 2001\nFrom: A <a@example.org>\nSubject: [PATCH] Fix\n\n\
         Why: --- this is no header\n+++ nor is this\n---\n src/a.rs | 2 +-\n 1 file changed\n\n\
         diff --git a/src/a.rs b/src/a.rs\nindex 1234567..89abcde 100644\n--- a/src/a.rs\n\
         +++ b/src/a.rs\n@@ -1,3 +1,3 @@ fn main() {\n one\n-two\n+TWO\n three\n-- \n2.39.2\n\n\
         From 4f2a Mon Sep 17 00:00:00 2001\n\ndiff --git a/run b/run\nold mode 100644\n\
         new mode 100755\n-- \n2.39.2\n\n",
    );
    assert_eq!(patch.files.len(), 2);
    let first = &patch.files[0];
    assert_eq!(first.path, b"src/a.rs");
    assert_eq!(first.line, 11);
    assert_eq!(first.hunks[0].header, "@@ -1,3 +1,3 @@ fn main() {");
    assert_eq!(first.hunks[0].line, 15);
    assert_eq!(first.old_mode, Some(Mode::File { executable: false }));
    let second = &patch.files[1];
    assert_eq!(second.new_mode, Some(Mode::File { executable: true }));
    assert!(second.hunks.is_empty());
}

#[test]
fn created_deleted_renamed_and_copied() {
    let patch = read(
        "diff --git a/empty b/empty\nnew file mode 100755\nindex 0000000..e69de29\n\
         diff --git a/gone b/gone\ndeleted file mode 100644\nindex e69de29..0000000\n\
         diff --git a/old name b/new name\nsimilarity index 100%\nrename from old name\nrename to new name\n\
         diff --git a/x b/dir/y\nsimilarity index 90%\ncopy from x\ncopy to dir/y\nindex 1..2 100644\n\
         --- a/x\n+++ b/dir/y\n@@ -1 +1 @@\n-a\n+b\n\
         diff --git a/link b/link\nnew file mode 120000\nindex 0..1\n--- /dev/null\n+++ b/link\n\
         @@ -0,0 +1 @@\n+target\n\\ No newline at end of file\n",
    );
    let told: Vec<_> = patch
        .files
        .iter()
        .map(|file| (file.path.as_slice(), &file.action))
        .collect();
    let from = |name: &str| name.as_bytes().to_vec();
    assert_eq!(
        told,
        [
            (b"empty".as_slice(), &Action::Create),
            (b"gone", &Action::Delete),
            (
                b"new name",
                &Action::Rename {
                    from: from("old name")
                }
            ),
            (b"dir/y", &Action::Copy { from: from("x") }),
            (b"link", &Action::Create),
        ]
    );
    assert_eq!(patch.files[4].new_mode, Some(Mode::Symlink));
    assert_eq!(patch.files[4].hunks[0].lines[0].text, b"target");
}

#[test]
fn names_with_and_without_prefix_and_quotes() {
    let change = "@@ -1 +1 @@\n-a\n+b\n";
    for (labels, name) in [
        ("--- a/x\n+++ b/x\n", "x"),
        ("--- x\n+++ x\n", "x"),
        ("--- a/x\n+++ a/x\n", "a/x"),
        ("--- ./dir//x\n+++ ./dir//x\n", "dir/x"),
        ("--- i/x\n+++ w/x\n", "x"),
        (
            "--- a/x y\t2024-01-01 10:00:00.0 +0000\n+++ b/x y\t2024-01-01\n",
            "x y",
        ),
        ("--- \"a/\\303\\244\\n\"\n+++ \"b/\\303\\244\\n\"\n", "ä\n"),
        (
            "diff --git a/x b/x b/x b/x\n--- a/x b/x\t\n+++ b/x b/x\t\n",
            "x b/x",
        ),
        ("diff --git b/x b/x\n--- b/x\n+++ b/x\n", "b/x"),
        (
            "diff --git \"a/\\\"\\t\" \"b/\\\"\\t\"\n--- \"a/\\\"\\t\"\n+++ \"b/\\\"\\t\"\n",
            "\"\t",
        ),
        ("diff --git b/x a/x\n--- b/x\n+++ a/x\n", "x"),
    ] {
        let patch = read(format!("{labels}{change}"));
        assert_eq!(patch.files[0].path, name.as_bytes(), "{labels}");
        assert_eq!(patch.files[0].action, Action::Modify);
    }
    for (text, name) in [
        (
            "diff --git a/x y b/x y\nold mode 100644\nnew mode 100755\n",
            "x y",
        ),
        (
            "diff --git \"a/\\1771\" \"b/\\1771\"\nnew file mode 100644\n",
            "\u{7f}1",
        ),
        ("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n", "x"),
        ("--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", "x"),
        ("--- /dev/null\n+++ sub/x\n@@ -0,0 +1 @@\n+a\n", "sub/x"),
    ] {
        assert_eq!(read(text).files[0].path, name.as_bytes(), "{text}");
    }
}

#[test]
fn gnu_diff_dates_an_absent_side_to_the_epoch() {
    let text = "--- a/x\t1970-01-01 00:00:00.000000000 +0000\n+++ b/x\t2024-01-01 00:00:00\n\
                @@ -0,0 +1 @@\n+a\n";
    assert_eq!(read(text).files[0].action, Action::Create);
    let text = "--- a/x\t2024-01-01 00:00:00\n+++ b/x\t1969-12-31 16:00:00.000000000 -0800\n\
                @@ -1 +0,0 @@\n-a\n";
    assert_eq!(read(text).files[0].action, Action::Delete);
}

#[test]
fn lines_are_read_by_count_and_split_at_line_feeds_only() {
    let text =
        "--- a/x\n+++ b/x\n@@ -1,4 +1,4 @@\n--- a comment of SQL\n+++ more\n \n\n a\u{2028}b\r\n";
    let hunk = &read(text).files[0].hunks[0];
    let lines: Vec<_> = hunk
        .lines
        .iter()
        .map(|line| (line.kind, line.text.as_slice()))
        .collect();
    assert_eq!(
        lines,
        [
            (LineKind::Delete, b"-- a comment of SQL\n".as_slice()),
            (LineKind::Add, b"++ more\n"),
            (LineKind::Context, b"\n"),
            (LineKind::Context, b"\n"),
            (LineKind::Context, "a\u{2028}b\r\n".as_bytes()),
        ]
    );
}

#[test]
fn carriage_returns_stay_in_content_and_leave_headers() {
    let text = "diff --git a/x b/x\r\n--- a/x\r\n+++ b/x\r\n@@ -1 +1 @@\r\n-a\r\n+b\r\n";
    let patch = read(text);
    assert_eq!(patch.files[0].path, b"x");
    assert_eq!(patch.files[0].hunks[0].lines[1].text, b"b\r\n");
}

#[test]
fn the_last_line_feed_of_a_patch_may_be_missing() {
    let text = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b";
    assert_eq!(read(text), read(format!("{text}\n")));
}

#[test]
fn quotes_are_as_git_writes_them() {
    for (name, quoted) in [
        ("plain name", "plain name"),
        ("ä", "ä"),
        ("a\"b\\c", r#""a\"b\\c""#),
        ("tab\tä\n\u{1}\u{7f}", r#""tab\tä\n\001\177""#),
    ] {
        assert_eq!(quote(name.as_bytes()), quoted);
    }
    assert_eq!(quote(b"a\xff\xc3"), r#""a\377\303""#);
}
