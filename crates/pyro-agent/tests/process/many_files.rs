//! Several changes together, and searching.

use crate::workspace::{Workspace, path, temporaries, workspace};
use pyro_proto::messages::files::{
    Applied, ApplyChanges, Change, Expect, MAX_CHANGES, Match, SearchFiles, Searched, WriteFile,
};
use pyro_proto::messages::{Failed, Reply, Request};
use sha2::{Digest, Sha256};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn write(name: &str, size: usize) -> Change {
    Change::Write(WriteFile {
        path: path(name),
        expect: Expect::Anything,
        executable: None,
        make_parents: true,
        size: size as u64,
    })
}

fn with(change: Change, expect: Expect) -> Change {
    match change {
        Change::Write(write) => Change::Write(WriteFile { expect, ..write }),
        Change::Delete { path, .. } => Change::Delete { path, expect },
        Change::Symlink { path, target, .. } => Change::Symlink {
            path,
            target,
            expect,
        },
        other => other,
    }
}

fn link(name: &str, target: &str) -> Change {
    Change::Symlink {
        path: path(name),
        target: path(target),
        expect: Expect::Anything,
    }
}

fn delete(name: &str) -> Change {
    Change::Delete {
        path: path(name),
        expect: Expect::Anything,
    }
}

fn hash(text: &str) -> Expect {
    Expect::Sha256(hex::encode(Sha256::digest(text)))
}

fn apply(at: &Workspace, changes: Vec<Change>, contents: &[u8]) -> Result<Applied, Failed> {
    let request = Request::ApplyChanges(ApplyChanges { changes });
    match at.send(&request, contents).reply {
        Reply::Applied(applied) => Ok(applied),
        Reply::Failed(failed) => Err(failed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn changes_happen_together() {
    let at = workspace();
    at.put("old", "old");
    at.put("going/file", "x");
    symlink("x", at.at("link")).unwrap();
    let changes = vec![
        write("a/b/one", 3),
        with(write("old", 5), hash("old")),
        link("link", "../../any where"),
        with(link("fresh", "old"), Expect::Absent),
        with(delete("going/file"), hash("x")),
        Change::RemoveFolder {
            path: path("going"),
        },
        Change::MakeFolder { path: path("m/n") },
        write("empty", 0),
    ];
    let done = apply(&at, changes, b"onefresh").unwrap();
    assert_eq!((done.done, done.stopped), (8, None));
    assert_eq!(
        (at.text("a/b/one"), at.text("old"), at.text("empty")),
        ("one".into(), "fresh".into(), String::new())
    );
    assert_eq!(
        at.at("link").read_link().unwrap(),
        Path::new("../../any where")
    );
    assert!(at.at("m/n").is_dir() && !at.at("going").exists());
    let done = apply(&at, vec![delete("link")], b"").unwrap();
    assert_eq!(done.done, 1);
    assert!(at.at("link").symlink_metadata().is_err() && at.at("old").exists());
    assert_eq!(temporaries(&at.at("")) + temporaries(&at.at("a/b")), 0);
}

#[test]
fn a_file_and_a_link_take_each_others_place_when_it_is_said_what_is_there() {
    let at = workspace();
    at.put("file", "old");
    symlink("there", at.at("link")).unwrap();
    let is_link = |target: &str| Expect::Link(path(target));
    for (bad, code) in [
        (link("file", "x"), "wrong_kind"),
        (write("link", 3), "wrong_kind"),
        (with(link("file", "x"), hash("new")), "conflict"),
        (with(write("link", 3), is_link("elsewhere")), "conflict"),
        (with(write("file", 3), is_link("there")), "conflict"),
        (with(write("none", 3), is_link("there")), "conflict"),
    ] {
        assert_eq!(
            apply(&at, vec![bad.clone()], b"new").unwrap_err().code,
            code,
            "{bad:?}"
        );
    }
    let changes = vec![
        with(link("file", "x"), hash("old")),
        with(write("link", 3), is_link("there")),
    ];
    assert_eq!(apply(&at, changes, b"new").unwrap().done, 2);
    assert_eq!(at.at("file").read_link().unwrap(), Path::new("x"));
    assert_eq!(at.text("link"), "new");
    let mode = at
        .at("link")
        .symlink_metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o644);
}

#[test]
fn one_that_cannot_be_done_leaves_all_undone() {
    let at = workspace();
    at.put("f", "old");
    at.put("d/x", "x");
    symlink("f", at.at("s")).unwrap();
    for (bad, code) in [
        (with(write("f", 3), hash("else")), "conflict"),
        (with(write("f", 3), Expect::Absent), "conflict"),
        (with(delete("gone"), hash("x")), "conflict"),
        (delete("gone"), "not_found"),
        (delete("d"), "wrong_kind"),
        (write("d", 3), "wrong_kind"),
        (write("s", 3), "wrong_kind"),
        (write("s/x", 3), "symlink"),
        (write("../x", 3), "bad_request"),
        (write(".", 3), "wrong_kind"),
        (link("f", "x"), "wrong_kind"),
        (link("l", ""), "bad_request"),
        (with(link("s", "y"), hash("y")), "conflict"),
        (Change::MakeFolder { path: path("f") }, "wrong_kind"),
        (Change::RemoveFolder { path: path("f") }, "wrong_kind"),
        (write("./new/a", 3), "bad_request"),
        (write("f", 99), "incomplete"),
    ] {
        let contents: &[u8] = match bad {
            Change::Write(_) => b"newbad",
            _ => b"new",
        };
        let refused = apply(
            &at,
            vec![write("new/a", 3), link("other", "x"), bad.clone()],
            contents,
        );
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, code, "{bad:?}: {}", refused.message);
        assert!(!at.at("new").exists(), "{bad:?}");
        assert!(at.at("other").symlink_metadata().is_err(), "{bad:?}");
    }
    assert_eq!((at.text("f"), at.text("d/x")), ("old".into(), "x".into()));
    assert_eq!(temporaries(&at.at("")) + temporaries(&at.at("d")), 0);
    let many = (0..=MAX_CHANGES).map(|n| delete(&n.to_string())).collect();
    assert_eq!(apply(&at, many, b"").unwrap_err().code, "bad_request");
}

#[test]
fn a_stop_in_the_last_phase_says_what_is_done() {
    let at = workspace();
    at.put("full/x", "x");
    let changes = vec![
        write("a", 1),
        Change::RemoveFolder { path: path("full") },
        write("b", 1),
    ];
    let done = apply(&at, changes, b"ab").unwrap();
    let stopped = done.stopped.unwrap();
    assert_eq!((done.done, &*stopped.code), (1, "wrong_kind"));
    assert!(stopped.message.contains("full"));
    assert!(at.at("a").exists() && !at.at("b").exists());
    assert_eq!(temporaries(&at.at("")), 0);
}

fn search(pattern: &str) -> SearchFiles {
    SearchFiles {
        path: path("."),
        pattern: pattern.into(),
        regex: false,
        ignore_case: false,
        max_matches: 100,
        max_line_bytes: 200,
    }
}

fn found(at: &Workspace, wanted: SearchFiles) -> (Vec<Match>, Searched) {
    let done = at.ask(&Request::SearchFiles(wanted));
    let lines = done.text().lines();
    let matches = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    match done.reply {
        Reply::Searched(searched) => (matches, searched),
        other => panic!("{other:?}"),
    }
}

fn places(matches: &[Match]) -> Vec<(String, u64, u64)> {
    let place = |m: &Match| (m.path.to_string(), m.line, m.column);
    matches.iter().map(place).collect()
}

#[test]
fn lines_are_found_in_text_and_nowhere_else() {
    let at = workspace();
    at.put("b", "one\r\ntwo needle needle\nthree");
    at.put("a/c", "Needle at the start\nbür needle");
    at.put("binary", b"needle\0needle");
    at.put(".git/config", "needle");
    at.put("sub/.git/x", "needle");
    std::fs::write(
        at.at("").join(std::ffi::OsStr::from_bytes(b"\xff\n")),
        b"\xff\xfe needle",
    )
    .unwrap();
    symlink("b", at.at("link")).unwrap();
    symlink("../outside", at.at("out")).unwrap();
    let (matches, done) = found(&at, search("needle"));
    let of = |name: &str, line, column| (name.to_owned(), line, column);
    assert_eq!(
        places(&matches),
        [of("a/c", 2, 6), of("b", 2, 5), of("%FF%0A", 1, 4)]
    );
    assert_eq!(
        (matches[0].text.as_str(), matches[0].cut),
        ("bür needle", false)
    );
    assert_eq!(
        (done.matches, done.files, done.skipped, done.truncated),
        (3, 3, 1, false)
    );
    let ignoring = SearchFiles {
        ignore_case: true,
        ..search("NEEDLE")
    };
    assert_eq!(found(&at, ignoring.clone()).0.len(), 4);
    let (matches, done) = found(
        &at,
        SearchFiles {
            max_matches: 2,
            ..ignoring
        },
    );
    assert_eq!((matches.len(), done.truncated), (2, true));
    let regex = SearchFiles {
        regex: true,
        ..search("^(two|three)$|^two.*e{2}.*le$")
    };
    assert_eq!(places(&found(&at, regex).0), [of("b", 2, 1), of("b", 3, 1)]);
    assert_eq!(found(&at, search("e{2}")).0.len(), 0);
    let one = SearchFiles {
        path: path("b"),
        ..search("one")
    };
    assert_eq!(found(&at, one).0[0].text, "one");
}

#[test]
fn patterns_and_lines_are_bounded() {
    let at = workspace();
    at.put(
        "long",
        format!(
            "{}needle{}\nnext needle",
            "x".repeat(60_000),
            "y".repeat(200_000)
        ),
    );
    at.put("far", format!("{}needle", "x".repeat(70_000)));
    let (matches, _) = found(&at, search("needle"));
    assert_eq!(
        places(&matches),
        [("long".into(), 1, 60_001), ("long".into(), 2, 6)]
    );
    assert!(matches[0].cut && matches[0].text.len() <= 200 && matches[0].text.contains("needle"));
    let bad = [
        search(""),
        search(&"x".repeat(5000)),
        SearchFiles {
            regex: true,
            ..search("(")
        },
        SearchFiles {
            regex: true,
            ..search("(a{900}){900}")
        },
        SearchFiles {
            max_matches: 0,
            ..search("x")
        },
        SearchFiles {
            max_line_bytes: 0,
            ..search("x")
        },
        SearchFiles {
            path: path("../outside"),
            ..search("secret")
        },
    ];
    for wanted in bad {
        let refused = at.refused(&Request::SearchFiles(wanted), b"");
        assert_eq!(refused.code, "bad_request", "{}", refused.message);
    }
    symlink("../outside", at.at("out")).unwrap();
    let link = SearchFiles {
        path: path("out"),
        ..search("secret")
    };
    assert_eq!(
        at.refused(&Request::SearchFiles(link), b"").code,
        "wrong_kind"
    );
}
