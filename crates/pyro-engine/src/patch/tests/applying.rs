//! Where hunks go, what they leave, and what is told when they do not fit.
//!
//! Owns: content. Refuses: files that come, go or move; see the neighbour.

use super::tree::{Tree, file};
use crate::error::Error;
use crate::patch::{AppliedHunk, MAX_RESULT, Nearest, Node, Outcome, Reason};

fn one(content: impl AsRef<[u8]>) -> Tree {
    Tree::of([("x", file(content))])
}

fn labelled(hunks: &str) -> String {
    format!("--- a/x\n+++ b/x\n{hunks}")
}

fn patched(content: &str, hunks: &str) -> Result<String, Reason> {
    let tree = one(content).patched(labelled(hunks));
    match tree
        .map_err(|report| report.failures[0].reason.clone())?
        .0
        .remove(b"x".as_slice())
    {
        Some(Node::File { bytes, .. }) => Ok(String::from_utf8(bytes).expect("text")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn exact_lines_and_final_newlines() {
    for (content, hunks, result) in [
        (
            "a\nb\nc\n",
            "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n",
            "a\nB\nc\n",
        ),
        (
            "a",
            "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n",
            "a\n",
        ),
        (
            "a\n",
            "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n",
            "a",
        ),
        (
            "a\nb",
            "@@ -1,2 +1,2 @@\n-a\n+A\n b\n\\ No newline at end of file\n",
            "A\nb",
        ),
        (
            "a\r\nb\r\n",
            "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n",
            "a\r\nc\r\n",
        ),
        // without context a count of 0 means after the line
        ("a\nb\n", "@@ -1,0 +2 @@\n+x\n", "a\nx\nb\n"),
        ("a\nb\n", "@@ -0,0 +1 @@\n+x\n", "x\na\nb\n"),
        (
            "a\nb\n",
            "@@ -2,0 +3 @@\n+x\n\\ No newline at end of file\n",
            "a\nb\nx",
        ),
        ("a\nb\nc\n", "@@ -2 +1,0 @@\n-b\n", "a\nc\n"),
        ("", "@@ -0,0 +1 @@\n+x\n", "x\n"),
    ] {
        assert_eq!(patched(content, hunks).as_deref(), Ok(result), "{hunks}");
    }
}

#[test]
fn hunks_may_share_context_as_git_prints_it() {
    let content = "1\n2\n3\n4\n5\n";
    let shared = "@@ -1,3 +1,3 @@\n-1\n+A\n 2\n 3\n@@ -2,4 +2,4 @@\n 2\n 3\n-4\n+D\n 5\n";
    assert_eq!(patched(content, shared).as_deref(), Ok("A\n2\n3\nD\n5\n"));
    // also where all of it moved
    let moved = format!("0\n0\n{content}");
    assert_eq!(
        patched(&moved, shared).as_deref(),
        Ok("0\n0\nA\n2\n3\nD\n5\n")
    );
    // but not lines that the hunk before has changed
    let changed = "@@ -1,3 +1,3 @@\n-1\n+A\n 2\n-3\n+C\n@@ -3,2 +3,2 @@\n 3\n-4\n+D\n";
    assert!(patched(content, changed).is_err());
}

#[test]
fn a_missing_final_newline_joins_no_lines() {
    for (content, hunks) in [
        ("a", "@@ -1,0 +2 @@\n+x\n"),
        (
            "a\nb\n",
            "@@ -1,0 +2 @@\n+x\n\\ No newline at end of file\n",
        ),
    ] {
        assert_eq!(
            patched(content, hunks),
            Err(Reason::FinalNewline),
            "{hunks}"
        );
    }
    // it fits the first line, but then it would not end the file
    let hunks = "@@ -1 +1 @@\n-a\n+x\n\\ No newline at end of file\n";
    assert_eq!(patched("a\nb\n", hunks), Err(Reason::NotFound));
    assert_eq!(patched("a\nb\na\n", hunks).as_deref(), Ok("a\nb\nx"));
}

#[test]
fn the_nearest_place_wins_unless_two_are_as_near() {
    let hunk = |line: u32| format!("@@ -{line} +{line} @@\n-a\n+A\n");
    assert_eq!(
        patched("a\nb\na\nb\na\n", &hunk(3)).as_deref(),
        Ok("a\nb\nA\nb\na\n")
    );
    assert_eq!(
        patched("b\nb\nb\na\n", &hunk(1)).as_deref(),
        Ok("b\nb\nb\nA\n")
    );
    assert_eq!(
        patched("b\na\nb\nb\na\n", &hunk(3)).as_deref(),
        Ok("b\nA\nb\nb\na\n")
    );
    assert_eq!(patched("a\n", &hunk(900)).as_deref(), Ok("A\n"));
    let lines = [2, 4];
    assert_eq!(
        patched("b\na\nb\na\n", &hunk(3)),
        Err(Reason::Ambiguous { lines })
    );
}

#[test]
fn hunks_keep_their_order_and_carry_their_offset_on() {
    // both sections look alike: the second hunk must move as the first did
    let section = "start\nbody\nend\n";
    let content = format!("new\nnew\nnew\n{section}{section}{section}");
    let hunks = "@@ -1 +1 @@\n-start\n+START\n@@ -5 +5 @@\n-body\n+BODY\n";
    let tree = one(&content);
    let applied = tree.try_apply(labelled(hunks)).expect("applies");
    let told = [(4, 3), (8, 3)].map(|(line, offset)| AppliedHunk { line, offset });
    assert_eq!(applied.files[0].hunks, told);
    let backwards = "@@ -3 +3 @@\n-c\n+C\n@@ -1 +1 @@\n-a\n+A\n";
    assert_eq!(patched("a\nb\nc\n", backwards), Err(Reason::NotFound));
    let overlapping = "@@ -1,2 +1,2 @@\n-a\n+A\n b\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n";
    assert_eq!(patched("a\nb\nc\n", overlapping), Err(Reason::NotFound));
}

#[test]
fn every_failed_hunk_is_told_with_the_nearest_place() {
    let tree = Tree::of([("x", file("one\ntwo\nthree\nfour\n")), ("y", file("1\n"))]);
    let patch = labelled("@@ -1,3 +1,3 @@\n one\n-2\n+zwei\n three\n@@ -4 +4 @@\n-five\n+5\n")
        + "--- a/y\n+++ b/y\n@@ -1 +1 @@\n-1\n+2\n--- a/z\n+++ b/z\n@@ -1 +1 @@\n-1\n+2\n";
    let report = tree.patched(&patch).expect_err("three failures");
    let told: Vec<_> = report
        .failures
        .iter()
        .map(|failure| {
            (
                failure.path.as_slice(),
                failure.line,
                failure.hunk,
                &failure.reason,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (b"x".as_slice(), 3, Some(1), &Reason::NotFound),
            (b"x", 8, Some(2), &Reason::NotFound),
            (b"z", 16, None, &Reason::Missing),
        ]
    );
    let nearest = Nearest {
        line: 1,
        matched: 2,
        white_space: 0,
        lines: 3,
    };
    assert_eq!(report.failures[0].nearest, Some(nearest));
    assert_eq!(report.failures[1].nearest, None);
    let error = Error::from(report);
    assert_eq!(error.code, "patch_does_not_apply");
    let first = "x, hunk 1 (line 3 of the patch, @@ -1,3 +1,3 @@): its lines are not in the file; \
                 nearest is line 1, where 2 of 3 lines match;";
    assert!(error.message.contains(first), "{error}");
}

#[test]
fn a_difference_in_white_space_is_told() {
    let hunks = "@@ -1,3 +1,3 @@\n a\n \n-\tb\n+c\n";
    let report = one("z\n\na\r\n\nb\n")
        .patched(labelled(hunks))
        .expect_err("CRLF");
    let told = "nearest is line 3, where 1 of 3 lines match and 2 but for white space";
    assert!(report.to_string().ends_with(told), "{report}");
}

#[test]
fn the_executable_bit_stays_or_changes_as_told() {
    let executable = Node::File {
        bytes: b"a\n".to_vec(),
        executable: true,
    };
    let tree = Tree::of([("x", executable)]);
    let applied = tree
        .try_apply(labelled("@@ -1 +1 @@\n-a\n+b\n"))
        .expect("applies");
    assert!(matches!(
        applied.changes[0].outcome,
        Outcome::Write {
            executable: true,
            ..
        }
    ));
    let off = "diff --git a/x b/x\nold mode 100755\nnew mode 100644\n";
    assert_eq!(tree.patched(off).expect("applies"), one("a\n"));
    // nothing to do is no change
    assert!(
        one("a\n")
            .try_apply(off)
            .expect("applies")
            .changes
            .is_empty()
    );
}

#[test]
fn large_files_and_long_searches_are_refused() {
    let hunk = "@@ -1 +1 @@\n-a\n+b\n";
    let large = vec![b'\n'; MAX_RESULT + 1];
    let report = one(large).patched(labelled(hunk)).expect_err("too large");
    assert_eq!(report.failures[0].reason, Reason::TooLarge);
    let many: String = "@@ -1,2 +1,2 @@\n \n-b\n+c\n".repeat(100);
    let report = one("\n".repeat(1 << 18))
        .patched(labelled(&many))
        .expect_err("never there");
    let last = report.failures.last().map(|failure| &failure.reason);
    assert_eq!(last, Some(&Reason::TooMuchWork));
    assert!(Error::from(report).message.ends_with("; and 92 more"));
}
