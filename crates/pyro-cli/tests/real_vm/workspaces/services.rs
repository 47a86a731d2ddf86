//! Services on real guests: those that behave, and those that do not.

use super::{Desk, processes, supervisor};
use crate::machine::{eventually, is_alive, text, vmm_below};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Listens, answers one line per connection; Perl is in every environment.
const LISTEN: &str = r#"
use IO::Socket::INET; use Socket;
my ($family, $port) = @ARGV;
socket(my $s, $family eq "6" ? AF_INET6 : AF_INET, SOCK_STREAM, 0) or die $!;
setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
setsockopt($s, Socket::IPPROTO_IPV6, Socket::IPV6_V6ONLY, 1) if $family eq "6";
bind($s, $family eq "6" ? pack_sockaddr_in6($port, Socket::IN6ADDR_LOOPBACK)
    : pack_sockaddr_in($port, INADDR_LOOPBACK)) or die $!;
listen($s, 9) or die $!;
$| = 1; print "listening\n";
while (accept(my $c, $s)) {
    my $l = <$c>;
    my $status = -e "/workspace/sick" ? "503 Sick" : "200 OK";
    print $c "HTTP/1.1 $status\r\nContent-Length: 0\r\n\r\n"; close $c;
}
"#;

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// A secret's.
const VALUE: &str = "t0p-s3cret-v4lue";

impl Desk {
    /// `workspace service …`
    fn service(&self, words: &[&str]) -> (Value, i32) {
        self.ask(&[&["service"], words].concat())
    }

    /// Starts a shell line as its first process; the service and the exit code.
    fn serve(&self, workspace: &str, name: &str, flags: &[&str], line: &str) -> (Value, i32) {
        let words = [&["start", workspace, name], flags].concat();
        self.service(&[&words, &["--", "exec", "sh", "-c", line][..]].concat())
    }

    fn service_status(&self, workspace: &str, name: &str) -> Value {
        self.service(&["status", workspace, name]).0
    }

    fn log(&self, workspace: &str, name: &str) -> String {
        let (logs, code) = self.service(&["logs", workspace, name]);
        assert_eq!(code, 0, "{logs}");
        logs["stdout"].as_str().unwrap().to_owned()
    }
}

fn says(service: &Value, state: &str, reason: &Value) {
    let said = (&service["state"], &service["stop_reason"]);
    assert_eq!(said, (&json!(state), reason), "{service}");
}

/// Each kind of readiness, late, and on IPv6 only; then stopped in order.
#[test]
fn ready_by_what_was_asked_for() {
    let desk = Desk::new();
    desk.create("ready");
    let script = desk.place.folder.path().join("listen.pl");
    std::fs::write(&script, LISTEN).unwrap();
    let script = script.to_str().unwrap();
    desk.done(&["file", "write", "ready", "listen.pl", "--text-file", script]);

    // Late, by HTTP, on IPv6 only; its health is seen to change.
    let flags = [
        "--ready-http",
        "http://localhost:8006/x",
        "--ready-interval-ms",
        "100",
        "--ready-timeout-seconds",
        "60",
        "--health-interval-seconds",
        "1",
    ];
    let line = "echo $$ > pid6; sleep 1; exec perl listen.pl 6 8006";
    let (six, code) = desk.serve("ready", "six", &flags, line);
    says(&six, "running", &Value::Null);
    let waited = six["ready_at"].as_f64().unwrap() - six["started_at"].as_f64().unwrap();
    assert!(code == 0 && waited >= 1.0, "{six}");
    assert_eq!(
        six["readiness"],
        json!({"type": "http", "url": "http://localhost:8006/x"})
    );
    assert_eq!(desk.sh("ready", "cat pid6").trim(), six["pid"].to_string());

    let timeout = ["--ready-timeout-seconds", "60"];
    let tcp = [&["--ready-tcp", "127.0.0.1:8004"], &timeout[..]].concat();
    let (four, _) = desk.serve("ready", "four", &tcp, "exec perl listen.pl 4 8004");
    says(&four, "running", &Value::Null);
    let file = [&["--ready-file", "there", "--cwd", "deep/er"], &timeout[..]].concat();
    let (by_file, _) = desk.serve(
        "ready",
        "file",
        &file,
        "pwd; sleep 1; touch ../../there; sleep 900",
    );
    says(&by_file, "running", &Value::Null);
    assert_eq!(desk.log("ready", "file"), "/workspace/deep/er\n");
    let command = [
        &["--ready-command", "test -e here", "--cwd", "deep"],
        &timeout[..],
    ]
    .concat();
    let (by_command, _) = desk.serve("ready", "command", &command, "touch here; sleep 900");
    says(&by_command, "running", &Value::Null);

    published(&desk);
    // A name that runs is taken; nothing else is, and all are seen.
    let (error, code) = desk.serve("ready", "four", &[], "true");
    assert_eq!(
        (&error["error_kind"], code),
        (&"service_running".into(), 125),
        "{error}"
    );
    let (error, code) = desk.serve(
        "ready",
        "x",
        &["--ready-file", "a", "--ready-tcp", "localhost:1"],
        "true",
    );
    assert_eq!(
        (&error["error_kind"], code),
        (&"conflict".into(), 125),
        "{error}"
    );
    let status = desk.done(&["status", "ready"]);
    assert_eq!(
        (&status["service_count"], &status["running_service_count"]),
        (&5.into(), &4.into())
    );
    assert_eq!(status["services"][1]["service_name"], "file");
    let list = desk.service(&["list", "ready"]).0;
    assert_eq!(
        (&list["count"], &list["running_count"]),
        (&5.into(), &4.into()),
        "{list}"
    );

    desk.sh("ready", "touch sick");
    eventually("it is seen to be sick", || {
        desk.service_status("ready", "six")["healthy"] == false
    });
    let sick = desk.service_status("ready", "six");
    assert_eq!(sick["not_ready_because"], "it answered with status 503");
    desk.sh("ready", "rm sick");
    eventually("it is seen to be well", || {
        desk.service_status("ready", "six")["healthy"] == true
    });

    let (stopped, code) = desk.service(&["stop", "ready", "six"]);
    says(&stopped, "stopped", &"sigterm".into());
    assert_eq!(
        (&stopped["exit_code"], &stopped["signal"], code),
        (&143.into(), &15.into(), 0)
    );
    let again = desk.service(&["stop", "ready", "six"]).0;
    assert_eq!(again, desk.service_status("ready", "six"));
    let summary = desk.done(&["summary", "ready"]);
    assert_eq!(
        summary["services"]["recent"][0]["kind"], "service_stop",
        "{summary}"
    );
    assert_eq!(summary["services"]["current"].as_array().unwrap().len(), 5);

    // With the workspace they end; what they were and wrote stays until a reset.
    desk.done(&["stop", "ready"]);
    let four = desk.service_status("ready", "four");
    says(&four, "stopped", &"workspace_stopped".into());
    assert_eq!(desk.log("ready", "four"), "listening\n");
    assert_eq!(desk.done(&["status", "ready"])["running_service_count"], 0);
    desk.done(&["reset", "ready"]);
    assert_eq!(desk.service(&["list", "ready"]).0["count"], 0);
    let left = desk.place.state().join("workspaces");
    assert!(
        !text(
            &desk
                .place
                .pyro(&["workspace", "list"])
                .output()
                .unwrap()
                .stdout
        )
        .contains("1/")
    );
    let left = std::fs::read_dir(left).unwrap().flatten();
    assert!(
        left.into_iter()
            .all(|one| !one.path().join("services").exists())
    );
}

/// From this host to a service and no longer; a port that is taken fails it.
fn published(desk: &Desk) {
    let flags = [
        "--ready-tcp",
        "localhost:8005",
        "--ready-timeout-seconds",
        "60",
        "--publish",
        "8005",
    ];
    let (five, _) = desk.serve("ready", "five", &flags, "exec perl listen.pl 6 8005");
    says(&five, "running", &Value::Null);
    let port = &five["published_ports"][0];
    assert_eq!(
        (&port["host"], &port["guest_port"]),
        (&"127.0.0.1".into(), &8005.into()),
        "{five}"
    );
    let host_port = u16::try_from(port["host_port"].as_u64().unwrap()).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", host_port)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    let ports = desk.done(&["port", "list", "ready"]);
    assert_eq!(ports["ports"][0]["service_name"], "five", "{ports}");
    let (stopped, _) = desk.service(&["stop", "ready", "five"]);
    assert_eq!(stopped["published_ports"], json!([]));
    assert!(TcpStream::connect(("127.0.0.1", host_port)).is_err());

    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let wish = format!("{}:8005", taken.local_addr().unwrap().port());
    let (five, code) = desk.serve(
        "ready",
        "five",
        &["--publish", "8007", "--publish", &wish],
        "sleep 900",
    );
    says(&five, "failed", &"published_port_failed".into());
    assert_eq!((code, &five["published_ports"]), (1, &json!([])));
    assert!(five["error"].as_str().unwrap().contains("in use"), "{five}");
    assert_eq!(desk.done(&["port", "list", "ready"])["count"], 0);
}

/// Dies at once, is never ready, ignores TERM, double-forks, floods.
#[test]
fn those_that_do_not_behave() {
    let desk = Desk::new();
    let id = desk.create("bad");
    let never = ["--ready-file", "never", "--ready-timeout-seconds", "60"];
    let began = Instant::now();
    let (died, code) = desk.serve("bad", "died", &never, "echo why >&2; exit 3");
    says(&died, "failed", &"process_exited_before_ready".into());
    assert_eq!((&died["exit_code"], code), (&3.into(), 1), "{died}");
    assert!(
        began.elapsed() < Duration::from_secs(50),
        "it was waited for"
    );
    assert_eq!(desk.service(&["logs", "bad", "died"]).0["stderr"], "why\n");
    let output = desk
        .place
        .pyro(&["workspace", "service", "status", "bad", "died"])
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "the exit code is the service's, not this call's"
    );
    assert!(
        text(&output.stderr).contains("state=failed"),
        "{}",
        text(&output.stderr)
    );

    // Ended at its deadline, also what left its session and ignores TERM.
    let late = ["--ready-tcp", "localhost:9", "--ready-timeout-seconds", "1"];
    let line = "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 901' & sleep 900; sleep 900";
    let (late, code) = desk.serve("bad", "late", &late, line);
    says(&late, "failed", &"readiness_timeout".into());
    assert_eq!((code, &late["ready_at"]), (1, &Value::Null));
    assert!(
        late["not_ready_because"]
            .as_str()
            .unwrap()
            .contains("refused"),
        "{late}"
    );
    assert_eq!(desk.count("bad", "sleep"), "0\n");

    // A double fork, and a first process that ends politely while it does not.
    let ready = ["--ready-file", "set", "--ready-timeout-seconds", "60"];
    let line = "trap 'echo bye; exit 0' TERM; \
                setsid sh -c 'trap \"\" TERM; touch set; while :; do sleep 77; done' & \
                while :; do sleep 0.2; done";
    let (_, code) = desk.serve("bad", "fork", &ready, line);
    assert_eq!(code, 0);
    let began = Instant::now();
    let (forked, _) = desk.service(&["stop", "bad", "fork"]);
    says(&forked, "stopped", &"sigkill".into());
    assert!(began.elapsed() >= Duration::from_secs(5), "{forked}");
    assert_eq!(
        (&forked["exit_code"], desk.count("bad", "sleep")),
        (&0.into(), "0\n".into())
    );
    assert_eq!(desk.log("bad", "fork"), "bye\n");

    // What a first process leaves behind goes with it, and a flood holds up nobody.
    let (left, _) = desk.serve("bad", "left", &[], "setsid sleep 78 & sleep 2; exit 5");
    says(&left, "running", &Value::Null);
    let (flood, _) = desk.serve(
        "bad",
        "flood",
        &[],
        "yes 0123456789012345678901234567890123456789",
    );
    says(&flood, "running", &Value::Null);
    let seen = || {
        desk.service_status("bad", "flood")["stdout_bytes"]
            .as_u64()
            .unwrap()
    };
    eventually("it floods", || seen() > 4 << 20);
    assert_eq!(desk.sh("bad", "echo through"), "through\n");
    eventually("nobody asked, and it is on record", || {
        desk.service_status("bad", "left")["state"] == "exited"
    });
    let left = desk.service_status("bad", "left");
    assert_eq!(
        (&left["exit_code"], &left["pid"]),
        (&5.into(), &Value::Null),
        "{left}"
    );
    assert_eq!(desk.count("bad", "sleep"), "0\n");
    let (flood, _) = desk.service(&["stop", "bad", "flood"]);
    says(&flood, "stopped", &"sigterm".into());
    let tail = desk
        .service(&["logs", "bad", "flood", "--tail-lines", "3"])
        .0;
    assert_eq!(tail["truncated"], true);
    assert!(
        tail["stdout"].as_str().unwrap().lines().count() <= 3,
        "{tail}"
    );
    // A finished name is free.
    let (again, _) = desk.serve("bad", "flood", &[], "echo new; sleep 900");
    says(&again, "running", &Value::Null);
    eventually("it has a log of its own", || {
        desk.log("bad", "flood") == "new\n"
    });

    // The VMM is killed: on record without anybody asking.
    kill(vmm_below(supervisor(&id).unwrap()).unwrap());
    eventually("its supervisor has ended", || supervisor(&id).is_none());
    let flood = desk.service_status("bad", "flood");
    says(&flood, "stopped", &"workspace_stopped".into());
    assert_eq!(flood["error"], "its machine ended while it ran");
    assert_eq!(desk.log("bad", "flood"), "new\n");
}

/// Restarts, a client that is killed during a start, and a supervisor that is.
#[test]
fn they_outlive_clients_and_end_with_their_supervisor() {
    let desk = Desk::new();
    let secret = format!("TOKEN={VALUE}");
    let words = [
        "create",
        "debian:12",
        "--name",
        "own",
        "--mem-mib",
        "512",
        "--secret",
        &secret,
    ];
    let id = desk.done(&words)["workspace_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let flags = [
        "--restart",
        "on-failure",
        "--max-restarts",
        "1",
        "--secret-env",
        "TOKEN=T",
    ];
    let line = format!("test $T = {VALUE} && printf 'run %s\\n' $T; sleep 2; exit 9");
    let (flaky, _) = desk.serve("own", "flaky", &flags, &line);
    says(&flaky, "running", &Value::Null);

    let mut client = desk
        .place
        .pyro(&[
            "workspace",
            "service",
            "start",
            "own",
            "slow",
            "--ready-file",
            "go",
            "--ready-interval-ms",
            "100",
            "--",
            "sh",
            "-c",
            "echo up; exec sleep 900",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it is started", || {
        !desk.service_status("own", "slow")["pid"].is_null()
    });
    client.kill().unwrap();
    client.wait().unwrap();
    assert_eq!(desk.service_status("own", "slow")["ready_at"], Value::Null);
    desk.sh("own", "touch go");
    eventually("its readiness is noticed all the same", || {
        desk.service_status("own", "slow")["ready_at"].is_f64()
    });
    assert_eq!(desk.log("own", "slow"), "up\n");

    eventually("the other was started again, and not for ever", || {
        desk.service_status("own", "flaky")["state"] == "exited"
    });
    let flaky = desk.service_status("own", "flaky");
    assert_eq!(
        (&flaky["restart_count"], &flaky["exit_code"]),
        (&1.into(), &9.into()),
        "{flaky}"
    );
    let line = "run [REDACTED]\n";
    assert_eq!(desk.log("own", "flaky"), line.repeat(2));
    assert!(
        flaky["command"]
            .as_str()
            .unwrap()
            .contains("test $T = [REDACTED]"),
        "{flaky}"
    );
    let folder = desk
        .place
        .state()
        .join("workspaces")
        .join(&id)
        .join("services");
    for file in std::fs::read_dir(folder).unwrap().flatten() {
        let kept = std::fs::read(file.path()).unwrap();
        assert!(!text(&kept).contains(VALUE), "{:?}", file.path());
    }

    let before = processes(&id);
    kill(supervisor(&id).unwrap());
    for pid in before {
        eventually("no process is left", || !is_alive(pid));
    }
    let slow = desk.service_status("own", "slow");
    says(&slow, "stopped", &"workspace_stopped".into());
    assert!(
        slow["error"].as_str().unwrap().contains("supervisor"),
        "{slow}"
    );
    assert_eq!(
        (&slow["pid"], desk.log("own", "slow")),
        (&Value::Null, "up\n".into())
    );
}
