//! Listing, reading and writing: the rules of paths and of each request.

use crate::host::{SOON, agent, finish, soon};
use crate::workspace::{Workspace, entries, path, temporaries, workspace};
use pyro_proto::Incoming;
use pyro_proto::messages::files::{
    Expect, FileKind, FileRead, ListFiles, Listed, ReadFile, WriteFile, Written,
};
use pyro_proto::messages::{Reply, Request, channel};
use pyro_proto::path::PathText;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

fn list(name: &[u8], recursive: bool, limit: u64) -> Request {
    Request::ListFiles(ListFiles {
        path: path(name),
        recursive,
        limit,
    })
}

fn read(name: &str) -> ReadFile {
    ReadFile {
        path: path(name),
        offset: 0,
        max_bytes: 1 << 20,
        lines: None,
        hash: false,
    }
}

fn write(name: &str, size: usize) -> WriteFile {
    WriteFile {
        path: path(name),
        expect: Expect::Anything,
        executable: None,
        make_parents: false,
        size: size as u64,
    }
}

fn listed(at: &Workspace, request: &Request) -> (Vec<String>, Listed) {
    let done = at.ask(request);
    let names = entries(&done).iter().map(|e| e.path.to_string()).collect();
    match done.reply {
        Reply::Listed(listed) => (names, listed),
        other => panic!("{other:?}"),
    }
}

fn got(at: &Workspace, wanted: &ReadFile) -> (String, FileRead) {
    let done = at.ask(&Request::ReadFile(wanted.clone()));
    match &done.reply {
        Reply::FileRead(read) => (String::from_utf8_lossy(&done.stdout).into(), read.clone()),
        other => panic!("{other:?}"),
    }
}

fn written(at: &Workspace, wanted: &WriteFile, bytes: &[u8]) -> Written {
    match at.send(&Request::WriteFile(wanted.clone()), bytes).reply {
        Reply::Written(written) => written,
        other => panic!("{other:?}"),
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn no_path_leads_out_of_the_workspace() {
    let at = workspace();
    at.put("real/file", "text");
    symlink("real", at.at("link")).unwrap();
    symlink("../outside", at.at("out")).unwrap();
    symlink("..", at.at("up")).unwrap();
    symlink("/", at.at("top")).unwrap();
    for (name, code) in [
        ("", "bad_request"),
        (" ", "bad_request"),
        ("/", "bad_request"),
        ("/etc/passwd", "bad_request"),
        ("../outside", "bad_request"),
        ("real/../real/file", "bad_request"),
        ("link/file", "symlink"),
        ("up/outside", "symlink"),
        ("top/etc/passwd", "symlink"),
        ("real/file/x", "wrong_kind"),
        ("no/file", "not_found"),
    ] {
        let refused = at.refused(&Request::ReadFile(read(name)), b"");
        assert_eq!(refused.code, code, "read {name}: {}", refused.message);
        let refused = at.refused(&Request::WriteFile(write(name, 1)), b"x");
        assert_eq!(refused.code, code, "write {name}: {}", refused.message);
        if !name.trim().is_empty() && name != "real/file/x" {
            let refused = at.refused(&list(name.as_bytes(), true, 9), b"");
            assert_eq!(refused.code, code, "list {name}: {}", refused.message);
        }
    }
    let refused = at.refused(&Request::ReadFile(read("out")), b"");
    assert!(refused.code == "wrong_kind" && refused.message.contains("symbolic link"));
    assert_eq!(got(&at, &read("/workspace/./real//file")).0, "text");
}

#[test]
fn a_listing_has_everything_in_order_and_follows_nothing() {
    let at = workspace();
    at.put("b/z", "12345");
    at.put("b/a/deep", "1");
    at.put("b-", "");
    at.put("a", "x");
    symlink("../b", at.at("b/y")).unwrap();
    let (names, done) = listed(&at, &list(b".", true, 100));
    assert_eq!(names, ["a", "b", "b/a", "b/a/deep", "b/y", "b/z", "b-"]);
    assert_eq!((done.entries, done.truncated), (7, false));
    assert_eq!(
        listed(&at, &list(b"/workspace", false, 100)).0,
        ["a", "b", "b-"]
    );
    let (names, done) = listed(&at, &list(b"b", true, 2));
    assert_eq!((names.len(), done.truncated), (2, true));
    assert_eq!(listed(&at, &list(b"b/z", true, 9)).0, ["b/z"]);

    let made = std::process::Command::new("mkfifo")
        .arg(at.at("fifo"))
        .status();
    assert!(made.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(at.at("socket")).unwrap();
    let odd = b"new\nline \xff%";
    std::fs::write(at.at("").join(OsStr::from_bytes(odd)), "odd").unwrap();
    std::fs::set_permissions(at.at("a"), PermissionsExt::from_mode(0o640)).unwrap();
    let found = entries(&at.ask(&list(b".", false, 100)));
    let of = |name: &[u8]| found.iter().find(|e| e.path.bytes() == name).unwrap();
    assert_eq!((of(b"fifo").kind, of(b"fifo").size), (FileKind::Other, 0));
    assert_eq!(of(b"socket").kind, FileKind::Other);
    assert_eq!((of(odd).kind, of(odd).size), (FileKind::File, 3));
    assert_eq!((of(b"a").mode, of(b"b").size), (0o640, 0));
    let meta = at.at("a").metadata().unwrap();
    assert_eq!(
        of(b"a").mtime_ns,
        meta.mtime() * 1_000_000_000 + meta.mtime_nsec()
    );
    let link = &entries(&at.ask(&list(b"b/y", false, 1)))[0];
    assert_eq!((link.kind, link.size), (FileKind::Symlink, 4));
    assert_eq!(link.target, Some(PathText::from(&b"../b"[..])));
    assert_eq!(at.refused(&list(b".", true, 0), b"").code, "bad_request");
    assert_eq!(
        at.refused(&Request::ReadFile(read("fifo")), b"").code,
        "wrong_kind"
    );
    let by_name = ReadFile {
        path: path(odd),
        ..read("")
    };
    assert_eq!(got(&at, &by_name).0, "odd");
}

#[test]
fn twenty_thousand_entries_are_listed() {
    let at = workspace();
    std::fs::create_dir(at.at("many")).unwrap();
    for number in 0..20_000 {
        let name = format!("many/{number:040}");
        std::fs::File::create(at.at(&name)).unwrap();
    }
    let (names, done) = listed(&at, &list(b"many", true, 30_000));
    assert_eq!(
        (names.len(), done.entries, done.truncated),
        (20_000, 20_000, false)
    );
    assert!(names.is_sorted());
}

#[test]
fn a_deep_tree_is_listed() {
    let at = workspace();
    let name = vec!["d"; 300].join("/");
    std::fs::create_dir_all(at.at(&name)).unwrap();
    assert_eq!(listed(&at, &list(b".", true, 1000)).0.len(), 300);
    let deep = vec!["e"; 1900].join("/") + "/file";
    let wanted = WriteFile {
        make_parents: true,
        ..write(&deep, 1)
    };
    assert!(written(&at, &wanted, b"x").created);
}

#[test]
fn ranges_of_bytes_and_lines() {
    let at = workspace();
    at.put("f", "one\ntwo\nthree\nfour");
    let (text, all) = got(
        &at,
        &ReadFile {
            hash: true,
            ..read("f")
        },
    );
    assert_eq!(text, "one\ntwo\nthree\nfour");
    assert_eq!((all.size, all.bytes, all.truncated), (18, 18, false));
    assert_eq!(all.sha256.unwrap(), sha256(text.as_bytes()));
    for hash in [false, true] {
        let (text, part) = got(
            &at,
            &ReadFile {
                offset: 4,
                max_bytes: 3,
                hash,
                ..read("f")
            },
        );
        assert_eq!(
            (text.as_str(), part.offset, part.truncated),
            ("two", 4, true)
        );
        let (text, part) = got(
            &at,
            &ReadFile {
                offset: 99,
                hash,
                ..read("f")
            },
        );
        assert_eq!(
            (text.as_str(), part.offset, part.truncated),
            ("", 18, false)
        );
    }
    let lines = |first, last| ReadFile {
        lines: Some((first, last)),
        ..read("f")
    };
    let (text, part) = got(&at, &lines(2, 3));
    assert_eq!(
        (text.as_str(), part.offset, part.total_lines),
        ("two\nthree\n", 4, Some(4))
    );
    assert_eq!(got(&at, &lines(4, 1000)).0, "four");
    let (text, part) = got(&at, &lines(5, 9));
    assert_eq!(
        (text.as_str(), part.bytes, part.total_lines),
        ("", 0, Some(4))
    );
    let (text, part) = got(
        &at,
        &ReadFile {
            max_bytes: 5,
            ..lines(1, 4)
        },
    );
    assert_eq!((text.as_str(), part.truncated), ("one\nt", true));
    assert!(
        got(
            &at,
            &ReadFile {
                max_bytes: 0,
                ..read("f")
            }
        )
        .1
        .truncated
    );
    for bad in [
        lines(0, 1),
        lines(3, 2),
        ReadFile {
            offset: 1,
            ..lines(1, 1)
        },
    ] {
        assert_eq!(at.refused(&Request::ReadFile(bad), b"").code, "bad_request");
    }
    let big = "0123456789abcde\n".repeat(100_000);
    at.put("big", &big);
    let (text, part) = got(
        &at,
        &ReadFile {
            lines: Some((50_000, 50_000)),
            hash: true,
            ..read("big")
        },
    );
    assert_eq!(
        (text.as_str(), part.total_lines),
        ("0123456789abcde\n", Some(100_000))
    );
    assert_eq!(part.sha256.unwrap(), sha256(big.as_bytes()));
    assert_eq!(
        got(
            &at,
            &ReadFile {
                max_bytes: u64::MAX,
                ..read("big")
            }
        )
        .0,
        big
    );
}

#[test]
fn a_write_keeps_the_mode_and_checks_what_it_replaces() {
    let at = workspace();
    let done = written(&at, &write("new", 5), b"hello");
    assert_eq!((done.mode, done.created), (0o644, true));
    assert_eq!(done.sha256, sha256(b"hello"));
    std::fs::set_permissions(at.at("new"), PermissionsExt::from_mode(0o4750)).unwrap();
    let done = written(&at, &write("new", 3), b"bye");
    assert_eq!((done.mode, done.created), (0o750, false));
    assert_eq!(
        (
            at.text("new"),
            at.at("new").metadata().unwrap().mode() & 0o7777
        ),
        ("bye".into(), 0o750)
    );
    let wanted = WriteFile {
        executable: Some(false),
        ..write("new", 0)
    };
    assert_eq!(written(&at, &wanted, b"").mode, 0o640);
    let wanted = WriteFile {
        executable: Some(true),
        ..write("new", 0)
    };
    assert_eq!(written(&at, &wanted, b"").mode, 0o750);
    let wanted = WriteFile {
        executable: Some(true),
        make_parents: true,
        ..write("a/b/c", 1)
    };
    assert_eq!(written(&at, &wanted, b"x").mode, 0o755);

    let expect = |expect, size| {
        Request::WriteFile(WriteFile {
            expect,
            ..write("a/b/c", size)
        })
    };
    assert_eq!(
        at.refused(&expect(Expect::Absent, 1), b"y").code,
        "conflict"
    );
    let other = Expect::Sha256(sha256(b"other"));
    let refused = at.refused(&expect(other, 1), b"y");
    assert!(
        refused.code == "conflict" && refused.message.contains("a/b/c"),
        "{refused:?}"
    );
    assert_eq!(
        at.refused(&expect(Expect::Sha256("x".into()), 1), b"y")
            .code,
        "bad_request"
    );
    let same = Expect::Sha256(sha256(b"x"));
    assert!(matches!(
        at.send(&expect(same.clone(), 1), b"y").reply,
        Reply::Written(_)
    ));
    assert_eq!(at.text("a/b/c"), "y");
    let gone = Request::WriteFile(WriteFile {
        expect: same,
        ..write("gone", 1)
    });
    assert_eq!(at.refused(&gone, b"y").code, "conflict");
    let absent = WriteFile {
        expect: Expect::Absent,
        ..write("fresh", 1)
    };
    assert!(written(&at, &absent, b"z").created);

    symlink("new", at.at("link")).unwrap();
    for name in ["a", "link"] {
        let refused = at.refused(&Request::WriteFile(write(name, 1)), b"x");
        assert_eq!(refused.code, "wrong_kind", "{name}");
    }
    assert_eq!(at.at("link").read_link().unwrap().to_str(), Some("new"));
    assert_eq!(temporaries(&at.at("")) + temporaries(&at.at("a/b")), 0);
}

#[test]
fn a_write_that_does_not_end_leaves_nothing() {
    let at = workspace();
    at.put("f", "old");
    let wanted = WriteFile {
        make_parents: true,
        ..write("x/y/f", 10)
    };
    assert_eq!(
        at.refused(&Request::WriteFile(wanted), b"short").code,
        "incomplete"
    );
    assert!(!at.at("x").exists(), "folders made for it go as well");
    assert_eq!(
        at.refused(&Request::WriteFile(write("f", 2)), b"long").code,
        "bad_request"
    );
    // The host gives the stream up in the middle, then the whole connection.
    let stream = at.agent.ask(&Request::WriteFile(write("f", 1 << 20)));
    stream.send(channel::STDIN, &[0; 70_000]).unwrap();
    let until = soon().unwrap();
    while temporaries(&at.at("")) == 0 {
        assert!(std::time::Instant::now() < until);
    }
    drop(stream);
    while temporaries(&at.at("")) > 0 {
        assert!(std::time::Instant::now() < until);
    }
    let stream = at.agent.ask(&Request::WriteFile(write("f", 1 << 20)));
    stream.send(channel::STDIN, &[0; 70_000]).unwrap();
    while temporaries(&at.at("")) == 0 {
        assert!(std::time::Instant::now() < until);
    }
    at.agent.socket.shutdown(std::net::Shutdown::Both).unwrap();
    while temporaries(&at.at("")) > 0 {
        assert!(std::time::Instant::now() < until);
    }
    assert_eq!(at.text("f"), "old");
}

#[test]
fn a_reader_that_stops_holds_up_nobody() {
    let at = workspace();
    std::fs::File::create(at.at("big"))
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    let whole = ReadFile {
        max_bytes: u64::MAX,
        ..read("big")
    };
    let stalled = at.agent.ask(&Request::ReadFile(whole));
    assert!(matches!(
        stalled.receive(soon()),
        Ok(Incoming::Data(channel::STDOUT, _))
    ));
    at.put("small", "x");
    assert_eq!(got(&at, &read("small")).0, "x");
}

#[test]
fn a_change_between_check_and_rename_is_noticed() {
    let at = workspace();
    at.put("f", "old");
    for expect in [Expect::Sha256(sha256(b"old")), Expect::Absent] {
        let name = if expect == Expect::Absent { "new" } else { "f" };
        let wanted = WriteFile {
            expect,
            ..write(name, 4)
        };
        let stream = at.agent.ask(&Request::WriteFile(wanted));
        stream.send(channel::STDIN, b"12").unwrap();
        let until = soon().unwrap();
        while temporaries(&at.at("")) == 0 {
            assert!(std::time::Instant::now() < until);
        }
        at.put(name, "somebody else's");
        stream.send(channel::STDIN, b"34").unwrap();
        assert_eq!(finish(&stream).failed().code, "conflict", "{name}");
        assert_eq!(at.text(name), "somebody else's");
    }
    assert_eq!(temporaries(&at.at("")), 0);
    // A new session also ends what the old one was writing.
    let stream = at.agent.ask(&Request::WriteFile(write("f", 4)));
    stream.send(channel::STDIN, b"12").unwrap();
    let hello = pyro_proto::messages::Hello {
        protocol: pyro_proto::messages::PROTOCOL,
        nonce: "second".into(),
        version: "test".into(),
    };
    at.agent.link.hello(&hello, SOON).unwrap();
    assert_eq!(temporaries(&at.at("")), 0, "gone before the answer");
    assert_eq!(got(&at, &read("f")).0, "somebody else's");
}

#[test]
fn an_agent_without_a_workspace_says_so() {
    let done = finish(&agent().ask(&list(b".", false, 1)));
    assert_eq!(done.failed().code, "bad_request");
}
