//! Kills at random moments of every verb.
//!
//! `PYRO_KILL_ROUNDS` sets how many; `make soak` takes more than the tests do.

use super::{Desk, processes, supervisor};
use crate::machine::{eventually, is_alive, vmm_below};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const VERBS: [&str; 11] = [
    "create",
    "seed",
    "sync",
    "exec",
    "stop",
    "start",
    "reset",
    "delete",
    "snapshot create",
    "restore",
    "snapshot delete",
];

/// xorshift: the seed is printed, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn kill(pid: Option<u32>) {
    if let Some(pid) = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).unwrap())) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Each one is all there, so that it can be gone back to, or not at all.
fn snapshots_are_whole(desk: &Desk, name: &str, told: &str) {
    let list = desk.done(&["snapshot", "list", name]);
    assert_eq!(list["damaged"], serde_json::json!([]), "{told}");
    if list["count"] == 2 {
        desk.sh(name, "rm f");
        desk.done(&["reset", name, "--snapshot", "s"]);
        assert_eq!(desk.sh(name, "cat f"), "kept\n", "{told}");
    }
}

#[test]
fn kills_at_random_moments_damage_nothing() {
    let rounds = std::env::var("PYRO_KILL_ROUNDS").map_or(22, |text| text.parse().unwrap());
    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64
        | 1;
    eprintln!("{rounds} rounds, seed {seed}");
    let mut dice = Dice(seed);
    let desk = Desk::new();
    let witness = desk.create("witness");
    desk.sh("witness", "echo untouched > f");
    let tree = tempfile::tempdir().unwrap();
    for number in 0..400 {
        std::fs::write(tree.path().join(format!("t{number}")), vec![b'x'; 40_000]).unwrap();
    }
    let from = tree.path().display().to_string();
    for round in 0..rounds {
        let verb = VERBS[round % VERBS.len()];
        let told = format!("round {round}: {verb}");
        let name = format!("w{round}");
        if verb == "seed" {
            // Another tree each time, else nothing is made.
            std::fs::write(tree.path().join("round"), &name).unwrap();
        } else if verb != "create" {
            desk.create(&name);
            desk.sh(&name, "echo kept > f; sync");
        }
        if verb == "start" {
            desk.done(&["stop", &name]);
        }
        if verb == "restore" || verb == "snapshot delete" {
            desk.done(&["snapshot", "create", &name, "s"]);
        }
        let words: Vec<&str> = match verb {
            "create" => vec![
                "workspace",
                "create",
                "debian:12",
                "--mem-mib",
                "512",
                "--name",
                &name,
            ],
            "seed" => vec![
                "workspace",
                "create",
                "debian:12",
                "--name",
                &name,
                "--seed-path",
                &from,
            ],
            "sync" => vec!["workspace", "sync", "push", &name, &from, "--dest", "in"],
            "exec" => vec![
                "workspace",
                "exec",
                &name,
                "--",
                "sh",
                "-c",
                "sleep 0.3; echo more >> g",
            ],
            "restore" => vec!["workspace", "reset", &name, "--snapshot", "s"],
            "snapshot create" => vec!["workspace", "snapshot", "create", &name, "s"],
            "snapshot delete" => vec!["workspace", "snapshot", "delete", &name, "s"],
            verb => vec!["workspace", verb, &name],
        };
        let mut client = desk
            .place
            .pyro(&words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(dice.throw(700)));
        let id = desk.done(&["list", "--name", &name])["workspaces"][0]["workspace_id"]
            .as_str()
            .map(str::to_owned);
        let victim = dice.throw(3);
        let before = id.as_deref().map(processes).unwrap_or_default();
        let owner = id.as_deref().and_then(supervisor);
        let machine = owner.and_then(vmm_below);
        match victim {
            0 => client.kill().unwrap(),
            1 => kill(owner),
            _ => kill(machine),
        }
        client.wait().unwrap();
        // A verb that was done already has no client that waits for the death.
        eventually(
            &format!("{told}, victim {victim}: it is noticed"),
            || match (victim, machine) {
                (1, _) => owner.is_none_or(|pid| !is_alive(pid)),
                (2, Some(machine)) => id
                    .as_deref()
                    .and_then(supervisor)
                    .is_none_or(|owner| vmm_below(owner).is_some_and(|another| another != machine)),
                _ => true,
            },
        );

        let list = desk.done(&["list"]);
        assert_eq!(
            list["damaged"].as_array().unwrap().len(),
            0,
            "{told}, victim {victim}: {list}"
        );
        let row = list["workspaces"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == name.as_str());
        if row.is_some() && !["reset", "create", "seed", "delete"].contains(&verb) {
            // Whatever was killed, what was synced is there. A start whose
            // client is gone takes itself back, so it is asked for again.
            desk.done(&["start", &name]);
            assert_eq!(desk.sh(&name, "cat f"), "kept\n", "{told}, victim {victim}");
            snapshots_are_whole(&desk, &name, &told);
        }
        if row.is_some() {
            // A create whose client was killed may still be taking itself back.
            let (gone, code) = desk.ask(&["delete", &name]);
            assert!(
                code == 0 || gone["error_kind"] == "unknown_workspace",
                "{told}: {gone}"
            );
        }
        let after = id.as_deref().map(processes).unwrap_or_default();
        for pid in before.into_iter().chain(after) {
            eventually(
                &format!("{told}, victim {victim}: process {pid} is gone"),
                || !is_alive(pid),
            );
        }
        eventually(&format!("{told}: only the witness is left"), || {
            let folder = desk.place.state().join("workspaces");
            desk.done(&["list"]);
            std::fs::read_dir(folder)
                .unwrap()
                .flatten()
                .filter(|entry| !entry.file_name().to_string_lossy().starts_with(".deleted"))
                .count()
                == 1
        });
        assert_eq!(desk.sh("witness", "cat f"), "untouched\n", "{told}");
    }
    assert_eq!(desk.done(&["status", "witness"])["workspace_id"], witness);
    // No image is held by anyone any more, also none that was half made.
    desk.done(&["prune", "--older-than", "0s"]);
    let left: Vec<_> = std::fs::read_dir(desk.place.state().join("baselines"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_file())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
