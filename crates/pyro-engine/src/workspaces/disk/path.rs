//! Paths of a disk.
//!
//! Owns: what a path that a caller gave means: absolute as it stands, else
//! below `/workspace`, with `..` taken back by name alone. Pure. Refuses: a
//! relative path that leaves `/workspace`, NUL, and more than Linux takes.

use crate::error::{Error, Result};
use pyro_proto::path::{MAX_PATH_BYTES, PathText, WORKSPACE};

/// Below the root, components joined by `/`; empty for the root itself.
pub fn below_root(text: &str) -> Result<Vec<u8>> {
    let refused = |why: &str| {
        let start: String = text.chars().take(200).collect();
        Error::invalid("invalid_path", format!("the path {start:?} {why}"))
            .hint("name a path of the guest, for example /etc/hostname or src/main.rs")
    };
    if text.trim().is_empty() {
        return Err(refused("is blank"));
    }
    if text.contains('\0') {
        return Err(refused("holds a NUL byte"));
    }
    let absolute = text.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    if !absolute {
        parts.push(&WORKSPACE[1..]);
    }
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if absolute => drop(parts.pop()),
            ".." if parts.len() > 1 => drop(parts.pop()),
            ".." => return Err(refused("leaves /workspace")),
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if joined.len() > MAX_PATH_BYTES {
        return Err(refused("is too long"));
    }
    Ok(joined.into_bytes())
}

/// As a request names it.
pub fn request(below_root: &[u8]) -> PathText {
    match below_root {
        [] => PathText::from("."),
        // The agent knows one absolute prefix, and this is none.
        path => PathText::from(path),
    }
}

/// As an answer shows it: absolute, with control characters and invalid UTF-8 escaped.
pub fn shown(below_root: &[u8]) -> String {
    format!("/{}", PathText::from(below_root))
}
