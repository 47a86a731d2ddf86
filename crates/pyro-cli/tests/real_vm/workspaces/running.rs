//! Commands that outlive the call that began them.

use super::Desk;
use crate::machine::{eventually, text};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant};

impl Desk {
    /// Begins a shell line and does not wait; its id.
    pub fn begin(&self, workspace: &str, line: &str) -> String {
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
    pub fn look(&self, workspace: &str, id: &str, wait: &str) -> (Value, i32) {
        self.ask(&[
            "exec",
            workspace,
            "--command-id",
            id,
            "--wait-seconds",
            wait,
        ])
    }

    pub fn entry(&self, workspace: &str, sequence: &str) -> Value {
        let logs = self.done(&["logs", workspace, "--sequence", sequence]);
        logs["entries"][0].clone()
    }

    /// How many processes of a name the guest has.
    pub fn count(&self, workspace: &str, name: &str) -> String {
        self.sh(
            workspace,
            &format!("cat /proc/[0-9]*/comm | grep -c '^{name}$' || true"),
        )
    }
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
fn who_stops_waiting_or_reading_holds_nothing_up() {
    let desk = Desk::new();
    desk.create("stall");
    // Its output fills every pipe on the way to a reader that never reads.
    let line = "while ! test -e go; do sleep 0.1; done; head -c 3000000 /dev/zero; echo e >&2";
    let waiting = |wait: &[&str]| {
        desk.place
            .pyro(&[&["workspace", "exec", "stall"], wait].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut stalled = waiting(&["--wait-seconds", "100", "--", "sh", "-c", line]);
    eventually("it runs", || desk.done(&["logs", "stall"])["count"] == 1);
    let interrupted = waiting(&["--command-id", "c0-1", "--wait-seconds", "100"]);
    std::thread::sleep(Duration::from_millis(500));
    let pid = Pid::from_raw(i32::try_from(interrupted.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = interrupted.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    let told = text(&output.stderr);
    assert!(told.contains("hint: what was begun goes on"), "{told}");
    desk.sh("stall", "touch go");
    let (done, code) = desk.look("stall", "c0-1", "20");
    assert_eq!(
        (&done["state"], &done["stdout_bytes"], code),
        (&"exited".into(), &3_000_000.into(), 0)
    );
    assert!(
        stalled.try_wait().unwrap().is_none(),
        "it had nothing to wait for"
    );
    stalled.kill().unwrap();
    stalled.wait().unwrap();
}

#[test]
fn a_running_command_keeps_its_workspace_in_use() {
    let desk = Desk::new();
    let words = ["create", "debian:12", "--name", "busy", "--mem-mib", "512"];
    desk.done(&[&words[..], &["--ttl-seconds", "60"]].concat());
    let id = desk.begin("busy", "sleep 67; echo kept");
    // Nobody asks for longer than the idle time.
    std::thread::sleep(Duration::from_secs(64));
    assert_eq!(desk.done(&["list"])["workspaces"][0]["state"], "started");
    let (done, code) = desk.look("busy", &id, "60");
    assert_eq!((&done["stdout"], code), (&"kept\n".into(), 0), "{done}");
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
