//! A workspace at the ends of what it has: disks, clocks, sizes, callers.

use super::Desk;
use crate::machine::{Place, text};
use serde_json::Value;
use std::process::Command;

#[test]
fn a_full_guest_disk_is_said_and_is_no_end() {
    let desk = Desk::new();
    let seed = tempfile::tempdir().unwrap();
    std::fs::write(seed.path().join("kept"), "seed\n").unwrap();
    let from = seed.path().display().to_string();
    let words = [
        "create",
        "debian:12",
        "--name",
        "full",
        "--disk-mib",
        "1024",
        "--mem-mib",
        "512",
    ];
    desk.done(&[&words[..], &["--seed-path", &from]].concat());
    let (filled, code) = desk.ask(&[
        "exec",
        "full",
        "--timeout-seconds",
        "300",
        "--",
        "sh",
        "-c",
        "cat /dev/zero > big",
    ]);
    assert_ne!(code, 0);
    assert!(
        filled["stderr"].as_str().unwrap().contains("No space left"),
        "{filled}"
    );
    let (error, code) = desk.ask(&[
        "file",
        "write",
        "full",
        "more",
        "--text",
        &"x".repeat(100_000),
    ]);
    assert_eq!(
        (code, &error["error_kind"]),
        (125, &"guest_no_space".into()),
        "{error}"
    );
    // What is there can be looked at, taken home and made room in.
    assert_eq!(desk.sh("full", "cat kept"), "seed\n");
    assert_eq!(
        desk.done(&["diff", "full", "--name-only"])["summary"]["added"],
        1
    );
    desk.done(&["file", "read", "full", "kept"]);
    desk.sh("full", "rm big && echo room > more");
    desk.done(&["stop", "full"]);
    desk.done(&["start", "full"]);
    assert_eq!(desk.sh("full", "cat more kept"), "room\nseed\n");
}

#[test]
fn a_full_host_disk_halts_it_and_room_lets_it_go_on() {
    let place = Place::new();
    let state = place.state();
    std::fs::create_dir(&state).unwrap();
    let line = r#"
        mount -t tmpfs -o size=48m tmpfs "$PYRO_STATE_DIR" || exit 9
        "$P" workspace create debian:12 --name small --mem-mib 512 >/dev/null || exit 8
        "$P" workspace exec small -- sh -c 'echo kept > g; sync' || exit 7
        "$P" workspace exec small --json -- sh -c 'head -c 200M /dev/urandom > f; sync; echo survived'
        "$P" workspace status small --json
        "$P" workspace file list small --json
        mount -o remount,size=400m "$PYRO_STATE_DIR" || exit 6
        "$P" workspace exec small --json -- sh -c 'cat g; sync; cat /proc/uptime | cut -d. -f1'
        "$P" workspace delete small
    "#;
    let Some(output) = place.in_mount_namespace(line) else {
        return;
    };
    let told = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{:?}: {told}", output.status);
    let said = text(&output.stdout);
    let objects: Vec<Value> = serde_json::Deserializer::from_str(&said)
        .into_iter()
        .take(4)
        .collect::<Result<_, _>>()
        .expect(&told);
    let [refused, status, again, after] = &objects[..] else {
        panic!("{told}")
    };
    for refusal in [refused, again] {
        assert_eq!(refusal["error_kind"], "guest_halted", "{told}");
        assert!(
            refusal["error"].as_str().unwrap().contains("disk is full"),
            "{told}"
        );
    }
    assert_eq!(status["state"], "started", "{told}");
    let why = status["last_error"].as_str().unwrap_or_default();
    assert!(why.contains("disk is full"), "{told}");
    // With room it goes on: the same machine, with what it had in memory.
    assert!(
        after["stdout"].as_str().unwrap().starts_with("kept\n"),
        "{told}"
    );
}

#[test]
fn a_guest_whose_clock_was_turned_has_the_right_time_again() {
    let desk = Desk::new();
    desk.create("clock");
    desk.sh(
        "clock",
        "date -s '2001-02-03 04:05:06' > /dev/null; date +%Y",
    );
    let host = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let guest: u64 = desk.sh("clock", "date +%s").trim().parse().unwrap();
    assert!(guest.abs_diff(host) < 30, "{guest} {host}");
    // Far in the future the workspace neither ends nor looks older than it is.
    desk.sh("clock", "date -s '2037-12-31' > /dev/null");
    let status = desk.done(&["status", "clock"]);
    assert!(
        status["expires_in_seconds"].as_u64().unwrap() > 14_000,
        "{status}"
    );
}

/// 5 GiB with some data in it and 10 MB: the same template serves both.
#[test]
fn baselines_of_all_sizes_share_a_template() {
    let desk = Desk::new();
    let seed = tempfile::tempdir().unwrap();
    let line = "head -c 10000000 /dev/urandom > a; truncate -s 5G b; head -c 3000000 a | dd of=b bs=1M seek=4000 conv=notrunc status=none; sha256sum b | cut -c1-64";
    let made = Command::new("sh")
        .args(["-ec", line])
        .current_dir(seed.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let small = tempfile::tempdir().unwrap();
    std::fs::copy(seed.path().join("a"), small.path().join("a")).unwrap();
    for (name, folder) in [("small", &small), ("large", &seed)] {
        let from = folder.path().display().to_string();
        let made = desk.done(&[
            "create",
            "debian:12",
            "--name",
            name,
            "--mem-mib",
            "512",
            "--seed-path",
            &from,
        ]);
        assert_eq!(made["metadata"]["start_kind"], "template", "{made}");
    }
    let tail = "stat -c %s b; tail -c +4194304001 b | head -c 3000000 | cmp - <(head -c 3000000 a) && echo same";
    assert_eq!(desk.sh_within("large", 120, tail), "5368709120\nsame\n");
}

/// A file of `PYRO_LARGE_MIB` (`make soak`: 1024) in and out again.
#[test]
fn a_large_file_goes_in_and_comes_out() {
    let mib: u64 = std::env::var("PYRO_LARGE_MIB").map_or(96, |text| text.parse().unwrap());
    let desk = Desk::new();
    let dir = tempfile::tempdir().unwrap();
    let host = |line: &str| {
        let output = Command::new("sh")
            .args(["-ec", line])
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    host(&format!("mkdir in; head -c {mib}M /dev/urandom > in/large"));
    desk.create("large");
    let source = dir.path().join("in").display().to_string();
    let synced = desk.done(&["sync", "push", "large", &source]);
    assert_eq!(synced["workspace_sync"]["bytes_written"], mib << 20);
    // More than the guest's memory may hold of it at once.
    let read = desk.done(&["file", "read", "large", "large", "--max-bytes", "16"]);
    assert_eq!(
        (&read["size_bytes"], &read["truncated"]),
        (&(mib << 20).into(), &true.into())
    );
    let out = dir.path().join("out").display().to_string();
    desk.done(&["export", "large", "large", "--output", &out]);
    host("cmp in/large out");
}

/// Several clients, every verb at once: each gets an answer or a refusal that
/// names its reason, and the workspace is whole afterwards.
#[test]
fn clients_of_one_workspace_do_not_trip_each_other() {
    let desk = Desk::new();
    desk.create("shared");
    let refusals = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let desk = &desk;
                scope.spawn(move || {
                    let mut refusals = Vec::new();
                    for round in 0..8 {
                        let name = format!("f{client}-{round}");
                        let words: &[&str] = match (client + round) % 6 {
                            0 => &["stop", "shared"],
                            1 => &["start", "shared"],
                            2 => &["file", "write", "shared", &name, "--text", "x"],
                            3 => &["exec", "shared", "--", "sh", "-c", "sleep 0.2; echo ran"],
                            4 => &["status", "shared"],
                            _ => &["snapshot", "list", "shared"],
                        };
                        let (answer, code) = desk.ask(words);
                        if code != 0 {
                            refusals.push((words[0].to_owned(), answer));
                        }
                    }
                    refusals
                })
            })
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect::<Vec<_>>()
    });
    for (verb, answer) in &refusals {
        let kind = answer["error_kind"].as_str().unwrap_or_default();
        let known = ["wrong_state", "leaving", "guest_gone", "cancelled", "guest_halted"].contains(&kind)
            // Killed by the stop beside it.
            || answer["exit_code"].as_i64().is_some_and(|code| code > 128)
            || answer["state"] == "stopped";
        assert!(known, "{verb}: {answer}");
    }
    desk.done(&["start", "shared"]);
    assert_eq!(desk.sh("shared", "echo whole"), "whole\n");
}
