//! Kernels that were compiled, so that the next environment need not.
//!
//! Owns: `.kernels/<key>.json`, the key, and when a record goes.
//! Refuses: keeping an image alive: a kernel that no install names is pruned
//! like any other image, and its record with it.
//!
//! ```text
//! versions of source and compiler + kernel.config + kernel.sh --sha256--> key
//! .kernels/<key>.json --digest--> .images/<digest> (bzImage)
//! ```

use super::super::images;
use super::{MODULES_BUILTIN, MinimalKernel};
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::layout::{Layout, make_private_dir};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Nothing that pyro writes comes near this.
const MAX_RECORD: u64 = 1 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    kernel: MinimalKernel,
    /// What the kernel was built from, for whoever looks.
    versions: String,
    /// Text of `modules.builtin`.
    builtin: String,
    /// Digest of the bzImage.
    vmlinuz: String,
}

/// Everything that decides the kernel's bytes, as one name.
pub fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

/// Puts a kernel of this key and its list of built-in modules into `partial`.
/// None when there is none, or its image is gone or damaged.
///
/// # Errors
/// I/O while copying; `cancelled`.
pub fn find(
    layout: &Layout,
    key: &str,
    partial: &Path,
    vmlinuz: &str,
    cancel: &Cancel,
) -> Result<Option<MinimalKernel>> {
    let Some(record) = read(&path(layout, key)) else {
        return Ok(None);
    };
    let image = images::path(layout, &record.vmlinuz);
    match images::digest(&image, cancel) {
        Ok(digest) if digest == record.vmlinuz => {}
        Err(error) if cancel.is_cancelled() => return Err(error),
        _ => return Ok(None),
    }
    let to = partial.join(vmlinuz);
    // its bytes alone: the store's mode would make it read-only here
    let copy = || std::fs::write(&to, std::fs::read(&image)?);
    copy().map_err(Error::io("write", &to))?;
    let to = partial.join(MODULES_BUILTIN);
    std::fs::write(&to, &record.builtin).map_err(Error::io("write", &to))?;
    Ok(Some(record.kernel))
}

/// Remembers the kernel in `partial`; the install stores its image.
///
/// # Errors
/// I/O, `cancelled`.
pub fn keep(
    layout: &Layout,
    key: &str,
    partial: &Path,
    vmlinuz: &str,
    versions: &str,
    kernel: &MinimalKernel,
    cancel: &Cancel,
) -> Result<()> {
    let builtin = partial.join(MODULES_BUILTIN);
    let record = Record {
        kernel: kernel.clone(),
        versions: versions.to_owned(),
        builtin: std::fs::read_to_string(&builtin).map_err(Error::io("read", &builtin))?,
        vmlinuz: images::digest(&partial.join(vmlinuz), cancel)?,
    };
    make_private_dir(&layout.kernels())?;
    let path = path(layout, key);
    let put = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(layout.kernels())?;
        file.write_all(&serde_json::to_vec_pretty(&record)?)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    put().map_err(Error::io("write", &path))
}

/// Removes records whose image is not there any more, and what is no record.
/// The caller holds the store's lock.
///
/// # Errors
/// I/O.
pub fn sweep(layout: &Layout) -> Result<()> {
    for path in super::super::locks::entries(&layout.kernels())? {
        let useful =
            read(&path).is_some_and(|record| images::path(layout, &record.vmlinuz).is_file());
        if !useful {
            std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

fn path(layout: &Layout, key: &str) -> PathBuf {
    layout.kernels().join(format!("{key}.json"))
}

/// The bytes may have been written by anybody; a digest becomes part of a path,
/// and so does the release.
fn read(path: &Path) -> Option<Record> {
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(MAX_RECORD).read_to_string(&mut text).ok()?;
    let record: Record = serde_json::from_str(&text).ok()?;
    let sound = images::is_digest(&record.vmlinuz) && super::is_release(&record.kernel.release);
    sound.then_some(record)
}
