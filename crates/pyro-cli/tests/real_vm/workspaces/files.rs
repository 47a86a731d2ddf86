//! Files of a workspace: in from the host, looked at, changed.

use super::Desk;
use crate::machine::{host, text};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// A repository of the real git, with what trees of projects have in them.
fn repository(folder: &Path) {
    let git = |words: &[&str]| {
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@b",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(words)
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{words:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    };
    git(&["init", "--quiet"]);
    std::fs::create_dir_all(folder.join("src/deep")).unwrap();
    std::fs::write(folder.join("src/add.sh"), "#!/bin/sh\necho $(($1 - $2))\n").unwrap();
    std::fs::set_permissions(folder.join("src/add.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(folder.join("test.sh"), "test \"$(./src/add.sh 2 3)\" = 5\n").unwrap();
    symlink("../add.sh", folder.join("src/deep/link")).unwrap();
    std::fs::create_dir(folder.join("empty")).unwrap();
    std::fs::write(folder.join("odd name\n"), "x").unwrap();
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "first"]);
}

#[test]
fn a_failing_test_is_mended_by_a_patch() {
    let desk = Desk::new();
    let source = tempfile::tempdir().unwrap();
    repository(source.path());
    desk.create("fix");
    let from = source.path().display().to_string();
    let synced = desk.done(&["sync", "push", "fix", &from]);
    assert_eq!(synced["workspace_sync"]["mode"], "directory", "{synced}");

    // Modes, links, empty directories and odd names are as they were, git agrees.
    assert_eq!(
        desk.sh(
            "fix",
            "git status --porcelain; stat -c %a src/add.sh; readlink src/deep/link; ls -d empty"
        ),
        "755\n../add.sh\nempty\n"
    );
    let (_, code) = desk.ask(&["exec", "fix", "--", "sh", "-e", "test.sh"]);
    assert_eq!(code, 1);

    let patch = source.path().join("fix.patch");
    std::fs::write(
        &patch,
        "--- a/src/add.sh\n+++ b/src/add.sh\n@@ -1,2 +1,2 @@\n #!/bin/sh\n-echo $(($1 - $2))\n+echo $(($1 + $2))\n\
         diff --git a/test.sh b/tests/add.sh\nsimilarity index 100%\nrename from test.sh\nrename to tests/add.sh\n",
    )
    .unwrap();
    let patch = patch.display().to_string();
    let applied = desk.done(&["patch", "apply", "fix", "--patch-file", &patch]);
    assert_eq!(
        (
            &applied["summary"]["total"],
            &applied["summary"]["modified"]
        ),
        (&3.into(), &1.into()),
        "{applied}"
    );
    assert_eq!(
        desk.sh("fix", "sh -e tests/add.sh && stat -c %a src/add.sh"),
        "755\n"
    );
    // Again it does not fit, and says where and why; nothing is changed.
    let (error, code) = desk.ask(&["patch", "apply", "fix", "--patch-file", &patch]);
    assert_eq!(
        (code, &error["error_kind"]),
        (125, &"patch_does_not_apply".into())
    );
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .contains("src/add.sh, hunk 1"),
        "{error}"
    );
    assert_eq!(
        desk.sh("fix", "sh -e tests/add.sh; git status --porcelain | wc -l"),
        "3\n"
    );

    // Home again: the tree as it is, or one file; nothing over what is there.
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("new/tree");
    let exported = desk.done(&["export", "fix", ".", "--output", &out.display().to_string()]);
    assert_eq!(exported["artifact_type"], "directory", "{exported}");
    let diff = Command::new("diff")
        .args(["-r", "--no-dereference", "--exclude=.git"])
        .args([source.path(), out.as_path()])
        .output()
        .unwrap();
    let differences = text(&diff.stdout);
    assert_eq!(
        differences
            .lines()
            .filter(|line| line.starts_with("Only in"))
            .count(),
        3,
        "{differences}"
    );
    let (error, code) = desk.ask(&[
        "export",
        "fix",
        "src",
        "--output",
        &out.display().to_string(),
    ]);
    assert_eq!((code, &error["error_kind"]), (125, &"output_exists".into()));
    let one = home.path().join("one");
    desk.sh("fix", "chmod 4755 src/add.sh");
    let exported = desk.done(&[
        "export",
        "fix",
        "src/add.sh",
        "--output",
        &one.display().to_string(),
    ]);
    assert_eq!(
        (&exported["artifact_type"], &exported["entry_count"]),
        (&"file".into(), &1.into())
    );
    assert_eq!(one.metadata().unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2);

    // What the source has not goes, but for the repository itself.
    desk.sh("fix", "mkdir -p junk/a && touch junk/a/b");
    let synced = desk.done(&["sync", "push", "fix", &from, "--delete-missing"]);
    let deleted = synced["workspace_sync"]["deleted"].as_array().unwrap();
    assert!(deleted.contains(&"/workspace/junk".into()), "{synced}");
    assert_eq!(
        desk.sh("fix", "ls -A | tr '\\n' ' '; git log --oneline | wc -l")
            .matches("junk")
            .count(),
        0
    );
}

#[test]
fn files_are_listed_searched_read_and_written() {
    let desk = Desk::new();
    desk.create("files");
    desk.sh("files", "mkdir -p d/e && printf 'one\\ntwo\\nthree\\n' > d/f && ln -s /etc/passwd d/l && ln -s ../d d/m && mkfifo d/p && touch \"d/$(printf 'a\\377b')\"");
    let list = desk.done(&["file", "list", "files", "d", "--recursive"]);
    let rows: Vec<_> = list["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["path"].as_str().unwrap(),
                entry["artifact_type"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("/workspace/d/a%FFb", "file"),
            ("/workspace/d/e", "directory"),
            ("/workspace/d/f", "file"),
            ("/workspace/d/l", "symlink"),
            ("/workspace/d/m", "symlink"),
            ("/workspace/d/p", "other"),
        ]
    );
    let found = desk.done(&["file", "list", "files", "--search", "^t.*e$", "--regex"]);
    assert_eq!(
        (&found["matches"][0]["path"], &found["matches"][0]["line"]),
        (&"/workspace/d/f".into(), &3.into())
    );
    assert_eq!(found["matches"].as_array().unwrap().len(), 1);

    let read = desk.done(&[
        "file",
        "read",
        "files",
        "d/f",
        "--first-line",
        "2",
        "--last-line",
        "2",
        "--hash",
    ]);
    assert_eq!(
        (&read["content"], &read["total_lines"], &read["truncated"]),
        (&"two\n".into(), &3.into(), &true.into())
    );
    let hash = read["sha256"].as_str().unwrap().to_owned();
    let only = desk
        .place
        .pyro(&[
            "workspace",
            "file",
            "read",
            "files",
            "d/f",
            "--max-bytes",
            "5",
            "--content-only",
        ])
        .output()
        .unwrap();
    assert_eq!(text(&only.stdout), "one\nt");
    desk.done(&["file", "write", "files", "euro", "--text", "a\u{20ac}b"]);
    let part = |offset| {
        let bounds = ["--max-bytes", "3", "--offset", offset];
        desk.done(&[&["file", "read", "files", "euro"][..], &bounds].concat())
    };
    let (first, second) = (part("0"), part("1"));
    assert_eq!(
        (&first["content"], &first["next_offset"]),
        (&"a".into(), &1.into())
    );
    assert_eq!(
        (&second["content"], &second["next_offset"]),
        (&"\u{20ac}".into(), &4.into())
    );

    let written = desk.done(&[
        "file",
        "write",
        "files",
        "d/f",
        "--replace",
        "two",
        "--text",
        "2",
        "--expected-sha256",
        &hash,
    ]);
    assert_eq!(
        (&written["size_bytes"], &written["created"]),
        (&12.into(), &false.into())
    );
    assert_eq!(desk.sh("files", "cat d/f"), "one\n2\nthree\n");
    desk.done(&["file", "write", "files", "new/deep/g", "--text", "--x"]);
    assert_eq!(desk.sh("files", "cat new/deep/g"), "--x");

    // Nothing of the host, nothing through a link, nothing that is not as expected.
    let refused: [(&[&str], &str); 9] = [
        (&["file", "read", "files", "d/l"], "file_kind"),
        (&["file", "read", "files", "d/m/f"], "file_symlink"),
        (&["file", "read", "files", "../etc/passwd"], "invalid_path"),
        (&["file", "read", "files", "/etc/passwd"], "invalid_path"),
        (&["file", "read", "files", "d"], "file_kind"),
        (&["file", "read", "files", "none"], "file_not_found"),
        (
            &[
                "file",
                "write",
                "files",
                "d/f",
                "--text",
                "x",
                "--expected-sha256",
                &hash,
            ],
            "conflict",
        ),
        (
            &[
                "file",
                "write",
                "files",
                "d/f",
                "--replace",
                "e",
                "--text",
                "x",
            ],
            "not_unique",
        ),
        (&["file", "write", "files", "d/f"], "conflict"),
    ];
    for (words, kind) in refused {
        let (error, code) = desk.ask(words);
        assert_eq!(
            (code, &error["error_kind"]),
            (125, &kind.into()),
            "{words:?}: {error}"
        );
        assert!(error["hint"].is_string(), "{words:?}: {error}");
    }
    assert_eq!(desk.sh("files", "cat d/f"), "one\n2\nthree\n");
}

#[test]
fn an_archive_with_a_bad_member_changes_nothing() {
    let desk = Desk::new();
    desk.create("sync");
    let dir = tempfile::tempdir().unwrap();
    let line =
        "echo fresh > a; mkfifo p; tar -cf bad.tar a p; rm p; tar -cf good.tar a; gzip -k good.tar";
    host(dir.path(), line);
    desk.sh("sync", "echo old > a");
    let push = |name: &str| {
        let path = dir.path().join(name).display().to_string();
        desk.ask(&["sync", "push", "sync", &path])
    };
    let (error, code) = push("bad.tar");
    assert_eq!((code, &error["error_kind"]), (125, &"bad_archive".into()));
    assert!(
        error["error"].as_str().unwrap().contains("\"p\""),
        "{error}"
    );
    assert_eq!(desk.sh("sync", "cat a"), "old\n");
    for name in ["good.tar", "good.tar.gz"] {
        desk.sh("sync", "echo old > a");
        let (synced, code) = push(name);
        assert_eq!(
            (code, &synced["workspace_sync"]["entry_count"]),
            (0, &1.into())
        );
        assert_eq!(desk.sh("sync", "cat a"), "fresh\n");
    }
}
