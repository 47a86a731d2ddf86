//! Honest and hostile agents behind a socket pair.

use super::asks;
use super::exchange::{Fault, refusal};
use crate::error::Error;
use pyro_proto::messages::files::*;
use pyro_proto::messages::{Failed, Reply, Request, Welcome, channel};
use pyro_proto::path::PathText;
use pyro_proto::{Incoming, Link, Stream};
use std::os::unix::net::UnixStream;

/// A link to an agent that does `answer` on each stream.
fn link(answer: impl Fn(Request, Stream) + Send + Clone + 'static) -> Link {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let agent = Link::new(theirs.try_clone().unwrap());
    std::thread::spawn(move || {
        agent.serve(
            theirs,
            |hello| Welcome {
                protocol: hello.protocol,
                nonce: hello.nonce,
                version: String::new(),
                configured: true,
            },
            |stream, request| {
                let (answer, request) = (answer.clone(), serde_json::from_slice(&request));
                std::thread::spawn(move || answer(request.unwrap(), stream));
            },
        )
    });
    let host = Link::new(ours.try_clone().unwrap());
    let pump = host.clone();
    std::thread::spawn(move || pump.pump(ours));
    host
}

/// One that says these bytes, then this.
pub(super) fn saying(bytes: impl Into<Vec<u8>>, reply: Reply) -> Link {
    let bytes = bytes.into();
    link(move |_, stream| {
        let _ = stream.send(channel::STDOUT, &bytes);
        let _ = stream.close(&serde_json::to_vec(&reply).unwrap());
    })
}

pub(super) fn code<T: std::fmt::Debug>(done: Result<T, Fault>) -> &'static str {
    match done {
        Err(Fault::Error(Error { code, .. })) => code,
        Err(Fault::Link(error)) => panic!("{error}"),
        Ok(done) => panic!("{done:?}"),
    }
}

fn path(text: &str) -> PathText {
    text.into()
}

fn listing() -> ListFiles {
    ListFiles {
        path: path("/workspace/a"),
        recursive: true,
        limit: 3,
    }
}

fn entry(name: &str) -> Entry {
    Entry {
        path: path(name),
        kind: FileKind::File,
        size: 1,
        mode: 0o644,
        mtime_ns: 0,
        target: None,
    }
}

fn lines(entries: &[Entry]) -> String {
    let line = |entry| serde_json::to_string(entry).unwrap() + "\n";
    entries.iter().map(line).collect()
}

fn listed(entries: u64) -> Reply {
    let truncated = false;
    Reply::Listed(Listed { entries, truncated })
}

#[test]
fn an_honest_listing_passes() {
    let names = ["a/b", "a/b/c", "a/b-"];
    let link = saying(lines(&names.map(entry)), listed(3));
    let mut found = Vec::new();
    let done = asks::list(&link, &listing(), |entry| {
        found.push(entry.path.to_string());
        Ok(())
    });
    assert!(done.is_ok());
    assert_eq!(found, names);
}

#[test]
fn hostile_listings_are_refused() {
    let odd = |change: fn(&mut Entry)| {
        let mut entry = entry("a/b");
        change(&mut entry);
        lines(&[entry])
    };
    let cases = [
        (lines(&[entry("b")]), 1),
        (lines(&[entry("a/../../etc")]), 1),
        (lines(&[entry("/a/b")]), 1),
        (lines(&[entry("a//b")]), 1),
        (lines(&[entry("ab")]), 1),
        (lines(&[entry("")]), 1),
        (lines(&[entry("a/c"), entry("a/b")]), 2),
        (lines(&[entry("a/b"), entry("a/b")]), 2),
        (lines(&["a/1", "a/2", "a/3", "a/4"].map(entry)), 4),
        (lines(&[entry("a/b")]), 2),
        (lines(&[entry("a/b")]), 0),
        (odd(|entry| entry.mode = 0o10000), 1),
        (odd(|entry| entry.kind = FileKind::Symlink), 1),
        (odd(|entry| entry.kind = FileKind::Directory), 1),
        (odd(|entry| entry.target = Some("x".into())), 1),
        (odd(|entry| entry.size = u64::MAX), 1),
        ("{}\n".into(), 1),
        ("{\"path\":\"%zz\"}\n".into(), 1),
        ("no end".into(), 0),
        ("x".repeat(MAX_JSON_LINE_BYTES + 1), 1),
    ];
    for (bytes, claimed) in cases {
        let start: String = bytes.chars().take(90).collect();
        let done = asks::list(&saying(bytes, listed(claimed)), &listing(), |_| Ok(()));
        assert_eq!(code(done), "guest_reply", "{start}");
    }
    let flat = ListFiles {
        recursive: false,
        ..listing()
    };
    let deep = saying(lines(&[entry("a/b/c")]), listed(1));
    assert_eq!(code(asks::list(&deep, &flat, |_| Ok(()))), "guest_reply");
    let other = saying("", Reply::PoweringOff);
    assert_eq!(code(asks::list(&other, &flat, |_| Ok(()))), "guest_reply");
    let wrong = link(|_, stream| {
        let _ = stream.send(channel::STDERR, b"x");
        let _ = stream.receive(None);
    });
    assert_eq!(code(asks::list(&wrong, &flat, |_| Ok(()))), "guest_reply");
}

#[test]
fn hostile_reads_are_refused() {
    let wanted = ReadFile {
        path: path("f"),
        offset: 0,
        max_bytes: 10,
        lines: None,
        hash: false,
    };
    let honest = FileRead {
        size: 5,
        mode: 0o644,
        mtime_ns: 0,
        offset: 0,
        bytes: 5,
        truncated: false,
        total_lines: None,
        sha256: None,
    };
    let ask = |bytes: &[u8], reply: FileRead| {
        asks::read(&saying(bytes, Reply::FileRead(reply)), &wanted, |_| Ok(()))
    };
    assert!(ask(b"hello", honest.clone()).is_ok());
    assert_eq!(code(ask(&[0; 11], honest.clone())), "guest_reply");
    assert_eq!(code(ask(b"hell", honest.clone())), "guest_reply");
    for change in [
        (|read| read.size = 4) as fn(&mut FileRead),
        |read| read.offset = u64::MAX,
        |read| read.offset = 1,
        |read| read.total_lines = Some(1),
        |read| read.sha256 = Some("x".into()),
        |read| read.mode = u32::MAX,
    ] {
        let mut reply = honest.clone();
        change(&mut reply);
        assert_eq!(code(ask(b"hello", reply)), "guest_reply");
    }
}

/// Takes all of stdin, then answers.
fn swallowing(reply: Reply) -> Link {
    link(move |_, stream| {
        while !matches!(stream.receive(None), Ok(Incoming::End(_)) | Err(_)) {}
        let _ = stream.close(&serde_json::to_vec(&reply).unwrap());
    })
}

#[test]
fn what_was_written_must_be_what_was_sent() {
    let size = 1 << 20;
    let wanted = WriteFile {
        path: path("f"),
        expect: Expect::Anything,
        executable: None,
        make_parents: false,
        size,
    };
    let contents = vec![7; size as usize];
    let sha256 = {
        use sha2::Digest;
        hex::encode(sha2::Sha256::digest(&contents))
    };
    let written = |sha256: &str| {
        Reply::Written(Written {
            size,
            mode: 0o644,
            sha256: sha256.into(),
            created: true,
        })
    };
    let ask = |link: &Link, mut contents: &[u8]| asks::write(link, &wanted, &mut contents);
    assert!(ask(&swallowing(written(&sha256)), &contents).is_ok());
    assert_eq!(
        code(ask(&swallowing(written("x")), &contents)),
        "guest_reply"
    );
    assert_eq!(
        code(ask(&swallowing(written(&sha256)), &contents[1..])),
        "source_changed"
    );
    // A refusal that comes before the contents were taken.
    let failed = |code: &str| Failed {
        code: code.into(),
        message: "no\n".into(),
    };
    let refusing = saying("", Reply::Failed(failed("conflict")));
    assert_eq!(code(ask(&refusing, &contents)), "conflict");
    assert_eq!(refusal(&failed("not_found")).message, "no ");
    assert_eq!(refusal(&failed("anything")).code, "guest_refused");
}

#[test]
fn hostile_changes_matches_and_archives_are_refused() {
    let applied = |done, stopped| Reply::Applied(Applied { done, stopped });
    let changes = vec![Change::MakeFolder { path: path("d") }];
    for done in [0, 2] {
        let link = swallowing(applied(done, None));
        let wanted = ApplyChanges {
            changes: changes.clone(),
        };
        assert_eq!(
            code(asks::apply(&link, &wanted, &mut &b""[..])),
            "guest_reply"
        );
    }

    let wanted = SearchFiles {
        path: path("a"),
        pattern: "x".into(),
        regex: false,
        ignore_case: false,
        max_matches: 1,
        max_line_bytes: 4,
    };
    for (name, line, text) in [
        ("b", 1, "x"),
        ("a/..", 1, "x"),
        ("a/f", 0, "x"),
        ("a/f", 1, "xxxxx"),
    ] {
        let found = Match {
            path: path(name),
            line,
            column: 1,
            text: text.into(),
            cut: false,
        };
        let searched = Reply::Searched(Searched {
            matches: 1,
            files: 1,
            skipped: 0,
            truncated: false,
        });
        let bytes = serde_json::to_string(&found).unwrap() + "\n";
        let done = asks::search(&saying(bytes, searched), &wanted, |_| Ok(()));
        assert_eq!(code(done), "guest_reply", "{name} {text}");
    }

    let packed = |entry_count| {
        Reply::Packed(Packed {
            kind: FileKind::Directory,
            entry_count,
            file_bytes: 0,
            skipped_special: 0,
            changed_files: 0,
        })
    };
    let wanted = GetArchive {
        path: path("."),
        as_disk: false,
    };
    let ask = |link: Link| asks::get(&link, &wanted, 4096, |_| Ok(()));
    assert!(ask(saying([0; 1024], packed(0))).is_ok());
    assert_eq!(code(ask(saying([0; 1024], packed(1)))), "guest_reply");
    assert_eq!(code(ask(saying([0; 1000], packed(0)))), "guest_reply");
    assert_eq!(code(ask(saying([0; 5000], packed(0)))), "archive_too_large");

    let unpacked = |entry_count, deleted| {
        Reply::Unpacked(Unpacked {
            entry_count,
            bytes_written: 0,
            deleted,
        })
    };
    let wanted = PutArchive {
        destination: path("d"),
        size: 1024,
        delete_missing: false,
    };
    let ask = |link: Link| asks::put(&link, &wanted, &mut &[0; 1024][..], |_| Ok(()));
    assert!(ask(swallowing(unpacked(0, 0))).is_ok());
    assert_eq!(code(ask(swallowing(unpacked(3, 0)))), "guest_reply");
    assert_eq!(code(ask(swallowing(unpacked(0, 1)))), "guest_reply");
    let line = "{\"path\":\"d/x\",\"kind\":\"file\"}\n";
    assert_eq!(code(ask(saying(line, unpacked(0, 1)))), "guest_reply");
}
