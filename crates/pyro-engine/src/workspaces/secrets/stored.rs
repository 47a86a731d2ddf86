//! The values on this host.
//!
//! ```text
//! <workspace>/secrets/              0700
//! `- <NAME>.secret                  0600, the value and nothing else
//! ```
//!
//! Owns: these files. They go with the workspace's folder.

use super::{MAX_SECRET_BYTES, Material};
use crate::error::{Error, Result};
use crate::layout::make_private_dir;
use crate::workspaces::store::Folder;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

fn path(folder: &Folder, name: &str) -> PathBuf {
    folder.file("secrets").join(format!("{name}.secret"))
}

/// Writes all values of a new workspace.
///
/// # Errors
/// `no_space`, `io`.
pub fn store(folder: &Folder, materials: &[Material]) -> Result<()> {
    if materials.is_empty() {
        return Ok(());
    }
    make_private_dir(&folder.file("secrets"))?;
    for material in materials {
        let path = path(folder, &material.secret.name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(&material.value)?;
                file.sync_all()
            })
            .map_err(Error::io("write", &path))?;
    }
    Ok(())
}

/// One value.
///
/// # Errors
/// `secret_missing`.
pub(super) fn load(folder: &Folder, name: &str) -> Result<Vec<u8>> {
    let path = path(folder, name);
    let missing = |why: String| {
        Error::runtime(
            "secret_missing",
            format!("cannot read {}: {why}", path.display()),
        )
        .hint("without it nothing of the workspace can be shown; delete it, and make it anew")
    };
    let mut value = Vec::new();
    File::open(&path)
        .and_then(|file| {
            let most = MAX_SECRET_BYTES as u64 + 1;
            file.take(most).read_to_end(&mut value)
        })
        .map_err(|error| missing(error.to_string()))?;
    if value.is_empty() || value.len() > MAX_SECRET_BYTES {
        return Err(missing(format!("it has {} bytes", value.len())));
    }
    Ok(value)
}
