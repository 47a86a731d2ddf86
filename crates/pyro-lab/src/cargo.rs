//! What cargo built, for running it in the lab.
//!
//! Owns: asking cargo and nextest, and keeping only what belongs in the lab.
//! Refuses: deciding how it runs ([`crate::suite`]).

use crate::place::workspace;
use pyro_engine::{Error, Result};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Test binaries for the lab: those that start real machines.
fn belongs(name: &str) -> bool {
    name == "real_vm" || name.starts_with("conformance")
}

/// Built tests, and what nextest wants to know about them.
pub struct Tests {
    /// Absolute paths: test binaries, and programs that they start.
    pub files: Vec<PathBuf>,
    /// For `--binaries-metadata`, of the kept binaries alone.
    pub binaries: Vec<u8>,
    /// For `--cargo-metadata`.
    pub metadata: Vec<u8>,
}

/// Builds the workspace's tests.
pub fn tests() -> Result<Tests> {
    let listed = cargo(&[
        "nextest",
        "list",
        "--workspace",
        "--list-type=binaries-only",
        "--message-format=json",
    ])?;
    let mut list: Value = parse(&listed)?;
    let text = |value: &Value| value.as_str().map(PathBuf::from);
    let mut files = Vec::new();
    if let Some(all) = list["rust-binaries"].as_object_mut() {
        all.retain(|_, binary| binary["binary-name"].as_str().is_some_and(belongs));
        files.extend(all.values().filter_map(|one| text(&one["binary-path"])));
    }
    if files.is_empty() {
        return Err(Error::runtime("lab_tests", "no test belongs in the lab"));
    }
    let build = &list["rust-build-meta"];
    let target = text(&build["target-directory"]).unwrap_or_default();
    let programs = build["non-test-binaries"].as_object().into_iter().flatten();
    for program in programs.filter_map(|(_, all)| all.as_array()).flatten() {
        // A program may be listed although no test made it.
        files.extend(
            text(&program["path"])
                .map(|path| target.join(path))
                .filter(|path| path.is_file()),
        );
    }
    Ok(Tests {
        files,
        binaries: list.to_string().into_bytes(),
        metadata: cargo(&[
            "metadata",
            "--format-version=1",
            "--locked",
            // Or it would fetch what only other systems need.
            "--filter-platform=x86_64-unknown-linux-gnu",
        ])?,
    })
}

/// Builds a benchmark; the path of its program.
pub fn bench(package: &str, name: &str) -> Result<PathBuf> {
    let lines = cargo(&[
        "bench",
        "--no-run",
        "--package",
        package,
        "--bench",
        name,
        "--message-format=json",
    ])?;
    lines
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| Error::runtime("lab_bench", format!("cargo made no benchmark {name}")))
}

/// The program `cargo-nextest`, to take along.
pub fn nextest() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([workspace().join("target/tools/bin")])
        .map(|folder| folder.join("cargo-nextest"))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Error::runtime("lab_tests", "cargo-nextest is not on PATH").hint("ci/install-tools")
        })
}

/// Runs cargo in the checkout; its standard output.
fn cargo(arguments: &[&str]) -> Result<Vec<u8>> {
    let failed =
        |why: String| Error::runtime("lab_cargo", format!("cargo {}: {why}", arguments.join(" ")));
    // What `cargo run` says of this package; with it the build scripts that
    // look at it, and all that depends on them, would be compiled anew.
    let ours = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    });
    let mut command = Command::new("cargo");
    for name in ours {
        command.env_remove(name);
    }
    let output = command
        .args(arguments)
        .current_dir(workspace())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(failed(output.status.to_string()))
    }
}

fn parse(text: &[u8]) -> Result<Value> {
    serde_json::from_slice(text).map_err(|error| {
        Error::runtime(
            "lab_cargo",
            format!("cargo's answer makes no sense: {error}"),
        )
    })
}
