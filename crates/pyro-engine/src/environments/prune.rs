//! Gives disk space back: what no catalog entry and no holder needs.
//!
//! Owns: the plan (which folders, partial folders and images go) and that it
//! is carried out whole or, when an image is in use, not at all.
//! Refuses: guessing who uses an image. A holder says so by name; a running
//! VM by the shared lock on its open image.

use super::build::remove_tree;
use super::catalog;
use super::images::{self, Stamp};
use super::installs::{self, Found};
use super::locks::{self, Lock, PARTIAL};
use super::minimal;
use super::payloads::Pruned;
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::layout::Layout;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Somebody whose disks stand on an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Digest of the image, in lowercase hex.
    pub digest: String,
    /// What to call it in an error, for example `workspace 0123456789ab`.
    pub name: String,
}

/// Removes what is broken, unknown, outdated or unreferenced.
///
/// # Errors
/// `images_in_use`, naming the holders; I/O; `read_only`.
pub fn prune(layout: &Layout, holders: &[Holder]) -> Result<Pruned> {
    if !layout.cache.exists() {
        return Ok(Pruned {
            deleted_environment_dirs: Vec::new(),
            deleted_images: Vec::new(),
            freed_bytes: 0,
            count: 0,
        });
    }
    let _store = Lock::store(layout, &Cancel::default())?;
    let (keep, folders) = folders(layout)?;
    let images: Vec<PathBuf> = locks::entries(&layout.images())?
        .into_iter()
        .filter(|path| !keep.contains(&file_name(path)))
        .collect();
    refuse_used(&images, holders)?;

    let mut freed_bytes = 0;
    // folders first: an image must never be missing below a folder that stays
    for folder in folders.iter().chain(&locks::stale_partials(layout)?) {
        freed_bytes += disk_use(folder);
        remove_tree(folder)?;
    }
    for image in &images {
        freed_bytes += disk_use(image);
        remove_tree(image)?;
    }
    minimal::sweep(layout)?;
    Ok(Pruned {
        count: folders.len(),
        deleted_environment_dirs: folders
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        deleted_images: images.iter().map(|path| file_name(path)).collect(),
        freed_bytes,
    })
}

/// The digests that valid installs name, and the folders that are not such.
fn folders(layout: &Layout) -> Result<(BTreeSet<String>, Vec<PathBuf>)> {
    let mut keep = BTreeSet::new();
    let mut remove = Vec::new();
    for path in locks::entries(&layout.environments())? {
        let name = file_name(&path);
        if name.starts_with(PARTIAL) {
            continue;
        }
        let recipe = catalog::all().iter().find(|recipe| recipe.folder() == name);
        match recipe.map(|recipe| installs::find(layout, recipe)) {
            Some(Found::Valid(manifest)) => {
                keep.extend(
                    manifest
                        .files
                        .into_values()
                        .map(|Stamp { digest, .. }| digest),
                );
            }
            _ => remove.push(path),
        }
    }
    Ok((keep, remove))
}

fn refuse_used(images: &[PathBuf], holders: &[Holder]) -> Result<()> {
    let mut used = BTreeSet::new();
    for image in images {
        let digest = file_name(image);
        let before = used.len();
        used.extend(
            holders
                .iter()
                .filter(|h| h.digest == digest)
                .map(|h| h.name.clone()),
        );
        if used.len() == before && images::is_digest(&digest) && locks::is_locked(image) {
            used.insert(format!("a running VM (image {})", &digest[..12]));
        }
    }
    if used.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = used.into_iter().collect();
    Err(Error::runtime(
        "images_in_use",
        format!(
            "images to prune are in use by {}; nothing was removed",
            names.join(", ")
        ),
    )
    .hint("stop and delete what uses them, then prune again"))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Allocated bytes of a file or a tree; what cannot be read counts nothing.
fn disk_use(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return 0;
    };
    let below = if metadata.is_dir() {
        locks::entries(path).unwrap_or_default()
    } else {
        Vec::new()
    };
    metadata.blocks() * 512 + below.iter().map(|path| disk_use(path)).sum::<u64>()
}
