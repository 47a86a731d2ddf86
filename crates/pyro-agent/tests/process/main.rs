//! The built agent as a plain process, driven over a socket pair.

mod archives;
mod dial;
mod diff;
mod host;
mod many_files;
mod services;
mod shells;
mod single_files;
mod workspace;

use host::*;
use pyro_proto::messages::secrets::{InstallSecrets, SECRETS_FOLDER, SecretFile};
use pyro_proto::messages::{
    Command as Wanted, Configure, Exec, Hello, PROTOCOL, Reply, Request, channel,
};
use pyro_proto::{Incoming, LinkError, Stream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn exit_codes_signals_and_both_outputs_come_back() {
    let agent = agent();
    let done = agent.sh("echo out; echo err >&2; exit 7");
    assert_eq!(
        (done.text(), done.stderr.as_slice()),
        ("out\n", &b"err\n"[..])
    );
    let exited = done.exited();
    assert_eq!(
        (exited.exit_code, exited.signal, exited.timed_out),
        (7, None, false)
    );
    assert_eq!((exited.stdout_bytes, exited.stderr_bytes), (4, 4));
    let done = agent.sh("kill -9 $$");
    assert_eq!(
        (done.exited().exit_code, done.exited().signal),
        (137, Some(9))
    );
    let done = agent.sh("printf 'no newline, \\377\\000\\200'");
    assert_eq!(done.stdout, b"no newline, \xff\x00\x80");
}

#[test]
fn the_deadline_ends_the_whole_tree_and_keeps_what_was_printed() {
    let agent = agent();
    let stream = agent.start(Exec {
        timeout_ms: Some(700),
        ..exec(
            "trap '' TERM; sh -c \"trap '' TERM; sleep 300 & setsid sleep 301 & echo \\$\\$ \\$!; \
             wait\" & sleep 302",
        )
    });
    let pids = pids(&stream);
    let done = finish(&stream);
    let exited = done.exited();
    assert_eq!((exited.exit_code, exited.timed_out), (124, true));
    assert!(exited.stdout_bytes > 0, "the pids were printed before");
    assert!((700..5000).contains(&exited.duration_ms), "{exited:?}");
    assert!(all_die(&pids), "{pids:?}");
}

#[test]
fn signals_reach_the_group() {
    let agent = agent();
    let stream = agent.start(exec(
        "trap 'echo got; exit 3' USR1; echo $$; sleep 300 & wait",
    ));
    pids(&stream);
    stream.send(channel::SIGNAL, &[10]).unwrap();
    let done = finish(&stream);
    assert_eq!((done.text(), done.exited().exit_code), ("got\n", 3));
    // Also past standard input that the command does not read.
    let stream = agent.start(Exec {
        stdin: true,
        ..exec("echo $$; sleep 300")
    });
    pids(&stream);
    while stream.send_some(channel::STDIN, &[0; 32768]).unwrap() > 0 {}
    stream.send(channel::SIGNAL, &[15]).unwrap();
    assert_eq!(finish(&stream).exited().signal, Some(15));
}

#[test]
fn standard_input_passes_whole_and_ends() {
    let agent = agent();
    let input: Vec<u8> = (0..10 * 1024 * 1024u32)
        .map(|at| (at / 255) as u8)
        .collect();
    let cat = Exec {
        stdin: true,
        command: Wanted::Argv(vec!["cat".into()]),
        ..exec("")
    };
    let stream = agent.start(cat.clone());
    let done = thread::scope(|scope| {
        scope.spawn(|| {
            stream.send(channel::STDIN, &input).unwrap();
            stream.end(channel::STDIN).unwrap();
        });
        finish(&stream)
    });
    assert!(done.stdout == input);
    // A command that reads nothing does not hold its sender up.
    let stream = agent.start(Exec {
        stdin: true,
        ..exec("exec <&-; sleep 0.3; echo over")
    });
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = stream.send(channel::STDIN, &input);
        });
        assert_eq!(finish(&stream).text(), "over\n");
    });
    assert_eq!(agent.sh("cat; echo none").text(), "none\n");
}

#[test]
fn a_hundred_megabytes_arrive_with_the_right_sum() {
    let agent = agent();
    let line = "head -c 104857600 /dev/zero | tr '\\0' 'a'; printf b";
    let stream = agent.start(exec(line));
    let (mut count, mut wrong) = (0u64, 0u64);
    let mut last = 0;
    let reply = loop {
        match stream.receive(soon()).unwrap() {
            Incoming::Data(_, bytes) => {
                count += bytes.len() as u64;
                wrong += bytes.iter().filter(|byte| **byte != b'a').count() as u64;
                last = *bytes.last().unwrap();
            }
            Incoming::Close(reply) => break reply,
            Incoming::End(_) => {}
        }
    };
    assert_eq!((count, wrong, last), (104_857_601, 1, b'b'));
    let Reply::Exited(exited) = serde_json::from_slice(&reply).unwrap() else {
        panic!("an exit");
    };
    assert_eq!(exited.stdout_bytes, count);
}

#[test]
fn environment_and_folder_are_the_request_s() {
    let agent = agent();
    let folder = std::env::temp_dir().join(format!("pyro-agent-{}/a/b", std::process::id()));
    let done = agent.run(Exec {
        env: [("NAME".into(), "a value".into())].into(),
        cwd: Some(folder.to_str().unwrap().into()),
        ..exec("pwd; echo $NAME; echo $PYRO_TEST; ls /proc/self/fd | tr '\\n' ' '")
    });
    let text = format!("{}\na value\ninherited\n0 1 2 3 ", folder.display());
    assert_eq!(done.text(), text);
    std::fs::remove_dir_all(folder.parent().unwrap().parent().unwrap()).unwrap();

    let failed = |exec| {
        let done = agent.run(exec);
        let failed = done.failed().clone();
        (failed.code, failed.message)
    };
    let (code, message) = failed(Exec {
        cwd: Some("/proc/no/such".into()),
        ..exec("true")
    });
    assert!(
        code == "cwd" && message.contains("/proc/no/such"),
        "{message}"
    );
    let (code, message) = failed(Exec {
        command: Wanted::Argv(vec!["no-such-program".into()]),
        ..exec("")
    });
    assert!(
        code == "spawn" && message.contains("no-such-program"),
        "{message}"
    );
    for bad in [
        Exec {
            command: Wanted::Argv(vec![]),
            ..exec("")
        },
        Exec {
            env: [("A=B".into(), String::new())].into(),
            ..exec("true")
        },
        Exec {
            env: [("A".into(), "\0".into())].into(),
            ..exec("true")
        },
    ] {
        assert_eq!(failed(bad).0, "bad_request");
    }
    assert_eq!(failed(exec("\0")).0, "spawn");
    let senseless = agent.link.open(b"{\"op\":\"dance\"}").unwrap();
    assert_eq!(finish(&senseless).failed().code, "bad_request");
    assert_eq!(agent.sh("exit 4").exited().exit_code, 4);
}

#[test]
fn configure_changes_nothing_without_a_machine() {
    let agent = agent();
    let mut wanted = Configure {
        time_unix_ns: 0,
        entropy_hex: String::new(),
        hostname: "never-set".into(),
        scratch_device: Some("/dev/vdb".into()),
        baseline_device: None,
        reader: false,
        network: None,
    };
    let refused = finish(&agent.ask(&Request::Configure(wanted.clone())));
    assert_eq!(refused.failed().code, "bad_request");
    wanted.scratch_device = None;
    let done = finish(&agent.ask(&Request::Configure(wanted.clone())));
    assert!(matches!(done.reply, Reply::Configured(_)));
    let again = finish(&agent.ask(&Request::Configure(wanted)));
    assert_eq!(again.failed().code, "bad_request");
    assert_ne!(agent.sh("uname -n").text(), "never-set\n");
}

#[test]
fn five_hundred_stalled_commands_hold_nothing_up() {
    let agent = agent();
    let yes = Exec {
        command: Wanted::Argv(vec!["yes".into()]),
        ..exec("")
    };
    let stalled: Vec<Stream> = (0..500).map(|_| agent.start(yes.clone())).collect();
    for stream in &stalled {
        assert!(matches!(stream.receive(soon()), Ok(Incoming::Data(..))));
    }
    assert_eq!(agent.sh("exit 5").exited().exit_code, 5);
    // Refused above the bound, and the agent lives on.
    let more: Vec<Stream> = (0..150).map(|_| agent.start(yes.clone())).collect();
    let busy = more.iter().filter(|stream| {
        matches!(stream.receive(soon()), Ok(Incoming::Close(reply))
            if String::from_utf8_lossy(&reply).contains("busy"))
    });
    assert_eq!(busy.count(), 50);
    drop((stalled, more));
    let until = Instant::now() + SOON;
    while !matches!(agent.sh("exit 6").reply, Reply::Exited(_)) {
        assert!(Instant::now() < until);
    }
}

#[test]
fn dropping_the_stream_kills_the_group() {
    let agent = agent();
    let stream = agent.start(exec("sleep 300 & echo $$ $!; wait"));
    let pids = pids(&stream);
    assert!(pids.iter().all(|pid| alive(*pid)));
    drop(stream);
    assert!(all_die(&pids), "{pids:?}");
    assert_eq!(agent.sh("exit 1").exited().exit_code, 1);
}

#[test]
fn a_process_left_in_the_background_does_not_delay_the_end() {
    let agent = agent();
    let started = Instant::now();
    let done =
        agent.sh("sleep 300 & (while :; do echo x; done) & echo $!; head -c 50000 /dev/zero >&2");
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(done.stderr.len(), 50000);
    assert_eq!(done.exited().exit_code, 0);
}

#[test]
fn the_end_of_the_socket_ends_everything() {
    let mut agent = agent();
    let running = agent.start(exec("setsid sleep 300 & echo $$ $!; wait"));
    let mut all = pids(&running);
    let left = agent.sh("(setsid sleep 300 >/dev/null 2>&1 & echo $!)");
    all.push(left.text().trim().parse().unwrap());
    assert!(all.iter().all(|pid| alive(*pid)), "{all:?}");
    agent.socket.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(agent.child.wait().unwrap().success());
    assert!(all.iter().all(|pid| !alive(*pid)), "{all:?}");
}

#[test]
fn a_new_session_ends_what_the_old_one_left() {
    let agent = agent();
    let running = agent.start(exec("echo $$; sleep 300"));
    let mut all = pids(&running);
    let left = agent.sh("(setsid sleep 300 >/dev/null 2>&1 & echo $!)");
    all.push(left.text().trim().parse().unwrap());
    let hello = Hello {
        protocol: PROTOCOL,
        nonce: "second".into(),
        version: "test".into(),
    };
    agent.link.hello(&hello, SOON).unwrap();
    assert_eq!(running.receive(soon()), Err(LinkError::Reset));
    assert!(all_die(&all), "{all:?}");
    assert_eq!(agent.sh("exit 2").exited().exit_code, 2);
}

#[test]
fn power_off_answers_and_ends_the_process() {
    let mut agent = agent();
    let running = agent.start(exec("echo $$; sleep 300"));
    let all = pids(&running);
    let done = finish(&agent.ask(&Request::PowerOff));
    assert_eq!(done.reply, Reply::PoweringOff);
    assert!(agent.child.wait().unwrap().success());
    assert!(all_die(&all));
}

#[test]
fn without_a_machine_there_is_no_disk_to_freeze() {
    let agent = agent();
    let done = finish(&agent.ask(&Request::FreezeDisk));
    assert_eq!(done.failed().code, "bad_request");
    assert_eq!((done.text(), done.stderr.len()), ("", 0));
    assert_eq!(agent.sh("exit 3").exited().exit_code, 3);
}

#[test]
fn without_a_machine_secrets_are_refused() {
    let agent = agent();
    let file = SecretFile {
        name: "TOKEN".into(),
        size: 5,
    };
    let stream = agent.ask(&Request::InstallSecrets(InstallSecrets {
        files: vec![file],
    }));
    let _ = stream.send(channel::STDIN, b"value");
    let done = finish(&stream);
    assert_eq!(done.failed().code, "bad_request");
    assert!(!Path::new(SECRETS_FOLDER).exists());
}

#[test]
fn the_workspace_view_is_made_or_refused() {
    let namespaces = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "--pid",
        "--fork",
    ];
    let possible = Command::new(namespaces[0])
        .args(&namespaces[1..])
        .arg("true")
        .stderr(Stdio::null())
        .status();
    if possible.is_ok_and(|status| status.success()) {
        let agent = agent_with(&namespaces, "--workspace");
        let done =
            agent.sh("pwd; ls -A /tmp /workspace; echo $$ > file; cat file; ls /usr/bin/env");
        assert!(done.text().starts_with("/workspace\n"), "{}", done.text());
        assert!(done.text().ends_with("/usr/bin/env\n"), "{}", done.text());
        assert!(!Path::new("/workspace/file").exists());
    }
    // Without namespaces of its own an ordinary user cannot mount; as root
    // the test must not try it on the machine itself.
    let output = Command::new(env!("CARGO_BIN_EXE_pyro-agent"))
        .args(["process", "99", "--workspace"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("descriptor 99"));
}
