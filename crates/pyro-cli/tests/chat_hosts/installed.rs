//! The programs that `ci/install-chat-hosts` installs.
//!
//! Owns: where they are. Refuses: a test without them; it fails and says what
//! to run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The checkout.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The folder with all of them.
pub fn folder() -> PathBuf {
    let folder = checkout().join("target/tools/chat-hosts");
    assert!(
        folder.join("installed").is_file(),
        "the chat hosts are missing: run ci/install-chat-hosts (once; a minute, 1.6 GB)"
    );
    folder
}

/// A PATH that begins with them.
pub fn path() -> OsString {
    let folder = folder();
    let mut folders = vec![folder.join("bin"), folder.join("node_modules/.bin")];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    std::env::join_paths(folders).unwrap()
}

/// The Python that has the clients.
pub fn python() -> PathBuf {
    folder().join("venv/bin/python3")
}

/// The Node that runs the hosts.
pub fn node() -> PathBuf {
    folder().join("bin/node")
}
