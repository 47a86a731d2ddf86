//! Files below the workspace, from the host's side.

use super::subject::{Place, Subject, output};
use pyro_engine::guest::Guest;
use pyro_engine::{Cancel, Result};
use pyro_proto::messages::files::{
    ApplyChanges, Change, Expect, GetArchive, ListFiles, PutArchive, ReadFile, SearchFiles,
    WriteFile,
};
use pyro_proto::path::PathText;

fn path(text: &str) -> PathText {
    text.into()
}

fn read(guest: &Guest, name: &str) -> Result<String> {
    let wanted = ReadFile {
        path: path(name),
        offset: 0,
        max_bytes: 1 << 20,
        lines: None,
        hash: true,
    };
    let mut bytes = Vec::new();
    let take = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    };
    guest.read_file(&wanted, take, &Cancel::default())?;
    Ok(String::from_utf8(bytes).unwrap())
}

fn write(name: &str, text: &str) -> WriteFile {
    WriteFile {
        path: path(name),
        expect: Expect::Absent,
        executable: Some(true),
        make_parents: true,
        size: text.len() as u64,
    }
}

pub fn what_is_put_is_there(subject: Subject) {
    let place = Place::new();
    let mut started = subject.start(&place);
    let (guest, cancel) = (&mut started.guest, Cancel::default());
    let script = "#!/bin/sh\necho found me\n";
    let wanted = write("bin/tool", script);
    let contents = &mut script.as_bytes();
    guest.write_file(&wanted, contents, &cancel).unwrap();
    let conflict = guest.write_file(&wanted, &mut script.as_bytes(), &cancel);
    assert_eq!(conflict.unwrap_err().code, "conflict");
    assert_eq!(output(guest, "/workspace/bin/tool"), "found me");
    assert_eq!(output(guest, "stat -c %a /workspace/bin/tool"), "755");
    if subject != Subject::Process {
        assert_eq!(output(guest, "stat -c %u:%g /workspace/bin/tool"), "0:0");
    }
    assert_eq!(read(guest, "/workspace/bin/tool").unwrap(), script);
    assert_eq!(
        read(guest, "/etc/passwd").unwrap_err().code,
        "bad_file_request"
    );
    output(
        guest,
        "ln -s /etc /workspace/etc; ln -s bin/tool /workspace/link",
    );
    assert_eq!(read(guest, "etc/passwd").unwrap_err().code, "file_symlink");

    let changes = vec![
        Change::Write(write("src/a", "needle\n")),
        Change::Delete {
            path: path("link"),
            expect: Expect::Anything,
        },
    ];
    let changes = ApplyChanges { changes };
    let applied = guest.apply_changes(&changes, &mut &b"needle\n"[..], &cancel);
    assert_eq!(applied.unwrap().done, 2);
    let wanted = SearchFiles {
        path: path("."),
        pattern: "need.e".into(),
        regex: true,
        ignore_case: false,
        max_matches: 10,
        max_line_bytes: 100,
    };
    let mut found = Vec::new();
    let each = |one| {
        found.push(one);
        Ok(())
    };
    guest.search_files(&wanted, each, &cancel).unwrap();
    assert_eq!((found.len(), found[0].line), (1, 1));

    // Everything out, and in again elsewhere.
    let mut tar = Vec::new();
    let take = |piece: &[u8]| {
        tar.extend_from_slice(piece);
        Ok(())
    };
    let wanted = GetArchive {
        path: path("."),
        as_disk: false,
    };
    let packed = guest.get_archive(&wanted, 1 << 20, take, &cancel).unwrap();
    output(
        guest,
        "mkdir /workspace/copy && touch /workspace/copy/stale",
    );
    let wanted = PutArchive {
        destination: path("copy"),
        size: tar.len() as u64,
        delete_missing: true,
    };
    let mut deleted = Vec::new();
    let each = |one: pyro_proto::messages::files::Deleted| {
        deleted.push(one.path.to_string());
        Ok(())
    };
    let unpacked = guest.put_archive(&wanted, &mut tar.as_slice(), each, &cancel);
    assert_eq!(unpacked.unwrap().entry_count, packed.entry_count);
    assert_eq!(deleted, ["copy/stale"]);
    let list = ListFiles {
        path: path("copy"),
        recursive: true,
        limit: 100,
    };
    let mut names = Vec::new();
    let each = |entry: pyro_proto::messages::files::Entry| {
        names.push(entry.path.to_string());
        Ok(())
    };
    guest.list_files(&list, each, &cancel).unwrap();
    let wanted = [
        "copy/bin",
        "copy/bin/tool",
        "copy/etc",
        "copy/src",
        "copy/src/a",
    ];
    assert_eq!(names, wanted);
    assert_eq!(output(guest, "/workspace/copy/bin/tool"), "found me");
}
