//! The drive with what is run in the lab.
//!
//! Owns: finding pyro, Firecracker and its jailer. Refuses: building pyro, which
//! the caller has done, and fetching Firecracker by itself: ci/install-firecracker
//! knows how.

use super::{Extra, script, simple};
use crate::ext4::Content;
use crate::output::say;
use crate::place::{Place, workspace};
use pyro_engine::Result;
use std::fs::File;
use std::path::PathBuf;

const FIRECRACKER: [&str; 2] = ["firecracker", "jailer"];

pub fn ensure(place: &Place, extra: &[Extra]) -> Result<File> {
    fetch_firecracker(place)?;
    let mut content = Content::default();
    content.folder("/bin");
    for name in FIRECRACKER {
        let host = place.file("firecracker").join(name);
        content.file(&host, &format!("/bin/{name}"));
    }
    match pyro() {
        Some(host) => content.file(&host, "/bin/pyro"),
        // Tests bring the one they were built with.
        None if !extra.is_empty() => {}
        None => say(
            "no pyro in the lab: `cargo build --release -p pyro-cli`, or name one with PYRO_BIN",
        ),
    }
    for extra in extra {
        content.file(&extra.host, &extra.path);
    }
    simple(place, "programs", &content)
}

/// `PYRO_BIN`, else the release build.
fn pyro() -> Option<PathBuf> {
    let named = std::env::var_os("PYRO_BIN").filter(|value| !value.is_empty());
    named.map_or_else(
        || Some(workspace().join("target/release/pyro")).filter(|path| path.is_file()),
        |path| Some(path.into()),
    )
}

fn fetch_firecracker(place: &Place) -> Result<()> {
    let folder = place.file("firecracker");
    if FIRECRACKER.iter().all(|name| folder.join(name).is_file()) {
        return Ok(());
    }
    script("install-firecracker", &folder)
}
