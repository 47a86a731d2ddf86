//! The confinement, with real programs: what they see, what they are, and
//! that nothing survives the lifeline.

#![allow(clippy::print_stderr)] // a test that is skipped says why

use pyro_vmm::confine::{Identity, Launch, Level, Network, View};
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

fn shell<'a>(args: &'a [OsString]) -> Launch<'a> {
    Launch {
        program: Path::new("/bin/sh"),
        args,
        env: &[],
        inherit: &[],
        network: Network::Own,
        view: View::Program {
            devices: vec!["null"],
            folders: Vec::new(),
        },
        identity: Identity::Unprivileged,
        levels: &[Level::RootNamespaces, Level::UserNamespaces],
        limits: None,
        keep_stdout: false,
    }
}

fn script(text: &str) -> [OsString; 2] {
    ["-c".into(), text.into()]
}

/// Namespaces may be forbidden where the tests run; then there is nothing to see.
macro_rules! start_or_skip {
    ($launch:expr) => {
        match $launch.start() {
            Ok(confined) => confined,
            Err(error) => {
                eprintln!("skipped: {error}");
                return;
            }
        }
    };
}

#[test]
fn it_sees_its_own_files_only_and_is_nobody() {
    let args = script(
        "cd / && echo files: * >&2; echo dev: /dev/* >&2; read line < /proc/self/status; cat /proc/self/status >&2; cat /proc/net/dev >&2; echo pids: /proc/[0-9]* >&2",
    );
    let mut confined = start_or_skip!(shell(&args));
    assert_eq!(
        confined.wait(Duration::from_secs(10)),
        Some(0),
        "{}",
        confined.stderr.tail()
    );
    let seen = confined.stderr.last_words();
    let line = |start: &str| {
        seen.lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("no {start} in {seen}"))
            .to_owned()
    };
    let files = line("files:");
    for hidden in ["home", "root", "var", "tmp", "run", "sys", "boot", "opt"] {
        assert!(
            !files.split_whitespace().any(|name| name == hidden),
            "{files}"
        );
    }
    assert_eq!(line("dev:"), "dev: /dev/null");
    assert_eq!(line("NoNewPrivs:"), "NoNewPrivs:\t1");
    assert_eq!(line("CapEff:"), "CapEff:\t0000000000000000");
    assert!(!line("pids:").contains(&format!("/proc/{}", std::process::id())));
    let interfaces = seen
        .lines()
        .filter(|line| {
            line.trim_start()
                .split_once(':')
                .is_some_and(|(_, rest)| rest.split_whitespace().count() >= 16)
        })
        .count();
    assert_eq!(interfaces, 1, "only lo: {seen}");
    if confined.level == Level::RootNamespaces {
        let uid: u32 = line("Uid:")
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        assert!(uid >= 1_000_000_000, "an identity of its own: {uid}");
    }
}

#[test]
fn its_exit_code_and_signal_are_handed_on() {
    for (text, code) in [("exit 7", 7), ("kill -9 $$", 137)] {
        let args = script(text);
        let mut confined = start_or_skip!(shell(&args));
        assert_eq!(confined.wait(Duration::from_secs(10)), Some(code), "{text}");
    }
}

#[test]
fn nothing_survives_the_lifeline() {
    let args =
        script("trap '' TERM HUP INT; setsid sleep 1000 & sleep 1000 & echo started >&2; wait");
    let confined = start_or_skip!(shell(&args));
    let started = Instant::now();
    while !confined.stderr.tail().contains("started") {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{}",
            confined.stderr.tail()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let pids = confined.pids();
    assert!(pids.len() >= 3, "program, init, waiter: {pids:?}");
    let below = descendants(pids[0]);
    assert!(below.len() >= 2, "{below:?}");
    drop(confined);
    for pid in pids.iter().chain(&below) {
        assert!(
            !Path::new(&format!("/proc/{pid}")).exists(),
            "process {pid} survived"
        );
    }
}

#[test]
fn a_missing_program_is_an_error_that_names_it() {
    let mut launch = shell(&[]);
    launch.program = Path::new("/nonexistent/qemu");
    let error = launch.start().err().expect("it cannot run");
    assert!(error.to_string().contains("/nonexistent/qemu"), "{error}");
}

fn descendants(pid: u32) -> Vec<u32> {
    let direct: Vec<u32> = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    direct
        .iter()
        .flat_map(|pid| descendants(*pid))
        .chain(direct.clone())
        .collect()
}
