//! Snapshots and resets: what comes back, what is refused, what a kill leaves.
//!
//! Owns: looking into the folder of snapshots. Disks are checked by e2fsck.

use super::{Desk, supervisor};
use crate::machine::{eventually, text, vmm_below};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const MIB: u64 = 1 << 20;

fn folder(desk: &Desk, id: &str) -> PathBuf {
    desk.place.folder.path().join("state/workspaces").join(id)
}

/// Names in the folder of snapshots, sorted.
/// Whether the VMM that is used here gives freed blocks back to the host.
fn gives_back(place: &crate::machine::Place) -> bool {
    let can = crate::firecracker::missing(place).is_some();
    if !can {
        eprintln!("skipped: Firecracker has no discard, so what was deleted stays in the disk");
    }
    can
}

fn files(desk: &Desk, id: &str) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder(desk, id).join("snapshots"))
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

fn begin(desk: &Desk, words: &[&str]) -> Child {
    desk.place
        .pyro(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Code of the check: 0 clean, 1 mended (what was deleted while it was open).
fn e2fsck(mode: &str, disk: &Path) -> i32 {
    let path = std::env::var("PATH").unwrap() + ":/usr/sbin:/sbin";
    let output = Command::new("e2fsck")
        .args([mode, disk.to_str().unwrap()])
        .env("PATH", path)
        .output()
        .unwrap();
    eprintln!("{}", text(&output.stdout));
    output.status.code().unwrap()
}

#[test]
fn the_whole_disk_comes_back() {
    let desk = Desk::new();
    let id = desk.create("one");
    desk.sh(
        "one",
        "echo 1 > f; mkdir d; echo x > d/a; echo 'echo works' > /usr/local/bin/tool; chmod 755 /usr/local/bin/tool; ln -s f l",
    );
    let first = desk.done(&["snapshot", "create", "one", "first"]);
    let shown = &first["snapshot"];
    assert_eq!(
        (
            &first["workspace_id"],
            &shown["snapshot_name"],
            &shown["kind"]
        ),
        (&id.clone().into(), &"first".into(), &"named".into())
    );
    // f, d, d/a, l and the tool; whatever a login shell writes besides.
    let entries = shown["entry_count"].as_u64().unwrap();
    assert!((5..15).contains(&entries), "{shown}");
    let disk = folder(&desk, &id).join("snapshots/first.ext4");
    let used = std::fs::metadata(&disk).unwrap().blocks() * 512;
    assert_eq!(shown["bytes_written"], used);
    assert!(used < 16 * MIB, "{used}");
    assert_eq!(e2fsck("-fn", &disk), 0);

    desk.sh(
        "one",
        "echo 2 > f; rm -r d; rm /usr/local/bin/tool; seq 9 > more; touch /root/more",
    );
    desk.done(&["snapshot", "create", "one", "second"]);
    desk.sh("one", "rm -f f more; echo 3 > g");

    let reset = desk.done(&["reset", "one", "--snapshot", "first"]);
    let told = &reset["workspace_reset"];
    assert_eq!(
        (&told["snapshot_name"], &told["kind"], &told["destination"]),
        (&"first".into(), &"named".into(), &"/workspace".into())
    );
    assert_eq!(
        (&told["entry_count"], &told["bytes_written"]),
        (&shown["entry_count"], &shown["bytes_written"])
    );
    assert_eq!(
        (&reset["command_count"], &reset["reset_count"]),
        (&0.into(), &1.into())
    );
    let look = "cat f d/a /usr/local/bin/tool; readlink l; ls -A; ls -A /root";
    assert_eq!(
        desk.sh("one", look).replace(".bashrc\n.profile\n", ""),
        "1\nx\necho works\nf\nd\nf\nl\n"
    );
    assert_eq!(
        desk.sh("one", "stat -c %a /usr/local/bin/tool; cat /etc/hostname"),
        format!("755\npyro-{id}\n")
    );

    desk.done(&["reset", "one", "--snapshot", "second"]);
    assert_eq!(
        desk.sh("one", "cat f; ls -A; ls /root"),
        "2\nf\nl\nmore\nmore\n"
    );
    assert_eq!(desk.ask(&["exec", "one", "--", "tool"]).1, 127);

    let fresh = desk.done(&["reset", "one"]);
    assert_eq!(
        fresh["workspace_reset"],
        serde_json::json!({"snapshot_name": "baseline", "kind": "baseline", "destination": "/workspace",
            "entry_count": 0, "bytes_written": 0})
    );
    assert_eq!(desk.sh("one", "ls -A; ls /root; ls /usr/local/bin"), "");

    // A snapshot outlives what was reset, and comes back after a stop, too.
    let list = desk.done(&["snapshot", "list", "one"]);
    let names: Vec<_> = list["snapshots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["snapshot_name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["baseline", "second", "first"]);
    assert_eq!(
        (&list["count"], &list["damaged"]),
        (&3.into(), &serde_json::json!([]))
    );
    desk.done(&["stop", "one"]);
    desk.done(&["reset", "one", "--snapshot", "first"]);
    assert_eq!(desk.sh("one", "cat f; tool; cat d/a"), "1\nworks\nx\n");
}

#[test]
fn refusals_name_what_there_is_and_touch_nothing() {
    let desk = Desk::new();
    let id = desk.create("two");
    desk.sh("two", "echo kept > f");
    let refused = |words: &[&str], kind: &str| {
        let (error, code) = desk.ask(words);
        assert_eq!(
            (code, &error["error_kind"]),
            (125, &kind.into()),
            "{words:?}: {error}"
        );
        error["error"].as_str().unwrap().to_owned()
    };
    desk.done(&["snapshot", "create", "two", "good"]);
    refused(&["snapshot", "create", "two", "good"], "duplicate_snapshot");
    refused(&["snapshot", "create", "two", "baseline"], "reserved_name");
    refused(&["snapshot", "delete", "two", "baseline"], "reserved_name");
    for bad in ["../f", ".", "a/b", ""] {
        refused(&["snapshot", "create", "two", bad], "invalid_name");
        refused(&["reset", "two", "--snapshot", bad], "invalid_name");
    }
    let said = refused(&["reset", "two", "--snapshot", "bad"], "unknown_snapshot");
    assert!(said.ends_with("it has baseline, good"), "{said}");
    let machine = supervisor(&id).and_then(vmm_below);
    assert!(machine.is_some());
    assert_eq!(desk.sh("two", "cat f"), "kept\n");

    // A damaged one is reported, refused before the machine is touched, and deleted.
    std::fs::write(folder(&desk, &id).join("snapshots/good.json"), "{").unwrap();
    let list = desk.done(&["snapshot", "list", "two"]);
    assert_eq!(list["damaged"][0]["snapshot_name"], "good", "{list}");
    refused(&["reset", "two", "--snapshot", "good"], "damaged_snapshot");
    assert_eq!(supervisor(&id).and_then(vmm_below), machine);
    assert_eq!(
        desk.done(&["snapshot", "delete", "two", "good"])["deleted"],
        true
    );
    refused(&["snapshot", "delete", "two", "good"], "unknown_snapshot");
    assert!(files(&desk, &id).is_empty());

    // Without a machine: list and delete, but no new one.
    desk.done(&["snapshot", "create", "two", "last"]);
    desk.done(&["stop", "two"]);
    refused(&["snapshot", "create", "two", "more"], "wrong_state");
    assert_eq!(desk.done(&["snapshot", "list", "two"])["count"], 2);
    desk.done(&["snapshot", "delete", "two", "last"]);
    assert!(supervisor(&id).is_none() && files(&desk, &id).is_empty());
}

#[test]
fn what_was_deleted_is_not_copied_and_the_copy_counts() {
    let desk = Desk::new();
    let id = desk.create("big");
    desk.sh("big", "head -c 64M /dev/urandom > f; sync");
    let used = || {
        desk.done(&["list"])["workspaces"][0]["disk_used_bytes"]
            .as_u64()
            .unwrap()
    };
    assert!(used() > 64 * MIB);
    let with = desk.done(&["snapshot", "create", "big", "with"]);
    assert!(
        with["snapshot"]["bytes_written"].as_u64().unwrap() > 64 * MIB,
        "{with}"
    );
    assert!(used() > 128 * MIB, "a list counts snapshots");
    desk.sh("big", "rm f");
    if !gives_back(&desk.place) {
        return;
    }
    let without = desk.done(&["snapshot", "create", "big", "without"]);
    assert!(
        without["snapshot"]["bytes_written"].as_u64().unwrap() < 24 * MIB,
        "{without}"
    );
    // The machine's own disk has given them back as well.
    let disk = std::fs::metadata(folder(&desk, &id).join("scratch.ext4")).unwrap();
    assert!(disk.blocks() * 512 < 24 * MIB);
    desk.done(&["reset", "big", "--snapshot", "with"]);
    assert_eq!(desk.sh("big", "stat -c %s f"), "67108864\n");
}

#[test]
fn a_snapshot_of_a_busy_disk_is_a_sound_file_system() {
    let desk = Desk::new();
    let id = desk.create("busy");
    // Small synced appends, a large file over and over, files made and removed.
    desk.sh(
        "busy",
        "cat > busy.sh <<'X'
(i=0; while :; do i=$((i+1)); echo $i >> log; sync log; done) &
(while :; do dd if=/dev/zero of=big bs=64k count=200 conv=fsync 2>/dev/null; done) &
(while :; do mkdir -p t; for i in 1 2 3 4 5 6 7 8; do echo $i > t/$i; done; rm -r t; done) &
wait
X
setsid sh busy.sh >/dev/null 2>&1 < /dev/null & sleep 1",
    );
    let lines = || {
        desk.sh("busy", "wc -l < log")
            .trim()
            .parse::<u64>()
            .unwrap()
    };
    let scratch = desk.place.folder.path();
    for name in ["s1", "s2"] {
        let before = lines();
        desk.done(&["snapshot", "create", "busy", name]);
        eventually("it goes on", || lines() > before);
        let copy = scratch.join(format!("{name}.ext4"));
        let source = folder(&desk, &id).join(format!("snapshots/{name}.ext4"));
        let copied = Command::new("cp")
            .arg("--sparse=always")
            .args([&source, &copy])
            .status()
            .unwrap();
        assert!(copied.success());
        // The journal is replayed and what was open and deleted is removed; nothing else.
        assert!(e2fsck("-fy", &copy) <= 1, "{name}");
        assert_eq!(e2fsck("-fn", &copy), 0, "{name}");
        std::fs::remove_file(copy).unwrap();
    }
    desk.done(&["reset", "busy", "--snapshot", "s1"]);
    // Every line that was there is whole and in order.
    assert_eq!(
        desk.sh("busy", "awk '$1 != NR' log | head; test -s log && echo ok"),
        "ok\n"
    );
}

#[test]
fn a_client_or_a_supervisor_that_is_killed_leaves_no_part_of_a_snapshot() {
    let desk = Desk::new();
    let id = desk.create("cut");
    desk.sh_within(
        "cut",
        180,
        "echo kept > f; head -c 300M /dev/urandom > big; sync",
    );
    let words = ["workspace", "snapshot", "create", "cut", "half"];
    let partial = || files(&desk, &id).contains(&"half.ext4.partial".to_owned());

    let mut client = begin(&desk, &words);
    eventually("the copy is under way", || {
        partial() || client.try_wait().unwrap().is_some()
    });
    client.kill().unwrap();
    client.wait().unwrap();
    // The disk goes on: something that writes to it ends.
    assert_eq!(desk.sh("cut", "echo more > g; sync g; cat f"), "kept\n");
    eventually("it is all or nothing", || !partial());
    let after = files(&desk, &id);
    if !after.is_empty() {
        // It was too late.
        assert_eq!(after, ["half.ext4", "half.json"]);
        desk.done(&["snapshot", "delete", "cut", "half"]);
    }

    let mut client = begin(&desk, &words);
    eventually("the copy is under way", || {
        partial() || client.try_wait().unwrap().is_some()
    });
    kill(supervisor(&id).unwrap());
    client.wait().unwrap();
    assert_eq!(desk.sh("cut", "cat f"), "kept\n");
    assert_eq!(
        desk.done(&["snapshot", "list", "cut"])["damaged"],
        serde_json::json!([])
    );
    assert!(!partial());

    // A reset that loses its supervisor leaves the old disk, and a second one works.
    if files(&desk, &id).is_empty() {
        desk.done(&["snapshot", "create", "cut", "half"]);
    }
    desk.sh("cut", "echo newer > f; sync");
    let mut client = begin(&desk, &["workspace", "reset", "cut", "--snapshot", "half"]);
    let fresh = folder(&desk, &id).join("scratch.new");
    eventually("the disk is being copied back", || {
        fresh.exists() || client.try_wait().unwrap().is_some()
    });
    kill(supervisor(&id).unwrap());
    client.wait().unwrap();
    let now = desk.sh("cut", "cat f");
    assert!(now == "newer\n" || now == "kept\n", "{now}");
    assert!(!fresh.exists());
    desk.done(&["reset", "cut", "--snapshot", "half"]);
    assert_eq!(desk.sh("cut", "cat f; stat -c %s big"), "kept\n314572800\n");

    // A delete waits for no copy.
    let mut client = begin(&desk, &["workspace", "snapshot", "create", "cut", "never"]);
    let under_way = || files(&desk, &id).contains(&"never.ext4.partial".to_owned());
    eventually("the copy is under way", || {
        under_way() || client.try_wait().unwrap().is_some()
    });
    assert_eq!(desk.done(&["delete", "cut"])["deleted"], true);
    client.wait().unwrap();
    eventually("nothing is left", || {
        std::fs::read_dir(folder(&desk, &id).parent().unwrap())
            .unwrap()
            .next()
            .is_none()
    });
}

#[test]
fn a_full_host_disk_costs_the_snapshot_and_nothing_else() {
    let place = crate::machine::Place::new();
    if !gives_back(&place) {
        return;
    }
    let state = place.folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let line = r#"
        mount -t tmpfs -o size=220m tmpfs "$PYRO_STATE_DIR" || exit 9
        "$P" workspace create debian:12 --name full --mem-mib 512 >/dev/null || exit 8
        "$P" workspace exec full -- sh -c 'echo kept > g; head -c 90M /dev/urandom > f; sync'
        "$P" workspace snapshot create full a --json
        ls -A "$PYRO_STATE_DIR"/workspaces/*/snapshots
        "$P" workspace exec full -- sh -c 'cat g; rm f'
        "$P" workspace snapshot create full a
        "$P" workspace exec full -- sh -c 'rm g; head -c 120M /dev/urandom > f; sync'
        "$P" workspace reset full --snapshot a | tail -n 2
        "$P" workspace exec full -- cat g
        "$P" workspace delete full
    "#;
    let Some(output) = place.in_mount_namespace(line) else {
        return;
    };
    let said = text(&output.stdout);
    let told = format!("{said}\n{}", text(&output.stderr));
    let (refused, rest) = said.split_once("\n}\n").expect(&told);
    let refused: serde_json::Value = serde_json::from_str(&format!("{refused}}}")).expect(&told);
    assert_eq!(refused["error_kind"], "no_space", "{told}");
    assert!(
        refused["hint"].as_str().unwrap().contains("snapshots"),
        "{told}"
    );
    let lines: Vec<_> = rest.lines().collect();
    assert_eq!(lines.len(), 6, "{told}");
    assert!(
        lines[1].starts_with("[workspace-snapshot-create]"),
        "{told}"
    );
    assert_eq!(
        (lines[0], lines[2], lines[4]),
        ("kept", "Reset source: a (named)", "kept"),
        "{told}"
    );
}

#[test]
fn all_together_they_take_at_most_what_the_disk_may() {
    let desk = Desk::new();
    let words = ["create", "debian:12", "--name", "much", "--mem-mib", "512"];
    let made = desk.done(&[&words[..], &["--disk-mib", "1024"]].concat());
    let id = made["workspace_id"].as_str().unwrap();
    desk.sh_within("much", 180, "head -c 400M /dev/zero | tr '\\0' x > f; sync");
    for name in ["one", "two"] {
        desk.done(&["snapshot", "create", "much", name]);
    }
    let (error, code) = desk.ask(&["snapshot", "create", "much", "three"]);
    assert_eq!(
        (code, &error["error_kind"]),
        (125, &"snapshot_quota".into())
    );
    assert!(
        error["hint"].as_str().unwrap().contains("snapshot delete"),
        "{error}"
    );
    assert_eq!(files(&desk, id).len(), 4);
    desk.done(&["snapshot", "delete", "much", "one"]);
    desk.done(&["snapshot", "create", "much", "three"]);
}
