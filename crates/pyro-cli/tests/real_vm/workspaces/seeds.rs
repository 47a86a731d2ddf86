//! What a workspace begins with, seen from inside the guest.

use super::Desk;
use crate::machine::host;
use std::path::PathBuf;

/// Names, kinds, modes, times, sizes, links and contents, on any side.
const LOOK: &str = "(find . -mindepth 1 -type d -printf '%P|d|%m|%T@\\n'; find . ! -type d -printf '%P|%y|%m|%T@|%l|%n|%s\\n') | LC_ALL=C sort | sha256sum
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum";

fn source() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("seed");
    std::fs::create_dir(&folder).unwrap();
    host(
        &folder,
        "git init -q .; mkdir -p src/deep empty node_modules/.bin; printf '#!/bin/sh\\necho ran\\n' > src/run.sh
         chmod 755 src/run.sh; chmod 600 src; chmod 750 src; ln -s ../../src/run.sh node_modules/.bin/run; ln src/run.sh hard
         ln -s /etc/hostname absolute; ln -s missing dangling; touch -d '2001-02-03 04:05:06.789' src/deep
         printf odd > $'new\\nline'; printf latin > $'caf\\xe9'; mkdir $'d\\xff'; printf in > $'d\\xff/\"quoted\"'
         for i in $(seq 500); do echo $i > src/deep/$i; done
         git add -A .; git -c user.name=a -c user.email=a@b commit -qm first
         # Git maps what it adds, and a tmpfs fills the holes of what is mapped.
         echo sparse >> .git/info/exclude
         truncate -s 20M sparse; printf x | dd of=sparse bs=1 seek=15000000 conv=notrunc status=none",
    );
    (dir, folder)
}

#[test]
fn a_seed_is_as_it_was_and_reset_goes_back_to_it() {
    let desk = Desk::new();
    let (_dir, folder) = source();
    let from = folder.display().to_string();
    let made = desk.done(&[
        "create",
        "debian:12",
        "--name",
        "seeded",
        "--seed-path",
        &from,
    ]);
    let seed = &made["workspace_seed"];
    assert_eq!(
        (seed["mode"].as_str(), seed["origin_kind"].as_str()),
        (Some("directory"), Some("manual_seed_path"))
    );
    let entries = host(&folder, "find . -mindepth 1 -print0 | tr -cd '\\0' | wc -c");
    assert_eq!(seed["entry_count"].to_string(), entries.trim());

    assert_eq!(desk.sh("seeded", LOOK), host(&folder, LOOK));
    assert_eq!(
        desk.sh(
            "seeded",
            "git status --porcelain; node_modules/.bin/run; find . ! -user root; du -m sparse | cut -f1; ls -A | grep -c lost || true"
        ),
        "ran\n1\n0\n"
    );
    // Folders of the seed can be renamed, as package managers do.
    desk.sh(
        "seeded",
        "mv src lib && rm -rf empty && echo more >> hard && touch new",
    );
    let (_, code) = desk.ask(&["exec", "seeded", "--", "test", "-e", "src"]);
    assert_eq!(code, 1);
    desk.done(&["stop", "seeded"]);
    desk.done(&["start", "seeded"]);
    assert_eq!(desk.sh("seeded", "ls lib/run.sh new"), "lib/run.sh\nnew\n");
    desk.done(&["reset", "seeded"]);
    assert_eq!(desk.sh("seeded", LOOK), host(&folder, LOOK));
}

#[test]
fn seeds_of_the_same_content_share_their_image() {
    let desk = Desk::new();
    let (dir, folder) = source();
    host(dir.path(), "tar -C seed -czf seed.tgz .");
    let from = folder.display().to_string();
    for name in ["one", "two"] {
        desk.done(&[
            "create",
            "debian:12",
            "--name",
            name,
            "--mem-mib",
            "512",
            "--seed-path",
            &from,
        ]);
    }
    let images = || {
        let listed = std::fs::read_dir(desk.place.state().join("baselines")).unwrap();
        listed
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|kind| kind == "ext4"))
            .count()
    };
    assert_eq!(images(), 1);
    // Neither sees the other.
    desk.sh("one", "echo mine > hard");
    assert_eq!(desk.sh("two", "tail -n 1 hard"), "echo ran\n");
    desk.done(&["delete", "one"]);
    assert_eq!(desk.sh("two", "cat src/run.sh | tail -n 1"), "echo ran\n");
    desk.done(&["delete", "two"]);

    let archive = dir.path().join("seed.tgz").display().to_string();
    let made = desk.done(&[
        "create",
        "debian:12",
        "--name",
        "three",
        "--mem-mib",
        "512",
        "--seed-path",
        &archive,
    ]);
    assert_eq!(made["workspace_seed"]["mode"], "tar_archive");
    assert_eq!(
        desk.sh(
            "three",
            "git status --porcelain; cat $(printf 'caf\\351'); node_modules/.bin/run"
        ),
        "latinran\n"
    );
    desk.done(&["delete", "three"]);
    assert_eq!(images(), 2);
    let pruned = desk.done(&["prune", "--older-than", "0s"]);
    assert!(pruned["freed_bytes"].as_u64().unwrap() > 0, "{pruned}");
    assert_eq!(images(), 0);
}

#[test]
fn a_bad_seed_leaves_nothing() {
    let desk = Desk::new();
    let dir = tempfile::tempdir().unwrap();
    host(
        dir.path(),
        "echo x > plain; mkfifo pipe; tar -cf pipe.tar pipe; head -c 9999 /dev/urandom > torn.tgz",
    );
    for (name, kind) in [
        ("missing", "source_missing"),
        ("plain", "source_kind"),
        ("pipe.tar", "bad_archive"),
        ("torn.tgz", "bad_archive"),
    ] {
        let path = dir.path().join(name).display().to_string();
        let (error, code) =
            desk.ask(&["create", "debian:12", "--name", "bad", "--seed-path", &path]);
        assert_eq!(
            (code, error["error_kind"].as_str()),
            (125, Some(kind)),
            "{error}"
        );
        assert!(error["error"].as_str().unwrap().contains(name), "{error}");
    }
    assert_eq!(desk.done(&["list"])["count"], 0);
}
