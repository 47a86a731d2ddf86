//! Unpacking and packing: what survives, and what is refused.

use crate::host::{Done, soon};
use crate::workspace::{Workspace, path, temporaries, workspace};
use pyro_proto::messages::files::{Deleted, FileKind, GetArchive, Packed, PutArchive, Unpacked};
use pyro_proto::messages::{Failed, Reply, Request, channel};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// One member by hand: header, data, padding.
fn member(name: &[u8], letter: u8, link: &[u8], mode: u32, data: &[u8]) -> Vec<u8> {
    let mut block = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name);
    put(100, format!("{mode:07o}\0").as_bytes());
    put(124, format!("{:011o}\0", data.len()).as_bytes());
    put(136, format!("{:011o}\0", 1_000_000_000).as_bytes());
    put(148, b"        ");
    put(156, &[letter]);
    put(157, link);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = block.to_vec();
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &[u8], data: &[u8]) -> Vec<u8> {
    member(name, b'0', b"", 0o644, data)
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = members.concat();
    bytes.extend_from_slice(&[0; 1024]);
    bytes
}

fn put(destination: &str, size: usize, delete_missing: bool) -> Request {
    Request::PutArchive(PutArchive {
        destination: path(destination),
        size: size as u64,
        delete_missing,
    })
}

fn unpack(at: &Workspace, destination: &str, bytes: &[u8]) -> Unpacked {
    match at.send(&put(destination, bytes.len(), false), bytes).reply {
        Reply::Unpacked(unpacked) => unpacked,
        other => panic!("{other:?}"),
    }
}

fn refused(at: &Workspace, members: &[Vec<u8>]) -> Failed {
    let bytes = archive(members);
    at.refused(&put("d", bytes.len(), false), &bytes)
}

fn get(at: &Workspace, name: &str) -> (Done, Packed) {
    let done = at.ask(&Request::GetArchive(GetArchive {
        path: path(name),
        as_disk: false,
    }));
    let packed = match &done.reply {
        Reply::Packed(packed) => packed.clone(),
        other => panic!("{other:?}"),
    };
    (done, packed)
}

fn shell(folder: &Path, line: &str) -> Vec<u8> {
    let mut shell = Command::new("sh");
    let output = shell
        .args(["-ec", line])
        .current_dir(folder)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {stderr}");
    output.stdout
}

#[test]
fn a_tree_comes_back_as_it_was() {
    let source = tempfile::tempdir().unwrap();
    let long = "l".repeat(200);
    shell(
        source.path(),
        &format!(
            "mkdir -p d/empty .git bin && echo run > bin/run && chmod 755 bin/run && ln bin/run bin/same
             chmod 4755 bin/same && ln -s ../../outside up && ln -s /etc abs && ln -s bin/run rel
             echo {long} > d/{long} && ln -s {long} d/link && echo hi > .git/x
             truncate -s 3000000 holes && printf mid | dd of=holes bs=1 seek=1500000 conv=notrunc 2>/dev/null
             chmod 750 d && touch -d @1234567890.5 d/{long} d bin/run && touch -h -d @99 rel"
        ),
    );
    let odd = OsStr::from_bytes(b"odd\n\xff%");
    std::fs::write(source.path().join(odd), "odd").unwrap();
    let bytes = shell(source.path(), "tar c --sparse --format=pax .");
    let at = workspace();
    let done = unpack(&at, "a/b", &bytes);
    let count = shell(source.path(), "find . -printf x | wc -c");
    let count: u64 = String::from_utf8(count).unwrap().trim().parse().unwrap();
    assert_eq!(done.entry_count, count);
    assert_eq!(done.bytes_written, 4 + 201 + 3 + 3_000_000 + 3);
    let to = at.at("a/b");
    let meta = |name: &str| to.join(name).symlink_metadata().unwrap();
    assert_eq!(meta("bin/run").ino(), meta("bin/same").ino());
    assert_eq!(meta("bin/run").mode() & 0o7777, 0o755, "without setuid");
    assert_eq!(
        (meta("d").mode() & 0o7777, meta("d").mtime()),
        (0o750, 1_234_567_890)
    );
    let file = meta(&format!("d/{long}"));
    assert_eq!(
        (file.mtime(), file.mtime_nsec()),
        (1_234_567_890, 500_000_000)
    );
    assert_eq!(meta("rel").mtime(), 99);
    assert_eq!(
        to.join("up").read_link().unwrap(),
        Path::new("../../outside")
    );
    assert_eq!(to.join("abs").read_link().unwrap(), Path::new("/etc"));
    assert_eq!(std::fs::read(to.join(odd)).unwrap(), b"odd");
    assert!(meta("d/empty").is_dir() && meta(".git/x").is_file());
    assert!(meta("holes").blocks() * 512 < 1_000_000, "holes stay holes");
    assert_eq!(
        &std::fs::read(to.join("holes")).unwrap()[1_500_000..1_500_003],
        b"mid"
    );

    // And out again, to be read by another program.
    shell(&to, "mkfifo pipe && chmod 6755 bin/run");
    let (done, packed) = get(&at, "a/b");
    assert_eq!(
        (packed.kind, packed.skipped_special),
        (FileKind::Directory, 1)
    );
    assert_eq!((packed.entry_count, packed.changed_files), (count - 1, 0));
    let back = tempfile::tempdir().unwrap();
    std::fs::write(back.path().join("t"), &done.stdout).unwrap();
    shell(back.path(), "mkdir o && tar xpf t -C o");
    let line = format!("diff -r --no-dereference {} o", source.path().display());
    shell(back.path(), &line);
    let run = back.path().join("o/bin/run").metadata().unwrap();
    assert_eq!((run.mode() & 0o7777, run.mtime()), (0o755, 1_234_567_890));
    assert!(shell(back.path(), "tar tvf t").starts_with(b"drwx"));
}

#[test]
fn files_and_links_are_packed_alone() {
    let at = workspace();
    at.put("d/f", "text");
    symlink("../d", at.at("d/s")).unwrap();
    let (done, packed) = get(&at, "d/f");
    assert_eq!(
        (packed.kind, packed.entry_count, packed.file_bytes),
        (FileKind::File, 1, 4)
    );
    assert!(done.stdout.starts_with(b"f\0") || done.stdout[156] == b'x');
    assert_eq!(get(&at, "d/s").1.kind, FileKind::Symlink);
    for (name, code) in [
        ("d/s/f", "symlink"),
        ("no", "not_found"),
        ("..", "bad_request"),
    ] {
        let request = Request::GetArchive(GetArchive {
            path: path(name),
            as_disk: false,
        });
        assert_eq!(at.refused(&request, b"").code, code, "{name}");
    }
}

#[test]
fn hostile_archives_are_refused() {
    let at = workspace();
    at.put("d/there/x", "old");
    symlink("..", at.at("d/up")).unwrap();
    symlink("/tmp", at.at("d/tmp")).unwrap();
    let long = vec![b'9'; 600];
    let cases: [(&str, Vec<u8>); 18] = [
        ("archive", file(b"/etc/x", b"")),
        ("archive", file(b"../x", b"")),
        ("archive", file(b"a/../../x", b"")),
        ("archive", file(b"", b"")),
        ("archive", file(b".", b"")),
        ("archive", member(b"dev", b'3', b"", 0o644, b"")),
        ("archive", member(b"block", b'4', b"", 0o644, b"")),
        ("archive", member(b"fifo", b'6', b"", 0o644, b"")),
        ("archive", member(b"odd", b'Q', b"", 0o644, b"")),
        ("archive", member(b"hard", b'1', b"../outside", 0o644, b"")),
        ("archive", member(b"hard", b'1', b"/etc/passwd", 0o644, b"")),
        ("symlink", member(b"hard", b'1', b"up/outside", 0o644, b"")),
        ("archive", member(b"hard", b'1', b"up", 0o644, b"")),
        ("symlink", file(b"up/x", b"")),
        ("symlink", file(b"tmp/pyro-never", b"")),
        ("conflict", file(b"up", b"")),
        ("archive", member(b"link", b'2', b"", 0o644, b"")),
        ("archive", member(b"x", b'x', b"", 0o644, &long)),
    ];
    for (code, bytes) in &cases {
        let refused = refused(&at, std::slice::from_ref(bytes));
        assert_eq!(refused.code, *code, "{}", refused.message);
    }
    for (first, second) in [
        (file(b"f", b""), file(b"f/x", b"")),
        (member(b"s", b'2', b"/tmp", 0o777, b""), file(b"s/x", b"")),
    ] {
        let refused = refused(&at, &[first, second]);
        assert!(
            matches!(&*refused.code, "wrong_kind" | "symlink"),
            "{}",
            refused.message
        );
    }
    for (name, letter, link) in [
        (&b"there"[..], b'0', &b""[..]),
        (b"there", b'2', b"x"),
        (b"there/x", b'5', b""),
        (b"there/x", b'2', b"x"),
        (b"tmp", b'5', b""),
        (b"there", b'1', b"there/x"),
    ] {
        let refused = refused(&at, &[member(name, letter, link, 0o644, b"")]);
        assert_eq!(refused.code, "conflict", "{}", refused.message);
    }
    let mut broken = archive(&[file(b"f", b"data")]);
    broken[0] = b'g';
    assert_eq!(
        at.refused(&put("d", broken.len(), false), &broken).code,
        "archive"
    );
    let cut = &archive(&[file(b"cut", &[7; 2000])])[..1024];
    assert_eq!(at.refused(&put("d", 1024, false), cut).code, "archive");
    assert_eq!(at.refused(&put("d", 9999, false), cut).code, "incomplete");
    assert_eq!(at.refused(&put("up/..", 0, false), b"").code, "bad_request");
    assert_eq!(at.refused(&put("d/up", 0, false), b"").code, "symlink");
    assert_eq!(at.text("d/there/x"), "old");
    assert!(!at.at("d/cut").exists() && !at.at("../x").exists());
    assert!(!Path::new("/tmp/pyro-never").exists());
    assert_eq!(temporaries(&at.at("d")), 0);
}

#[test]
fn an_archive_goes_over_what_is_there() {
    let at = workspace();
    at.put("f", "a long old text");
    at.put("kept/x", "x");
    std::fs::hard_link(at.at("f"), at.at("other")).unwrap();
    symlink("nowhere", at.at("s")).unwrap();
    std::fs::set_permissions(at.at(""), PermissionsExt::from_mode(0o711)).unwrap();
    let bytes = archive(&[
        member(b"./", b'5', b"", 0o700, b""),
        file(b"./f", b"new"),
        member(b"kept/", b'5', b"", 0o2755, b""),
        member(b"s", b'2', b"../else", 0o777, b""),
        file(b"deep/er/g", b"g"),
        member(b"again", b'1', b"f", 0o644, b""),
        member(b"again", b'1', b"f", 0o644, b""),
    ]);
    let done = unpack(&at, ".", &bytes);
    assert_eq!(
        (done.entry_count, done.bytes_written, done.deleted),
        (7, 4, 0)
    );
    assert_eq!(
        (at.text("f"), at.text("again")),
        ("new".into(), "new".into())
    );
    assert_eq!(at.text("other"), "a long old text", "its own file");
    assert_eq!(at.at("s").read_link().unwrap(), Path::new("../else"));
    assert_eq!(
        (at.text("kept/x"), at.text("deep/er/g")),
        ("x".into(), "g".into())
    );
    assert_eq!(at.at("kept").metadata().unwrap().mode() & 0o7777, 0o755);
    assert_eq!(at.at("").metadata().unwrap().mode() & 0o777, 0o711);
    assert_eq!(at.at("f").metadata().unwrap().mtime(), 1_000_000_000);
    assert_eq!(temporaries(&at.at("")), 0);
}

#[test]
fn what_the_archive_does_not_name_goes_when_asked() {
    let at = workspace();
    for name in [
        "d/keep/a",
        "d/keep/b",
        "d/gone/x/y",
        "d/.git/config",
        "d/sub/.git/x",
        "else",
    ] {
        at.put(name, name);
    }
    symlink("../else", at.at("d/link")).unwrap();
    symlink("../", at.at("d/gone/up")).unwrap();
    let bytes = archive(&[file(b"keep/a", b"new")]);
    let done = at.send(&put("d", bytes.len(), true), &bytes);
    let Reply::Unpacked(unpacked) = &done.reply else {
        panic!("{:?}", done.reply);
    };
    let mut deleted: Vec<String> = done
        .text()
        .lines()
        .map(|line| {
            serde_json::from_str::<Deleted>(line)
                .unwrap()
                .path
                .to_string()
        })
        .collect();
    deleted.sort();
    let wanted = [
        "d/gone",
        "d/gone/up",
        "d/gone/x",
        "d/gone/x/y",
        "d/keep/b",
        "d/link",
        "d/sub",
        "d/sub/.git",
        "d/sub/.git/x",
    ];
    assert_eq!(deleted, wanted);
    assert_eq!(unpacked.deleted, 9);
    assert_eq!(
        (at.text("d/keep/a"), at.text("d/.git/config")),
        ("new".into(), "d/.git/config".into())
    );
    assert_eq!(at.text("else"), "else");
    // A refused archive deletes nothing.
    let bytes = archive(&[file(b"../x", b"")]);
    at.refused(&put("d", bytes.len(), true), &bytes);
    assert!(at.at("d/keep/a").exists());
}

#[test]
fn a_host_that_leaves_leaves_no_part_of_a_file() {
    let at = workspace();
    let bytes = archive(&[file(b"whole", b"1"), file(b"part", &[1; 300_000])]);
    let stream = at.agent.ask(&put("d", bytes.len(), true));
    stream.send(channel::STDIN, &bytes[..100_000]).unwrap();
    let until = soon().unwrap();
    while !at.at("d/whole").exists() || temporaries(&at.at("d")) == 0 {
        assert!(std::time::Instant::now() < until);
    }
    drop(stream);
    while temporaries(&at.at("d")) > 0 {
        assert!(std::time::Instant::now() < until);
    }
    assert!(!at.at("d/part").exists());
}

#[test]
fn a_file_that_shrinks_meanwhile_does_not_break_the_archive() {
    let at = workspace();
    at.put("big", vec![b'x'; 4 << 20]);
    at.put("last", "end");
    let stream = at.agent.ask(&Request::GetArchive(GetArchive {
        path: path("."),
        as_disk: false,
    }));
    let mut bytes = Vec::new();
    let reply = loop {
        match stream.receive(soon()).unwrap() {
            pyro_proto::Incoming::Data(_, piece) => {
                if bytes.is_empty() {
                    std::fs::File::create(at.at("big")).unwrap();
                }
                bytes.extend(piece);
            }
            pyro_proto::Incoming::Close(reply) => break reply,
            pyro_proto::Incoming::End(_) => {}
        }
    };
    let Reply::Packed(packed) = serde_json::from_slice(&reply).unwrap() else {
        panic!("{}", String::from_utf8_lossy(&reply));
    };
    assert_eq!((packed.entry_count, packed.changed_files), (2, 1));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t"), bytes).unwrap();
    shell(folder.path(), "tar xf t");
    let size = folder.path().join("big").metadata().unwrap().len();
    assert_eq!(size, 4 << 20);
    assert_eq!(std::fs::read(folder.path().join("last")).unwrap(), b"end");
}
