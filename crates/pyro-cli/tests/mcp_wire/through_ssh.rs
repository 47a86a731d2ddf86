//! The server on another machine, started as an entry of `pyro host connect
//! --ssh` says: a real ssh, a real sshd, a real shell between them.

use crate::far_machine::FarMachine;
use crate::host::{Host, eventually, initialize, is_alive};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;
use std::process::{Command, Output};

/// What a shell would not leave as it is.
const ODD: &str = "a b'c\"d $HOME;é`x`\\n*";

/// A PATH on which `ssh` knows the machine.
fn path(machine: &FarMachine) -> OsString {
    let path = std::env::var_os("PATH").unwrap();
    let folders = [machine.path("near/bin")].into_iter();
    std::env::join_paths(folders.chain(std::env::split_paths(&path))).unwrap()
}

/// `pyro host …` of somebody who has ssh to that machine.
fn pyro(machine: &FarMachine, words: &[&str]) -> Output {
    let home = machine.path("near/home");
    fs::create_dir_all(&home).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pyro"));
    command
        .args(words)
        .env_clear()
        .env("PATH", path(machine))
        .env("HOME", &home)
        .env("PYRO_STATE_DIR", machine.path("near/state"))
        .env("PYRO_ENVIRONMENT_CACHE_DIR", machine.path("near/cache"))
        .current_dir(home);
    command.output().unwrap()
}

/// The command of the entry in the host's file.
fn entry(machine: &FarMachine, host: &str, options: &[&str]) -> Vec<String> {
    let words = ["host", "connect", "opencode", "--ssh", host];
    let output = pyro(machine, &[&words, options].concat());
    assert!(output.status.success(), "{output:?}");
    let file = machine.path("near/home/.config/opencode/opencode.json");
    let file: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let words = file["mcp"]["pyro"]["command"].as_array().unwrap().iter();
    words
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

fn command(machine: &FarMachine, entry: &[String]) -> Command {
    let mut command = Command::new(machine.path("near/bin").join(&entry[0]));
    command
        .args(&entry[1..])
        .env_clear()
        .env("PATH", path(machine));
    command
}

fn started(machine: &FarMachine, options: &[&str]) -> Host {
    let entry = entry(machine, "box", options);
    Host::of(command(machine, &entry), tempfile::tempdir().unwrap())
}

#[test]
fn it_has_its_options_and_ends_with_its_input() {
    let Some(machine) = FarMachine::start() else {
        return;
    };
    let project = machine.path("far").join(ODD);
    let made = Command::new("git")
        .arg("init")
        .arg(&project)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let project = project.to_str().unwrap();
    let options = ["--mode", "inspect", "--project-path", project];
    let mut host = started(&machine, &options).after_handshake();
    let tools = host.ask("tools/list", json!({}));
    assert!(
        !tools["result"]["tools"].as_array().unwrap().is_empty(),
        "{tools}"
    );
    assert_eq!(host.done("workspace_list", json!({}))["count"], 0);
    let word = host.word();
    assert!(word.contains("inspect") && word.contains(project), "{word}");

    assert!(!machine.processes().is_empty());
    host.close_stdin();
    let (status, said) = host.end();
    assert_eq!(status.code(), Some(0), "{said}");
    eventually("pyro over there ends", || machine.processes().is_empty());
}

#[test]
fn an_ssh_that_is_killed_leaves_nothing_over_there() {
    let Some(machine) = FarMachine::start() else {
        return;
    };
    let host = started(&machine, &[]).after_handshake();
    let far = machine.processes();
    assert!(!far.is_empty());
    drop(host);
    eventually("pyro over there ends", || {
        !far.iter().any(|pid| is_alive(*pid))
    });
}

#[test]
fn what_is_refused_over_there_is_named_as_it_was_given() {
    let Some(machine) = FarMachine::start() else {
        return;
    };
    let mut host = started(&machine, &["--environment", ODD]);
    host.close_stdin();
    let (status, said) = host.end();
    assert_eq!(status.code(), Some(125), "{said}");
    assert!(said.contains(&format!("{ODD:?}")), "{said}");
}

/// What doctor says of the entry.
fn details(machine: &FarMachine, strict: i32) -> String {
    for program in ["claude", "codex", "opencode"] {
        machine.near_program(program, "exit 1");
    }
    let output = pyro(machine, &["host", "doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["hosts"][2]["status"], "ok", "{report}");
    // The other two have no entry, so this one alone would not be told apart.
    let issues = report["issues"].as_array().unwrap().iter();
    let own = issues.filter(|issue| issue.as_str().unwrap().starts_with("opencode: "));
    assert_eq!(own.count(), usize::from(strict != 0), "{report}");
    report["hosts"][2]["details"].as_str().unwrap().to_owned()
}

#[test]
fn doctor_says_in_one_line_what_is_wrong_over_there() {
    let Some(machine) = FarMachine::start() else {
        return;
    };
    let said = |machine: &FarMachine, host: &str, start: &str, strict: i32| {
        entry(machine, host, &[]);
        let details = details(machine, strict);
        let line = details.split("; ").next().unwrap();
        assert!(
            line.starts_with(start) && !details.contains('\n'),
            "{details}"
        );
        line.to_owned()
    };
    said(&machine, "box", "opencode starts this server", 0);
    let line = said(
        &machine,
        "gone",
        "the entry is right, but ssh does not reach gone: ",
        125,
    );
    assert!(line.ends_with("Connection refused"), "{line}");
    let unknown = "the entry is right, but ssh does not reach stranger: Host key verification";
    said(&machine, "stranger", unknown, 125);
    fs::remove_file(machine.path("far/bin/pyro")).unwrap();
    let missing = "the entry is right, but box has no pyro on the PATH of its commands: ";
    let line = said(&machine, "box", missing, 125);
    assert!(
        line.contains("pyro") && line.contains("not found"),
        "{line}"
    );
    let uvx = "the entry is right, but box has no uvx on the PATH of its commands: ";
    entry(&machine, "box", &["--uvx"]);
    assert!(details(&machine, 125).starts_with(uvx));
}

#[test]
fn a_far_shell_that_prints_something_itself() {
    let Some(machine) = FarMachine::start() else {
        return;
    };
    let profile = machine.path("far/home/.bashrc");
    fs::write(&profile, "echo Welcome; echo 'to the box'\n").unwrap();
    let mut host = started(&machine, &[]);
    let id = host.begin("initialize", initialize());
    let first = host.line();
    if first.starts_with('{') {
        println!("skipped: the shell of this user reads no .bashrc for ssh");
        return;
    }
    assert_eq!((&*first, &*host.line()), ("Welcome", "to the box"));
    assert_eq!(host.answer(id)["result"]["protocolVersion"], "2025-06-18");
    host.close_stdin();
    assert_eq!(host.end().0.code(), Some(0));
    let said = details(&machine, 0);
    let prints = "the shell of box prints \"Welcome\" before pyro says anything";
    assert!(
        said.starts_with("opencode starts this server; ") && said.contains(prints),
        "{said}"
    );
    // What has no end of line is part of the first answer.
    fs::write(&profile, "printf 'Welcome> '\n").unwrap();
    let mut host = started(&machine, &[]);
    host.begin("initialize", initialize());
    assert!(host.line().starts_with("Welcome> {"));
    let said = details(&machine, 125);
    assert!(
        said.starts_with("the entry is right, but the shell of box prints \"Welcome>\" before"),
        "{said}"
    );
}
