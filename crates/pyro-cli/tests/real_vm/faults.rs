//! Guests that die, VMMs that die, VMMs that are not there.

use crate::machine::{Place, product_error, text, vmm_below};
use std::io::Read;
use std::process::Stdio;

fn hint_and_code(output: &std::process::Output, code: &str) {
    let error = product_error(output);
    assert_eq!(error["error_kind"], code, "{error}");
    assert!(
        error["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
        "{error}"
    );
}

#[test]
fn a_kernel_panic_is_named() {
    let output = Place::new()
        .run_with(&["--json"], "echo c > /proc/sysrq-trigger; sleep 20")
        .output()
        .unwrap();
    hint_and_code(&output, "guest_panic");
}

#[test]
fn an_agent_that_is_killed_ends_the_machine_and_is_named() {
    let line = "for p in /proc/[0-9]*; do case $(readlink $p/exe; cat $p/comm) in *pyro-agent*|*init*) a=${p#/proc/}; [ $a != 1 ] && [ $a != $$ ] && kill -9 $a;; esac; done; sleep 20";
    let output = Place::new().run_with(&["--json"], line).output().unwrap();
    hint_and_code(&output, "guest_agent");
}

#[test]
fn a_guest_that_powers_itself_off_is_named() {
    let output = Place::new()
        .run_with(&["--json"], "echo b > /proc/sysrq-trigger; sleep 20")
        .output()
        .unwrap();
    hint_and_code(&output, "guest_ended");
}

#[test]
fn a_vmm_that_is_killed_is_named() {
    let mut client = Place::new()
        .run("echo up; sleep 20")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = [0; 3];
    client.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
    let vmm = vmm_below(client.id()).expect("it runs");
    std::process::Command::new("kill")
        .args(["-9", &vmm.to_string()])
        .status()
        .unwrap();
    let output = client.wait_with_output().unwrap();
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{shown}");
    assert!(
        shown.contains("error: the VMM ended with code 137 while running the command")
            && shown.contains("hint: "),
        "{shown}"
    );
}

#[test]
fn a_missing_qemu_is_named_with_its_remedy() {
    let place = Place::new();
    let output = place
        .run_with(&["--json"], "true")
        .env("PYRO_QEMU_BIN", "/nonexistent/qemu")
        .output()
        .unwrap();
    let error = product_error(&output);
    assert_eq!(error["error_kind"], "vmm_missing");
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .contains("/nonexistent/qemu")
            && error["hint"].as_str().unwrap().contains("PYRO_QEMU_BIN"),
        "{error}"
    );
    let output = place
        .run_with(&["--json"], "true")
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    assert!(
        product_error(&output)["hint"]
            .as_str()
            .unwrap()
            .contains("apt-get install qemu-system-x86")
    );
}

#[test]
fn a_qemu_that_is_no_qemu_is_named() {
    let output = Place::new()
        .run_with(&["--json"], "true")
        .env("PYRO_QEMU_BIN", "/bin/false")
        .output()
        .unwrap();
    let error = product_error(&output);
    assert_eq!(error["error_kind"], "vmm_start", "{error}");
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .contains("exited with code 1"),
        "{error}"
    );
}

#[test]
fn without_a_guest_the_host_runs_it_only_when_allowed() {
    let place = Place::new();
    let missing = |flags: &[&str]| {
        place
            .run_with(
                flags,
                "echo $(id -u) > mine; pwd; cat mine; ls -A /workspace",
            )
            .env("PYRO_QEMU_BIN", "/nonexistent/qemu")
            .output()
            .unwrap()
    };
    assert_eq!(missing(&["--json"]).status.code(), Some(125));
    let output = missing(&["--json", "--allow-host-compat"]);
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["execution_mode"], "host_compat", "{result}");
    assert_eq!(
        (result["backend"].as_str(), result["accelerator"].as_str()),
        (Some("process"), None)
    );
    assert_eq!(result["stdout"], "/workspace\n0\nmine\n");
    assert!(
        !std::path::Path::new("/workspace/mine").exists(),
        "not on the host"
    );
    let shown = text(&missing(&["--allow-host-compat"]).stderr);
    assert!(shown.contains("on this host"), "{shown}");
}

#[test]
fn an_unusable_kvm_is_said_once_and_software_emulation_used() {
    if !std::path::Path::new("/dev/kvm").exists() || pyro_flags() {
        eprintln!("skipped: this host has no /dev/kvm, or one that may work");
        return;
    }
    let place = Place::new();
    let notices =
        |output: &std::process::Output| text(&output.stderr).matches("KVM is not used").count();
    let (first, second) = (
        place.run("true").output().unwrap(),
        place.run("true").output().unwrap(),
    );
    assert_eq!(
        (notices(&first), notices(&second)),
        (1, 0),
        "{}",
        text(&first.stderr)
    );
    assert_eq!(place.json(&[], "true")["accelerator"], "tcg");
}

fn pyro_flags() -> bool {
    std::fs::read_to_string("/proc/cpuinfo")
        .unwrap()
        .split_whitespace()
        .any(|word| word == "vmx" || word == "svm")
}
