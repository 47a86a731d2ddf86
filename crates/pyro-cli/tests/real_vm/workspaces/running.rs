//! Commands that outlive the call that began them.

use super::{Desk, supervisor};
use crate::machine::{eventually, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant};

impl Desk {
    /// Begins a shell line and does not wait; its id.
    fn begin(&self, workspace: &str, line: &str) -> String {
        let words = [
            "exec",
            workspace,
            "--timeout-seconds",
            "200",
            "--wait-seconds",
            "0",
        ];
        let begun = self.done(&[&words, &["--", "sh", "-c", line][..]].concat());
        assert_eq!(
            (&begun["running"], &begun["exit_code"]),
            (&true.into(), &Value::Null),
            "{begun}"
        );
        begun["command_id"].as_str().unwrap().to_owned()
    }

    /// Looks at a command, at most `wait` seconds until it ended.
    fn look(&self, workspace: &str, id: &str, wait: &str) -> (Value, i32) {
        self.ask(&[
            "exec",
            workspace,
            "--command-id",
            id,
            "--wait-seconds",
            wait,
        ])
    }

    fn entry(&self, workspace: &str, sequence: &str) -> Value {
        let logs = self.done(&["logs", workspace, "--sequence", sequence]);
        logs["entries"][0].clone()
    }

    /// How many processes of a name the guest has.
    fn count(&self, workspace: &str, name: &str) -> String {
        self.sh(
            workspace,
            &format!("cat /proc/[0-9]*/comm | grep -c '^{name}$' || true"),
        )
    }
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn two_run_at_once_and_are_waited_for() {
    let desk = Desk::new();
    desk.create("run");
    // No standard input: it must not wait for one.
    let first = desk.begin(
        "run",
        "cat; echo begun; while ! test -e go; do sleep 0.1; done; echo no >&2; exit 7",
    );
    let second = desk.begin("run", "sleep 100");
    assert_eq!((first.as_str(), second.as_str()), ("c0-1", "c0-2"));
    eventually("it said something", || {
        desk.done(&["exec", "run", "--command-id", "c0-1"])["stdout"] == "begun\n"
    });
    let status = desk.done(&["status", "run"]);
    assert_eq!(
        (&status["running_command_count"], &status["command_count"]),
        (&2.into(), &2.into())
    );
    let logs = desk.done(&["logs", "run"]);
    assert_eq!(
        (
            &logs["entries"][0]["state"],
            &logs["entries"][0]["recorded_at"]
        ),
        (&"running".into(), &Value::Null),
        "{logs}"
    );
    assert_eq!(
        (
            &logs["entries"][0]["stdout"],
            &logs["entries"][1]["running"]
        ),
        (&"begun\n".into(), &true.into())
    );

    // Waiting ends with the command, whatever was allowed.
    let began = Instant::now();
    let (waited, code) = desk.look("run", "c0-1", "1");
    assert_eq!((&waited["running"], code), (&true.into(), 0), "{waited}");
    assert!(began.elapsed() >= Duration::from_secs(1));
    desk.sh("run", "touch go");
    let (done, code) = desk.look("run", "c0-1", "60");
    assert_eq!(
        (&done["state"], &done["exit_code"], code),
        (&"exited".into(), &7.into(), 7),
        "{done}"
    );
    assert_eq!(
        (&done["stdout"], &done["stderr"]),
        (&"begun\n".into(), &"no\n".into())
    );
    assert!(began.elapsed() < Duration::from_secs(50));

    // A person sees it as it comes, and how to go on.
    let output = desk
        .place
        .pyro(&[
            "workspace",
            "exec",
            "run",
            "--wait-seconds",
            "2",
            "--",
            "sh",
            "-c",
            "echo hello; sleep 100",
        ])
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(0), "hello\n")
    );
    let told = text(&output.stderr);
    assert!(
        told.contains("state=running") && told.contains("--command-id c0-4"),
        "{told}"
    );

    // One that ends within its wait is as any other.
    let (quick, code) = desk.ask(&[
        "exec",
        "run",
        "--wait-seconds",
        "60",
        "--",
        "sh",
        "-c",
        "echo q; exit 3",
    ]);
    assert_eq!(
        (&quick["state"], &quick["stdout"], code),
        (&"exited".into(), &"q\n".into(), 3),
        "{quick}"
    );

    // What ended is told also when nothing runs any more.
    let stopped = desk.done(&["stop", "run"]);
    assert_eq!(stopped["running_command_count"], 0, "{stopped}");
    let (done, code) = desk.look("run", "c0-1", "60");
    assert_eq!(
        (&done["exit_code"], &done["stdout"], code),
        (&7.into(), &"begun\n".into(), 7),
        "{done}"
    );
    let (ended, code) = desk.look("run", "c0-2", "60");
    assert_eq!(
        (&ended["state"], &ended["running"]),
        (&"stopped".into(), &false.into()),
        "{ended}"
    );
    assert_ne!(code, 0);
}

#[test]
fn a_long_log_is_read_in_pages_while_it_grows() {
    let desk = Desk::new();
    desk.create("page");
    // 5 MB with characters of two and three bytes, in two parts.
    let line = "é€ 0123456789 abcdefghijklmnopqrstuvwxyz\n";
    let half = 2_500_000 / line.len();
    let awk = format!(
        "awk 'BEGIN {{ for (n = 0; n < {half}; n++) printf \"%s\", \"{}\\n\" }}'",
        line.trim_end()
    );
    desk.begin(
        "page",
        &format!("{awk}; while ! test -e go; do sleep 0.1; done; {awk}; echo err >&2"),
    );
    let (mut read, mut offset, mut pages) = (String::new(), 0, 0);
    let total = 2 * half * line.len();
    loop {
        let at = offset.to_string();
        let logs = desk.done(&[
            "logs",
            "page",
            "--sequence",
            "1",
            "--stream",
            "stdout",
            "--offset",
            &at,
            "--limit",
            "1000000",
        ]);
        let page = &logs["page"];
        assert_eq!(
            (&page["lossy"], &page["complete"], &page["offset"]),
            (&false.into(), &true.into(), &offset.into())
        );
        let part = page["text"].as_str().unwrap();
        assert!(part.len() <= 1_000_000);
        read.push_str(part);
        pages += 1;
        assert!(
            pages < 200,
            "{} of {total} bytes after {pages} pages",
            read.len()
        );
        if read.len() == total / 2 {
            assert_eq!(logs["entries"][0]["running"], true);
            desk.sh("page", "touch go");
        }
        match page["next_offset"].as_u64() {
            Some(next) => {
                assert_eq!(next, offset + part.len() as u64);
                offset = next;
            }
            None => break,
        }
        if part.is_empty() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    assert!(
        read == line.repeat(2 * half),
        "{} bytes of {total} came otherwise",
        read.len()
    );
    let (done, _) = desk.look("page", "c0-1", "60");
    assert_eq!(
        (
            &done["stdout_bytes"],
            &done["stdout_truncated"],
            &done["stderr"]
        ),
        (&total.into(), &false.into(), &"err\n".into())
    );
    // As the listing shows it, and byte for byte as a person gets it.
    let entry = desk.entry("page", "1");
    assert!(entry["stdout"].as_str().unwrap().len() < 600_000);
    let output = desk
        .place
        .pyro(&[
            "workspace",
            "logs",
            "page",
            "--sequence",
            "1",
            "--offset",
            "2",
            "--limit",
            "5",
        ])
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "€ 0");
}

#[test]
fn a_cancelled_command_ends_with_all_it_started() {
    let desk = Desk::new();
    desk.create("cancel");
    let id = desk.begin(
        "cancel",
        "echo first; sleep 111 & (setsid sleep 112 &) ; sleep 113",
    );
    eventually("all run", || desk.count("cancel", "sleep") == "3\n");
    let (cancelled, code) = desk.ask(&["exec", "cancel", "--command-id", &id, "--cancel"]);
    assert_eq!(
        (&cancelled["state"], &cancelled["exit_code"], code),
        (&"cancelled".into(), &Value::Null, 0),
        "{cancelled}"
    );
    assert_eq!(cancelled["stdout"], "first\n");
    eventually("none runs", || desk.count("cancel", "sleep") == "0\n");
    assert_eq!(desk.entry("cancel", "1")["state"], "cancelled");
    // To ask again is no error for a script that cancels, and one for a script that waits.
    assert_eq!(
        desk.ask(&["exec", "cancel", "--command-id", &id, "--cancel"])
            .1,
        0
    );
    assert_eq!(desk.look("cancel", &id, "0").1, 125);
    // A deadline holds without anybody who waits.
    let words = [
        "exec",
        "cancel",
        "--timeout-seconds",
        "1",
        "--wait-seconds",
        "0",
        "--",
        "sleep",
        "114",
    ];
    let begun = desk.done(&words);
    let (ended, code) = desk.look("cancel", begun["command_id"].as_str().unwrap(), "60");
    assert_eq!((&ended["timed_out"], code), (&true.into(), 124), "{ended}");
}

#[test]
fn it_goes_on_when_its_client_is_killed() {
    let desk = Desk::new();
    desk.create("client");
    let mut client = desk
        .place
        .pyro(&[
            "workspace",
            "exec",
            "client",
            "--timeout-seconds",
            "100",
            "--wait-seconds",
            "100",
            "--",
            "sh",
            "-c",
            "echo begun; while ! test -e go; do sleep 0.1; done; echo finished",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it runs", || {
        desk.done(&["logs", "client"])["entries"][0]["stdout"] == "begun\n"
    });
    client.kill().unwrap();
    client.wait().unwrap();
    desk.sh("client", "sleep 1; touch go");
    let (done, code) = desk.look("client", "c0-1", "60");
    assert_eq!(
        (&done["stdout"], code),
        (&"begun\nfinished\n".into(), 0),
        "{done}"
    );
}

#[test]
fn a_reset_ends_it_and_its_id_is_not_another_commands() {
    let desk = Desk::new();
    desk.create("reset");
    let id = desk.begin("reset", "sleep 100");
    let mut waiting = desk
        .place
        .pyro(&[
            "workspace",
            "exec",
            "reset",
            "--command-id",
            &id,
            "--wait-seconds",
            "100",
            "--json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("somebody waits", || waiting.try_wait().unwrap().is_none());
    std::thread::sleep(Duration::from_millis(500));
    desk.done(&["reset", "reset"]);
    let told = waiting.wait_with_output().unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(
        (&told["state"], &told["exit_code"]),
        (&"stopped".into(), &Value::Null),
        "{told}"
    );
    let status = desk.done(&["status", "reset"]);
    assert_eq!(
        (&status["command_count"], &status["running_command_count"]),
        (&0.into(), &0.into())
    );
    assert_eq!(desk.done(&["logs", "reset"])["count"], 0);
    let again = desk.begin("reset", "sleep 100");
    assert_eq!((id.as_str(), again.as_str()), ("c0-1", "c1-1"));
    let (refused, code) = desk.look("reset", &id, "0");
    assert_eq!(
        (&refused["error_kind"], code),
        (&"unknown_command".into(), 125),
        "{refused}"
    );
}

#[test]
fn it_is_lost_with_a_killed_supervisor_and_no_number_is_given_twice() {
    let desk = Desk::new();
    let id = desk.create("lost");
    let command = desk.begin("lost", "echo half; sleep 100");
    eventually("it said something", || {
        desk.look("lost", &command, "0").0["stdout"] == "half\n"
    });
    kill(supervisor(&id).unwrap());
    eventually("its supervisor is gone", || supervisor(&id).is_none());
    let (lost, code) = desk.look("lost", &command, "60");
    assert_eq!(
        (&lost["state"], &lost["stdout"], code),
        (&"lost".into(), &"half\n".into(), 125),
        "{lost}"
    );
    let (later, code) = desk.ask(&["exec", "lost", "--", "sh", "-c", "exit 5"]);
    assert_eq!((&later["sequence"], code), (&2.into(), 5), "{later}");
    let entry = desk.entry("lost", "1");
    assert_eq!(
        (&entry["state"], &entry["running"]),
        (&"lost".into(), &false.into()),
        "{entry}"
    );
}

#[test]
fn there_are_so_many_in_the_background_and_no_more() {
    let desk = Desk::new();
    desk.create("many");
    let mut ids = Vec::new();
    for _ in 0..64 {
        ids.push(desk.begin("many", "sleep 150"));
    }
    let (refused, code) = desk.ask(&["exec", "many", "--wait-seconds", "0", "--", "true"]);
    assert_eq!(
        (&refused["error_kind"], code),
        (&"too_many_commands".into(), 125),
        "{refused}"
    );
    // Who waits is not refused, and one less makes room.
    assert_eq!(
        desk.ask(&["exec", "many", "--timeout-seconds", "100", "--", "true"])
            .1,
        0
    );
    desk.done(&["exec", "many", "--command-id", &ids[9], "--cancel"]);
    desk.begin("many", "sleep 150");
}
