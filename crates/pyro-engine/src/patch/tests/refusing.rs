//! Texts that are refused, with the line and the file they are refused for.
//!
//! Owns: one case per problem. Refuses: trees that do not fit.

use crate::error::{Error, Kind};
use crate::patch::{MAX_PATCH, ParseError, Problem, parse};

fn refused(text: impl AsRef<[u8]>) -> ParseError {
    parse(text.as_ref()).expect_err(&String::from_utf8_lossy(text.as_ref()))
}

#[test]
fn every_problem_names_its_line_and_file() {
    let git = "diff --git a/x b/x\n";
    let plain = "--- a/x\n+++ b/x\n";
    let hunk = "@@ -1 +1 @@\n-a\n+b\n";
    let name = |old: &str, new: &str| Problem::NamesDiffer {
        old: old.to_owned(),
        new: new.to_owned(),
    };
    let counts = |old, new| Problem::HunkCounts { old, new };
    for (text, line, path, problem) in [
        (" \n\t\n".to_owned(), 1, None, Problem::Blank),
        ("hello\n".to_owned(), 1, None, Problem::NoSections),
        (
            format!("{git}index 1..2\nGIT binary patch\n"),
            3,
            Some("x"),
            Problem::Binary,
        ),
        (
            format!("{git}Binary files a/x and b/x differ\n"),
            2,
            Some("x"),
            Problem::Binary,
        ),
        (
            "Binary files a and b differ\n".to_owned(),
            1,
            None,
            Problem::Binary,
        ),
        (
            "diff --cc x\nindex 1,2..3\n".to_owned(),
            1,
            None,
            Problem::Combined,
        ),
        (
            format!("{git}new file mode 160000\n"),
            2,
            Some("x"),
            Problem::Submodule,
        ),
        (
            format!("{git}index 1..2 160000\n"),
            2,
            Some("x"),
            Problem::Submodule,
        ),
        (
            format!("{git}new file mode 040000\n"),
            2,
            Some("x"),
            Problem::BadMode("040000".to_owned()),
        ),
        (
            "Submodule lib 1234567..89abcde:\n  > Fix\n".to_owned(),
            1,
            None,
            Problem::Submodule,
        ),
        (git.to_owned(), 1, Some("x"), Problem::NoChange),
        (
            format!("{git}index 1..2 100644\n"),
            1,
            Some("x"),
            Problem::NoChange,
        ),
        (plain.to_owned(), 1, Some("x"), Problem::NoChange),
        (
            format!("{plain}@@ ... @@\n"),
            3,
            Some("x"),
            Problem::BadHunkHeader,
        ),
        (
            format!("{plain}@@ -1,99999999999 +1 @@\n"),
            3,
            Some("x"),
            Problem::BadHunkHeader,
        ),
        (hunk.to_owned(), 1, None, Problem::HunkOutside),
        (
            format!("{plain}@@ -1,2 +1,2 @@\n-a\n+b\n"),
            6,
            Some("x"),
            counts(2, 2),
        ),
        (format!("{plain}{hunk}+c\n"), 6, Some("x"), counts(1, 1)),
        (format!("{plain}{hunk}\n c\n"), 7, Some("x"), counts(1, 1)),
        (format!("{plain}{hunk}--- c\n"), 6, Some("x"), counts(1, 1)),
        (
            format!("{plain}@@ -1 +1 @@\n-a\n-b\n+c\n"),
            5,
            Some("x"),
            counts(1, 1),
        ),
        (
            format!("{plain}@@ -1 +1 @@\n a\n"),
            3,
            Some("x"),
            Problem::EmptyHunk,
        ),
        (
            format!("{plain}@@ -1,2 +1 @@\n-a\n\\ No newline at end of file\n-b\n+c\n"),
            5,
            Some("x"),
            Problem::MarkerInside,
        ),
        (
            format!("{git}{plain}{hunk}{git}{plain}{hunk}"),
            7,
            Some("x"),
            Problem::Twice,
        ),
        (
            format!("{plain}{hunk}--- ./x\n+++ ./x\n{hunk}"),
            6,
            Some("x"),
            Problem::Twice,
        ),
        (
            format!("--- a/x\n+++ b/y\n{hunk}"),
            1,
            None,
            name("a/x", "b/y"),
        ),
        (
            format!("{git}--- a/y\n+++ b/x\n{hunk}"),
            1,
            Some("x"),
            name("a/y", "x"),
        ),
        (format!("{git}--- a/x\n"), 2, Some("x"), Problem::NoNewLabel),
        (
            format!("--- \"a/x\n+++ b/x\n{hunk}"),
            1,
            None,
            Problem::BadQuoting,
        ),
        (
            format!("--- \"a/\\400\"\n+++ b/x\n{hunk}"),
            1,
            None,
            Problem::BadQuoting,
        ),
        (
            format!("{git}new file mode 100644\ndeleted file mode 100644\n"),
            1,
            Some("x"),
            Problem::Contradiction("created and deleted"),
        ),
        (
            format!("{git}old mode 100644\nnew mode 120000\n"),
            1,
            Some("x"),
            Problem::Contradiction("a file and a symlink"),
        ),
        (
            format!("{git}new file mode 100644\n{plain}{hunk}"),
            1,
            Some("x"),
            Problem::Contradiction("/dev/null is missing"),
        ),
        (
            format!("{git}rename from x\n"),
            1,
            Some("x"),
            Problem::Contradiction("one end of a move is missing"),
        ),
    ] {
        let found = refused(&text);
        let path = path.map(|path: &str| path.as_bytes().to_vec());
        assert_eq!(
            found,
            ParseError {
                line,
                path,
                problem
            },
            "{text}"
        );
        assert!(found.to_string().contains(&format!("line {line} ")));
    }
}

#[test]
fn names_that_leave_the_tree_are_refused() {
    for name in [
        "/etc/passwd",
        "../x",
        "x/../../y",
        ".git/hooks/pre-commit",
        "sub/.GIT/config",
        "",
        ".",
        "dir/",
    ] {
        for text in [
            format!("--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-a\n+b\n"),
            format!("--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+b\n"),
            format!("diff --git a/x b/{name}\nrename from x\nrename to {name}\n"),
            format!("diff --git a/{name} b/x\ncopy from {name}\ncopy to x\n"),
        ] {
            let problem = refused(&text).problem;
            assert!(matches!(problem, Problem::BadPath(_)), "{text}: {problem}");
        }
    }
    for long in ["d/".repeat(256) + "x", "x".repeat(4096)] {
        let text = format!("--- a/{long}\n+++ b/{long}\n@@ -1 +1 @@\n-a\n+b\n");
        assert!(matches!(refused(&text).problem, Problem::BadPath(_)));
    }
    let nul = refused("--- /dev/null\n+++ \"b/x\\000\"\n@@ -0,0 +1 @@\n+b\n");
    assert_eq!(nul.problem, Problem::BadPath("it has a NUL byte"));
}

#[test]
fn a_patch_beyond_the_limit_is_refused() {
    let found = refused(vec![b'x'; MAX_PATCH + 1]);
    assert_eq!(found.problem, Problem::TooLarge(MAX_PATCH + 1));
}

#[test]
fn a_door_shows_a_code_a_sentence_and_a_hint() {
    let error = Error::from(refused("diff --git a/x b/x\nGIT binary patch\n"));
    assert_eq!((error.kind, error.code), (Kind::Invalid, "invalid_patch"));
    assert_eq!(
        error.message,
        "line 2 of the patch, x: a binary change cannot be applied"
    );
    assert!(error.hint.is_some());
}
