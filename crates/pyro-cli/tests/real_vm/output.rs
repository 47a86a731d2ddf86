//! Streams, codes and deadlines.

use crate::machine::{ENVIRONMENT, Place, text};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::Instant;

#[test]
fn exit_codes_and_signals_are_the_commands_own() {
    let place = Place::new();
    let command = |words: &[&str], code: i32, signal: Option<i64>| {
        let output = place
            .pyro(&[&["run", ENVIRONMENT, "--json", "--"], words].concat())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}");
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (
                result["exit_code"].as_i64(),
                result["signal"].as_i64(),
                result["timed_out"].as_bool()
            ),
            (Some(i64::from(code)), signal, Some(false)),
            "{words:?}"
        );
    };
    command(&["exit", "0"], 0, None);
    command(&["exit", "7"], 7, None);
    command(&["exit", "125"], 125, None);
    command(&["nonexistent-program"], 127, None);
    // Without exec the shell in between turns the signal into its own 137.
    command(&["exec", "sh", "-c", "kill -9 $$"], 137, Some(9));
    command(&["sh", "-c", "kill -9 $$"], 137, None);
}

#[test]
fn both_streams_arrive_as_they_are_written() {
    let mut client = Place::new()
        .run("echo one; echo two >&2; read line; echo got $line")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(client.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n", "before the command ended");
    client.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    line.clear();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "got hello\n");
    let mut stderr = String::new();
    client
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert!(
        stderr.contains("two\n") && stderr.contains("[run] phase=execute"),
        "{stderr}"
    );
    assert!(client.wait().unwrap().success());
}

#[test]
fn bytes_are_not_changed() {
    let place = Place::new();
    let output = place.run(r"printf 'a\377\000b\r\n\303'").output().unwrap();
    assert_eq!(
        output.stdout, b"a\xff\0b\r\n\xc3",
        "no newline added, nothing replaced"
    );
    let result = place.json(&[], r"printf 'a\377'");
    assert_eq!(
        (result["stdout"].as_str(), result["lossy"].as_bool()),
        (Some("a\u{fffd}"), Some(true))
    );
}

#[test]
fn ten_megabytes_in_come_out_again() {
    let mut client = Place::new()
        .run("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sent: Vec<u8> = (0..10_000_000u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let mut stdin = client.stdin.take().unwrap();
    let mut received = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stdin.write_all(&sent).unwrap();
            drop(stdin);
        });
        client
            .stdout
            .take()
            .unwrap()
            .read_to_end(&mut received)
            .unwrap();
    });
    assert!(client.wait().unwrap().success());
    assert!(
        sent == received,
        "{} of {} bytes",
        received.len(),
        sent.len()
    );
}

#[test]
fn a_hundred_megabytes_come_through_whole_and_the_result_stays_small() {
    let place = Place::new();
    let mut client = place
        .run("head -c 104857600 /dev/zero | tr '\\0' x")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut bytes = 0;
    let mut buffer = vec![0; 1 << 16];
    let mut stdout = client.stdout.take().unwrap();
    while let Ok(count @ 1..) = stdout.read(&mut buffer) {
        assert!(buffer[..count].iter().all(|byte| *byte == b'x'));
        bytes += count;
    }
    assert_eq!(bytes, 104_857_600);
    assert!(client.wait().unwrap().success());
    let result = place.json(&[], "head -c 20000000 /dev/zero | tr '\\0' x; echo end");
    assert_eq!(result["stdout_bytes"], 20_000_004);
    assert_eq!(result["stdout_truncated"], true);
    let kept = result["stdout"].as_str().unwrap();
    assert!(
        kept.len() < 9_000_000
            && kept.ends_with("xend\n")
            && kept.contains("bytes are not shown here")
    );
}

#[test]
fn at_the_deadline_everything_is_killed_and_what_was_printed_is_kept() {
    let started = Instant::now();
    let output = Place::new()
        .run_with(&["--json", "--timeout-seconds", "2"], "trap '' TERM INT HUP; echo before; (trap '' TERM; setsid sleep 100) & sleep 100; echo after")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(124), "{}", text(&output.stderr));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (result["stdout"].as_str(), result["timed_out"].as_bool()),
        (Some("before\n"), Some(true))
    );
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_background_process_does_not_hold_the_result_back() {
    let started = Instant::now();
    let output = Place::new().run("sleep 60 & echo done").output().unwrap();
    assert_eq!(text(&output.stdout), "done\n");
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_reader_that_goes_away_ends_the_run() {
    let mut client = Place::new()
        .run("yes")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 2];
    let mut stdout = client.stdout.take().unwrap();
    stdout.read_exact(&mut line).unwrap();
    drop(stdout);
    let started = Instant::now();
    let output = client.wait_with_output().unwrap();
    assert!(started.elapsed().as_secs() < 25, "{:?}", started.elapsed());
    assert!(
        !text(&output.stderr).contains("panicked"),
        "{}",
        text(&output.stderr)
    );
}
