//! Clients that are ended: nothing runs on, nothing stays on disk.

use crate::machine::{Place, eventually, family, is_alive, text, vmm_below};
use std::process::Stdio;
use std::time::Duration;

fn wait_for_vmm(client: u32) -> Vec<u32> {
    eventually("the vmm runs", || vmm_below(client).is_some());
    family(client)
}

#[test]
fn kill_9_at_any_moment_leaves_nothing() {
    let place = Place::new();
    place.json(&[], "true");
    // From before the first byte to the middle of the command.
    for round in 0..24u64 {
        let mut client = place
            .run("sleep 30")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(round * 25));
        let before = family(client.id());
        client.kill().unwrap();
        client.wait().unwrap();
        for pid in before {
            eventually(&format!("round {round}: process {pid} is gone"), || {
                !is_alive(pid)
            });
        }
    }

    // While a template is made: a size of its own has none yet.
    for (round, delay) in [300, 900, 1600, 2200].into_iter().enumerate() {
        let mem = (600 + round).to_string();
        let mut client = place
            .run_with(&["--mem-mib", &mem], "true")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        let before = family(client.id());
        client.kill().unwrap();
        client.wait().unwrap();
        for pid in before {
            eventually(&format!("process {pid} is gone"), || !is_alive(pid));
        }
    }
    // No earlier run has left a template of this size, so one is made.
    let mem = (1100 + std::process::id() % 900).to_string();
    let result = place.json(&["--mem-mib", &mem], "echo ok");
    assert_eq!(
        (result["stdout"].as_str(), result["start_kind"].as_str()),
        (Some("ok\n"), Some("template"))
    );
    // That run swept what the killed makers left.
    eventually("nothing of a dead client is left in the cache", || {
        place.leftovers().is_empty()
    });
}

#[test]
fn an_interrupt_ends_the_guest_and_has_its_own_code() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let place = Place::new();
        let client = place
            .run("echo up; sleep 60")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let processes = wait_for_vmm(client.id());
        std::thread::sleep(Duration::from_millis(300));
        std::process::Command::new("kill")
            .args([&format!("-{signal}"), &client.id().to_string()])
            .status()
            .unwrap();
        let output = client.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{signal}: {}",
            text(&output.stderr)
        );
        for pid in processes {
            eventually(&format!("process {pid} is gone"), || !is_alive(pid));
        }
    }
}
