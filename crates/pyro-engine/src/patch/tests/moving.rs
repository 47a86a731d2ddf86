//! Files that come, go, move and change their kind.
//!
//! Owns: what must be there, and the order of changes. Refuses: hunks.

use super::tree::{Tree, file, link};
use crate::error::Error;
use crate::patch::{Applied, ApplyError, Node, Reason, Status, apply, parse};

fn reasons(tree: &Tree, patch: &str) -> Vec<Reason> {
    let report = tree.patched(patch).expect_err(patch);
    report
        .failures
        .into_iter()
        .map(|failure| failure.reason)
        .collect()
}

fn order(applied: &Applied) -> Vec<(String, Status)> {
    let told = applied.changes.iter();
    told.map(|change| {
        (
            String::from_utf8_lossy(&change.path).into_owned(),
            change.status,
        )
    })
    .collect()
}

fn create(path: &str) -> String {
    format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+new\n")
}

fn delete(path: &str) -> String {
    format!("--- a/{path}\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n")
}

fn rename(from: &str, to: &str) -> String {
    format!("diff --git a/{from} b/{to}\nrename from {from}\nrename to {to}\n")
}

#[test]
fn writes_by_path_then_deletes_by_path() {
    let tree = Tree::of([
        ("b", file("old\n")),
        ("a", file("old\n")),
        ("m", file("old\n")),
    ]);
    let change = "--- a/m\n+++ b/m\n@@ -1 +1 @@\n-old\n+new\n";
    let patch = delete("b") + &create("z") + change + &delete("a") + &create("sub/y");
    let applied = tree.try_apply(patch).expect("applies");
    let expected = [
        ("m", Status::Modified),
        ("sub/y", Status::Added),
        ("z", Status::Added),
        ("a", Status::Deleted),
        ("b", Status::Deleted),
    ];
    assert_eq!(
        order(&applied),
        expected.map(|(path, status)| (path.to_owned(), status))
    );
}

#[test]
fn every_section_starts_from_the_tree_before_the_patch() {
    let tree = Tree::of([("a", file("A\n")), ("b", file("B\n"))]);
    let swapped = tree
        .patched(rename("a", "b") + &rename("b", "a"))
        .expect("applies");
    assert_eq!(swapped, Tree::of([("a", file("B\n")), ("b", file("A\n"))]));
    let patch = "diff --git a/a b/c\ncopy from a\ncopy to c\ndiff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-A\n+X\n";
    let copied = tree.patched(patch).expect("applies");
    let expected = Tree::of([("a", file("X\n")), ("b", file("B\n")), ("c", file("A\n"))]);
    assert_eq!(copied, expected);
}

#[test]
fn symlinks_are_changed_only_as_symlinks() {
    let tree = Tree::of([("l", link("one")), ("f", file("old\n"))]);
    let change =
        "@@ -1 +1 @@\n-one\n\\ No newline at end of file\n+two\n\\ No newline at end of file\n";
    let patch = format!("diff --git a/l b/l\nindex 1..2 120000\n--- a/l\n+++ b/l\n{change}");
    assert_eq!(
        tree.patched(patch).expect("applies").0[b"l".as_slice()],
        link("two")
    );
    assert_eq!(
        reasons(&tree, &format!("--- a/l\n+++ b/l\n{change}")),
        [Reason::IsSymlink]
    );
    let on_file =
        "diff --git a/f b/f\nindex 1..2 120000\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-old\n+two\n";
    assert_eq!(reasons(&tree, on_file), [Reason::NotSymlink]);
    let empty = "diff --git a/e b/e\nnew file mode 120000\n";
    assert_eq!(reasons(&tree, empty), [Reason::BadTarget]);
    assert!(tree.patched(rename("l", "m")).is_ok());
}

#[test]
fn a_change_of_the_kind_is_a_deletion_and_a_creation() {
    let tree = Tree::of([("x", file("old\n"))]);
    let into = "diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+to\n\\ No newline at end of file\n";
    let applied = tree.try_apply(delete("x") + into).expect("applies");
    assert_eq!(order(&applied), [("x".to_owned(), Status::Modified)]);
    let into_folder = tree
        .try_apply(create("x/y") + &delete("x"))
        .expect("applies");
    let expected = [
        ("x".to_owned(), Status::Deleted),
        ("x/y".to_owned(), Status::Added),
    ];
    assert_eq!(order(&into_folder), expected);
}

#[test]
fn what_is_in_the_way_or_missing_is_told() {
    let mut tree = Tree::of([
        ("f", file("old\n")),
        ("d/f", file("old\n")),
        ("long", file("old\n1\n")),
    ]);
    tree.0.insert(b"fifo".to_vec(), Node::Other);
    tree.0.insert(b"huge".to_vec(), Node::TooLarge);
    let parent = |name: &str| Reason::ParentNotFolder(name.to_owned());
    for (patch, reason) in [
        (create("f"), Reason::Exists),
        (create("d"), Reason::IsFolder),
        (create("f/y"), parent("f")),
        (create("n") + &create("n/y"), parent("n")),
        (delete("none"), Reason::Missing),
        (delete("d"), Reason::IsFolder),
        (delete("fifo"), Reason::IsOther),
        (delete("huge"), Reason::TooLarge),
        (delete("long"), Reason::LeavesContent),
        (
            "diff --git a/f b/f\ndeleted file mode 100644\n".to_owned(),
            Reason::LeavesContent,
        ),
        (rename("none", "new"), Reason::Missing),
        (rename("f", "long"), Reason::Exists),
    ] {
        assert_eq!(reasons(&tree, &patch), [reason], "{patch}");
    }
}

#[test]
fn the_reader_is_never_sent_through_a_symlink() {
    let tree = Tree::of([("l", link("/etc")), ("d/l", link("."))]);
    let change = |path: &str| format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n");
    for text in [
        change("l/x"),
        create("l/x"),
        delete("l/x"),
        rename("l/x", "y"),
        change("d/l/x/y"),
    ] {
        let patch = parse(text.as_bytes()).expect("patch");
        let told = apply(&patch, |path| {
            assert!(!path.windows(2).any(|part| part == b"l/"), "{path:?}");
            Ok(tree.read(path))
        });
        let Err(ApplyError::Rejected(report)) = told else {
            panic!("{told:?}");
        };
        let reason = &report.failures[0].reason;
        assert!(matches!(reason, Reason::ParentNotFolder(_)), "{reason}");
    }
}

#[test]
fn a_reader_that_fails_ends_the_work() {
    let patch = parse(create("x").as_bytes()).expect("patch");
    let failed = apply(&patch, |_| Err(Error::runtime("io", "no")));
    assert!(matches!(
        failed,
        Err(ApplyError::Read(Error { code: "io", .. }))
    ));
}

#[test]
fn copies_cannot_fill_the_memory() {
    let tree = Tree::of([("x", file(vec![b'x'; 16 << 20]))]);
    let copy = |to| format!("diff --git a/x b/{to}\ncopy from x\ncopy to {to}\n");
    let patch: String = (0..17).map(copy).collect();
    assert_eq!(reasons(&tree, &patch), [Reason::TooLargeTogether]);
}
