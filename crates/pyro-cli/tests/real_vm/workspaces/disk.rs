//! The disk of a stopped workspace, seen without starting it.

use super::{Desk, processes};
use crate::machine::{eventually, family, is_alive, text, vmm_below};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

fn host(program: &str, words: &[&str], at: &Path) -> String {
    let output = Command::new(format!("/usr/sbin/{program}"))
        .args(words)
        .arg(at)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program}: {} {}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    text(&output.stdout)
}

fn kind(desk: &Desk, words: &[&str]) -> String {
    let (error, code) = desk.ask(words);
    assert_eq!(code, 125, "{words:?}: {error}");
    assert!(error["hint"].is_string(), "{error}");
    error["error_kind"].as_str().unwrap().to_owned()
}

#[test]
fn a_disk_is_listed_read_and_exported_without_a_change() {
    let desk = Desk::new();
    let seed = desk.place.folder.path().join("seed");
    std::fs::create_dir_all(seed.join("old name/deep")).unwrap();
    std::fs::write(seed.join("old name/deep/kept"), "from the seed\n").unwrap();
    std::fs::write(seed.join("gone"), "x").unwrap();
    let from = seed.display().to_string();
    desk.done(&[
        "create",
        "debian:12",
        "--name",
        "d",
        "--mem-mib",
        "512",
        "--disk-mib",
        "1024",
        "--seed-path",
        &from,
    ]);
    // Written in two halves, so that the command's own text is not found.
    desk.sh(
        "d",
        "set -e; mv 'old name' new; rm gone; printf hi > \"$(printf 'with\\nline')\"; ln -s new/deep/kept link
        printf '#!/bin/sh\\necho tool\\n' > /usr/local/bin/tool; chmod 4755 /usr/local/bin/tool
        rm /etc/os-release /etc/debian_version; echo mine > /etc/mine; chown 7:8 /etc/mine; chmod 640 /etc/mine
        truncate -s 1G /var/sparse; mv /usr/share/doc /usr/share/papers
        a=runtime-only; b=secret-4711; echo $a-$b > /run/s; echo $a-$b > /tmp/s; sync",
    );
    assert_eq!(kind(&desk, &["disk", "list", "d"]), "wrong_state");
    let stopped = desk.done(&["stop", "d"]);
    let id = stopped["workspace_id"].as_str().unwrap();
    let scratch = desk
        .place
        .state()
        .join("workspaces")
        .join(id)
        .join("scratch.ext4");

    let features = host("dumpe2fs", &["-h"], &scratch);
    assert!(!features.contains("needs_recovery"), "{features}");
    let found = Command::new("grep")
        .args(["-c", "-a", "runtime-only-secret-4711"])
        .arg(&scratch)
        .output()
        .unwrap();
    assert_eq!(text(&found.stdout), "0\n");
    let before = (sha256(&scratch), scratch.metadata().unwrap().blocks());
    let record = desk
        .place
        .state()
        .join("workspaces")
        .join(id)
        .join("workspace.json");
    let record_before = std::fs::read(&record).unwrap();

    let paths = |words: &[&str]| -> Vec<String> {
        let list = desk.done(&[&["disk", "list", "d"], words].concat());
        let rows = list["entries"].as_array().unwrap().iter();
        rows.map(|row| row["path"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        paths(&["--recursive"]),
        [
            "/workspace/link",
            "/workspace/new",
            "/workspace/new/deep",
            "/workspace/new/deep/kept",
            "/workspace/with%0Aline"
        ]
    );
    let etc = paths(&["/usr/../etc"]);
    assert!(
        etc.contains(&"/etc/mine".to_owned()) && !etc.contains(&"/etc/debian_version".to_owned())
    );
    assert!(paths(&["/usr/share/papers"]).len() > 3);
    assert!(paths(&["/run"]).is_empty() && paths(&["/tmp"]).is_empty());
    let read = desk.done(&["disk", "read", "d", "with\nline", "--max-bytes", "1"]);
    assert_eq!(
        (&read["content"], &read["truncated"]),
        (&"h".into(), &true.into())
    );
    let mut plain = desk.place.pyro(&[
        "workspace",
        "disk",
        "read",
        "d",
        "/etc/mine",
        "--content-only",
    ]);
    assert_eq!(text(&plain.output().unwrap().stdout), "mine\n");
    for (words, code) in [
        (&["disk", "read", "d", "gone"][..], "file_not_found"),
        (&["disk", "read", "d", "new"], "file_kind"),
        (&["disk", "read", "d", "link"], "file_kind"),
        (&["disk", "list", "d", "../etc"], "invalid_path"),
        (
            &["disk", "export", "d", "--output", "/etc/passwd"],
            "output_exists",
        ),
    ] {
        assert_eq!(kind(&desk, words), code, "{words:?}");
    }
    assert!(
        before == (sha256(&scratch), scratch.metadata().unwrap().blocks()),
        "looking wrote"
    );
    assert!(
        record_before == std::fs::read(&record).unwrap(),
        "looking is no use of it"
    );

    let image = desk.place.folder.path().join("out/disk.ext4");
    let output = image.display().to_string();
    let done = desk.done(&["disk", "export", "d", "--output", &output]);
    let on_host = image.metadata().unwrap();
    assert_eq!(
        (&done["disk_format"], done["bytes_written"].as_u64()),
        (&"ext4".into(), Some(on_host.len()))
    );
    assert_eq!(on_host.len(), 1024 << 20);
    assert!(
        on_host.blocks() * 512 < on_host.len() / 2,
        "{}",
        on_host.blocks()
    );
    host("e2fsck", &["-fn"], &image);
    let ask = |order: &str| host("debugfs", &["-R", order], &image);
    assert_eq!(ask("cat /workspace/new/deep/kept"), "from the seed\n");
    assert!(ask("stat /usr/local/bin/tool").contains("Mode:  04755"));
    let mine = ask("stat /etc/mine");
    assert!(
        mine.contains("User:     7")
            && mine.contains("Group:     8")
            && mine.contains("Mode:  0640"),
        "{mine}"
    );
    assert!(!ask("stat /etc/debian_version").contains("Inode:"));
    assert!(ask("stat /var/sparse").contains("Size: 1073741824"));
    assert!(!ask("ls /run").contains(" s "));
    desk.done(&["start", "d"]);
    assert_eq!(
        desk.sh("d", "cat new/deep/kept; tool"),
        "from the seed\ntool\n"
    );
}

#[test]
fn a_client_that_is_killed_leaves_no_machine_and_no_image() {
    let desk = Desk::new();
    let id = desk.create("k");
    desk.done(&["stop", "k"]);
    let image = desk.place.folder.path().join("k.ext4");
    let output = image.display().to_string();
    let mut client = desk
        .place
        .pyro(&["workspace", "disk", "export", "k", "--output", &output])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("a reader", || vmm_below(client.id()).is_some());
    let all = family(client.id());
    // Meanwhile nobody starts it.
    assert!(processes(&id).is_empty());
    client.kill().unwrap();
    client.wait().unwrap();
    eventually("the end of the reader", || {
        !all.iter().any(|pid| is_alive(*pid))
    });
    assert!(!image.exists());
    desk.done(&["start", "k"]);
    assert_eq!(desk.sh("k", "echo well"), "well\n");
}
