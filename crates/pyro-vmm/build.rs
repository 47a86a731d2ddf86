//! Builds the guest agent as a static program and embeds it.
//!
//! The agent is another crate of this workspace and must be linked
//! statically, which a RUSTFLAGS setting would also do to every proc-macro;
//! so it is built by a nested cargo in a folder of its own.

use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

fn main() {
    let workspace = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../..")
        .canonicalize()
        .expect("the crate is inside its workspace");
    for path in ["crates/pyro-agent", "crates/pyro-proto", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
    // Shared by the debug and the release build of the outer program.
    let target = workspace.join("target/guest-agent");
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo sets it"));
    cargo
        .current_dir(&workspace)
        .args(["rustc", "--package", "pyro-agent", "--bin", "pyro-agent"])
        .args(["--release", "--locked", "--target-dir"])
        .arg(&target)
        .args(["--", "-C", "target-feature=+crt-static"]);
    // What the outer build told its own rustc does not belong to the guest.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_CFG_")
            || text.starts_with("CARGO_FEATURE_")
            || [
                "CARGO_ENCODED_RUSTFLAGS",
                "RUSTFLAGS",
                "RUSTC_WRAPPER",
                "RUSTC_WORKSPACE_WRAPPER",
                "CLIPPY_ARGS",
                "CARGO_MAKEFLAGS",
                "MAKEFLAGS",
            ]
            .contains(&&*text)
        {
            cargo.env_remove(&name);
        }
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "building the guest agent failed");
    let built = target.join("release/pyro-agent");
    let bytes = fs::read(&built).expect("the agent was built");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("pyro-agent");
    fs::write(out, &bytes).expect("OUT_DIR is writable");
    println!(
        "cargo::rustc-env=PYRO_AGENT_SHA256={}",
        hex::encode(Sha256::digest(&bytes))
    );
}
