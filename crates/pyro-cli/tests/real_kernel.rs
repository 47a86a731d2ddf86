//! The minimal guest kernel for real: compiled, booted, compiled only once.
//!
//! Compiling takes minutes on few cores, so `make test` skips this, saying so,
//! and `make soak` runs it by setting `PYRO_COMPILE_KERNEL`.
#![allow(clippy::print_stderr)]

use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn pyro(folder: &Path, words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pyro"))
        .args(words)
        .env("PYRO_ENVIRONMENT_CACHE_DIR", folder.join("cache"))
        .env("PYRO_STATE_DIR", folder.join("state"))
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {text}{problem}");
    text
}

fn json(folder: &Path, words: &[&str]) -> Value {
    serde_json::from_str(&pyro(folder, words)).unwrap()
}

/// Every compiled kernel's record, with its time.
fn records(folder: &Path) -> Vec<(std::path::PathBuf, std::time::SystemTime)> {
    std::fs::read_dir(folder.join("cache/.kernels"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.path(), entry.metadata().unwrap().modified().unwrap())
        })
        .collect()
}

#[test]
fn real_build_of_the_minimal_kernel_boots_and_is_compiled_once() {
    if std::env::var_os("PYRO_COMPILE_KERNEL").is_none() {
        eprintln!("skipped: compiling a kernel takes minutes; `make soak` does it");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let build = |name: &str, kernel: &str| {
        json(
            folder,
            &["env", "build", name, "--guest-kernel", kernel, "--json"],
        )
    };
    assert_eq!(
        build("debian:12-base", "minimal")["guest_kernel"],
        "minimal"
    );
    let first = records(folder);
    assert_eq!(first.len(), 1);

    // every one of these needs a driver or an option of the configuration
    let script = "uname -r; modprobe overlay && echo built-in; \
                  grep -c . /proc/config.gz >/dev/null && echo config; \
                  cat /sys/class/virtio-ports/*/name; test -e /dev/net/tun && echo tun; \
                  ls /sys/class/net; unshare -Urmpf --mount-proc true && echo namespaces";
    let said = pyro(folder, &["run", "debian:12-base", "--", "sh", "-c", script]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].ends_with("-pyro"), "{said}");
    let rest = ["built-in", "config", "pyro", "tun", "lo", "namespaces"];
    assert_eq!(lines[1..], rest, "{said}");

    assert_eq!(build("debian:12", "minimal")["guest_kernel"], "minimal");
    assert_eq!(records(folder), first, "the second one was not compiled");
    pyro(folder, &["run", "debian:12", "--", "git", "--version"]);
    let list = json(folder, &["env", "list", "--json"]);
    let kernels = list["environments"].as_array().unwrap();
    let kernels: Vec<&Value> = kernels.iter().map(|one| &one["guest_kernel"]).collect();
    assert_eq!(
        kernels,
        [&Value::from("minimal"), &"minimal".into(), &Value::Null]
    );

    assert_eq!(build("debian:12-base", "debian")["guest_kernel"], "debian");
    let said = pyro(folder, &["run", "debian:12-base", "--", "uname", "-r"]);
    assert!(said.trim().ends_with("-cloud-amd64"), "{said}");
}
