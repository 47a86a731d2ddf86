//! Firecracker by the command line. What needs KVM runs in the KVM lab and is
//! skipped elsewhere with the reason.

use crate::machine::{ENVIRONMENT, Place, product_error, text};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Why there is none, or no KVM.
pub fn missing(place: &Place) -> Option<String> {
    let report = doctor(place);
    [&report["kvm"]["reason"], &report["firecracker"]["reason"]]
        .into_iter()
        .find_map(|reason| reason.as_str().map(str::to_owned))
}

/// Whether doctor finds both; prints why not.
fn usable(place: &Place) -> bool {
    let reason = missing(place);
    if let Some(reason) = &reason {
        eprintln!("skipped: {reason}");
    }
    reason.is_none()
}

fn doctor(place: &Place) -> serde_json::Value {
    let output = place.pyro(&["doctor", "--json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {} {}", text(&output.stdout), text(&output.stderr))
    })
}

#[test]
fn doctor_and_run_agree_about_it() {
    let place = Place::new();
    if !usable(&place) {
        return;
    }
    let report = doctor(&place);
    eprintln!("{report:#}");
    assert_eq!(report["runtime_ok"], true);
    assert_eq!(report["kvm"]["usable"], true);
    let level = report["confinement"]["firecracker"]["level"]
        .as_str()
        .unwrap();
    assert!(["jailer", "root_namespaces", "user_namespaces"].contains(&level));
    let result = place.json(&["--backend", "firecracker"], "uname -r");
    assert_eq!(
        (
            &result["backend"],
            &result["accelerator"],
            &result["execution_mode"]
        ),
        (&"firecracker".into(), &"kvm".into(), &"guest_vsock".into()),
        "{result}"
    );
    assert_eq!(
        doctor(&place)["kvm"]["proven"],
        true,
        "the run was the proof"
    );
}

#[test]
fn a_device_that_may_not_be_opened_names_its_group() {
    let place = Place::new();
    if !usable(&place) {
        return;
    }
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !root {
        eprintln!("skipped: only root becomes a user outside the group");
        return;
    }
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(env!("CARGO_BIN_EXE_pyro"))
        .args(["doctor", "--json"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let reason = report["kvm"]["reason"].as_str().unwrap();
    assert!(reason.contains("the group kvm"), "{reason}");
}

#[test]
fn programs_that_are_none_are_named_with_the_next_step() {
    let place = Place::new();
    let folder = place.folder.path();
    let write = |name: &str, content: &str, mode: u32| {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let mut cases = vec![
        (folder.join("absent"), "vmm_missing"),
        (write("text", "no program", 0o644), "vmm_unusable"),
    ];
    if usable(&place) {
        let old = "#!/bin/sh\necho Firecracker v1.5.0\n";
        cases.push((write("old", old, 0o755), "vmm_version"));
    }
    for (program, code) in cases {
        let output = place
            .pyro(&[
                "run",
                ENVIRONMENT,
                "--backend",
                "firecracker",
                "--json",
                "--",
                "true",
            ])
            .env("PYRO_FIRECRACKER_BIN", &program)
            .output()
            .unwrap();
        let error = product_error(&output);
        assert_eq!(error["error_kind"], code, "{error}");
        let words = error["error"].as_str().unwrap();
        assert!(words.contains(program.to_str().unwrap()), "{error}");
        assert!(
            error["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
            "{error}"
        );
    }
}

#[test]
fn a_disk_that_is_full_while_the_template_is_written_costs_the_template_only() {
    let place = Place::new();
    if !usable(&place) {
        return;
    }
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !root {
        eprintln!("skipped: only root can mount here");
        return;
    }
    let templates = place.cache.join(".templates");
    let line = format!(
        "mount -t tmpfs -o size=8m tmpfs {0} && {1} run {ENVIRONMENT} --backend firecracker -- true; code=$?; ls -A {0} >&2; exit $code",
        templates.display(),
        env!("CARGO_BIN_EXE_pyro"),
    );
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &line])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", place.folder.path())
        .env("PYRO_ENVIRONMENT_CACHE_DIR", &place.cache)
        .env("PYRO_STATE_DIR", place.folder.path().join("state"))
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("booting without a template"), "{said}");
    assert!(!said.contains(".partial"), "nothing is left: {said}");
}
