//! Install folders: the manifest and the links to the images.
//!
//! Owns: `environment.json`, whether an install is complete and unaltered,
//! putting a new one in place of an old one.
//! Refuses: making images ([`super::build`]) and removing them ([`super::prune`]).
//!
//! ```text
//! absent --publish--> valid --something touched--> damaged(why)
//!                       ^                              |
//!                       `--- restamp (digests right) --+
//!                       `--- publish (built anew) -----'
//! ```

use super::catalog::Recipe;
use super::guest_kernel::GuestKernel;
use super::images::{self, Image, Stamp};
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::layout::{Layout, make_private_dir};
use rustix::fs::{CWD, RenameFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Name of the manifest.
pub const MANIFEST: &str = "environment.json";
/// Root file system.
pub const ROOTFS: &str = "rootfs.ext4";
/// Kernel as ELF.
pub const KERNEL: &str = "vmlinux";
/// Kernel as the distribution ships it.
pub const KERNEL_BZIMAGE: &str = "vmlinuz";
/// Modules the agent loads.
pub const MODULES: &str = "modules.cpio";
/// Every file of an install.
pub const FILES: [&str; 4] = [MODULES, ROOTFS, KERNEL, KERNEL_BZIMAGE];
/// Nothing that pyro writes comes near this.
const MAX_MANIFEST: u64 = 4 << 20;

/// `environment.json`: the contract's fields, then pyro's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub catalog_version: String,
    pub name: String,
    pub version: String,
    pub source: String,
    pub source_digest: Option<String>,
    /// Unix time in seconds.
    pub installed_at: f64,
    /// Absent in manifests from before there was a choice.
    #[serde(default)]
    pub guest_kernel: GuestKernel,
    pub kernel_release: String,
    pub kernel_package: String,
    pub kernel_package_version: String,
    /// Version of each installed package.
    pub packages: BTreeMap<String, String>,
    /// Stamp of each of [`FILES`].
    pub files: BTreeMap<String, Stamp>,
}

/// What is in a recipe's install folder.
pub enum Found {
    /// Nothing.
    Absent,
    /// All files are the ones that were installed.
    Valid(Box<Manifest>),
    /// Something is not: each problem names its file.
    Damaged(Vec<String>),
}

/// The recipe's install folder.
pub fn folder(layout: &Layout, recipe: &Recipe) -> PathBuf {
    layout.environments().join(recipe.folder())
}

/// Looks at an install by stat alone.
pub fn find(layout: &Layout, recipe: &Recipe) -> Found {
    let folder = folder(layout, recipe);
    if std::fs::symlink_metadata(&folder)
        .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    {
        return Found::Absent;
    }
    let manifest = match read(&folder) {
        Ok(manifest) => manifest,
        Err(problem) => return Found::Damaged(vec![problem]),
    };
    if manifest.name != recipe.name || manifest.version != recipe.version {
        let problem = format!("{MANIFEST} is that of {}", manifest.name);
        return Found::Damaged(vec![problem]);
    }
    let problems = problems(layout, &folder, &manifest);
    if problems.is_empty() {
        Found::Valid(Box::new(manifest))
    } else {
        Found::Damaged(problems)
    }
}

fn problems(layout: &Layout, folder: &Path, manifest: &Manifest) -> Vec<String> {
    let problem = |name: &str, stamp: &Stamp| {
        let link = folder.join(name);
        match std::fs::read_link(&link) {
            Ok(target) if target == link_target(&stamp.digest) => {
                images::difference(layout, stamp).map(|why| format!("{name} {why}"))
            }
            Ok(_) => Some(format!("{name} is a link to something else")),
            Err(_) => Some(format!("{name} is not the link it was")),
        }
    };
    manifest
        .files
        .iter()
        .filter_map(|(name, stamp)| problem(name, stamp))
        .collect()
}

/// Reads a manifest; the bytes may have been written by anybody.
///
/// # Errors
/// What is wrong with it, naming it.
pub fn read(folder: &Path) -> Result<Manifest, String> {
    let path = folder.join(MANIFEST);
    let wrong = |why: &dyn std::fmt::Display| format!("{MANIFEST} cannot be used: {why}");
    let mut text = String::new();
    std::fs::File::open(&path)
        .and_then(|file| file.take(MAX_MANIFEST).read_to_string(&mut text))
        .map_err(|error| wrong(&error))?;
    let manifest: Manifest = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    if !manifest.files.keys().map(String::as_str).eq(FILES) {
        return Err(wrong(&"it does not name exactly the files of an install"));
    }
    // a digest becomes part of a path
    if !manifest
        .files
        .values()
        .all(|s| images::is_digest(&s.digest))
    {
        return Err(wrong(&"it holds something that is not a digest"));
    }
    Ok(manifest)
}

/// Opens one file of a valid install.
///
/// # Errors
/// `damaged_environment`.
pub fn open(layout: &Layout, manifest: &Manifest, name: &str) -> Result<Image> {
    let stamp = manifest
        .files
        .get(name)
        .ok_or_else(|| damaged(&manifest.name, &[format!("{name} is missing")]))?;
    images::open(layout, stamp).map_err(|why| damaged(&manifest.name, &[format!("{name} {why}")]))
}

/// The error for an install with these problems.
pub fn damaged(name: &str, problems: &[String]) -> Error {
    Error::runtime(
        "damaged_environment",
        format!("environment {name} is damaged: {}", problems.join(", ")),
    )
    .hint(format!("`pyro env pull {name}` repairs it"))
}

/// Checks every digest. Gives the damaged files, each with its problem.
///
/// # Errors
/// `cancelled`.
pub fn check(layout: &Layout, manifest: &Manifest, cancel: &Cancel) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for (name, stamp) in &manifest.files {
        match images::digest(&images::path(layout, &stamp.digest), cancel) {
            Ok(found) if found == stamp.digest => {}
            Ok(_) => problems.push(format!("{name} has other content")),
            Err(error) if cancel.is_cancelled() => return Err(error),
            Err(error) => problems.push(format!("{name} cannot be read ({error})")),
        }
    }
    Ok(problems)
}

/// Puts an install in place of whatever is there. The caller holds the
/// environment's and the store's lock; `partial` is where it is prepared.
///
/// # Errors
/// I/O.
pub fn publish(
    layout: &Layout,
    recipe: &Recipe,
    manifest: &Manifest,
    partial: &Path,
) -> Result<()> {
    let prepared = partial.join("install");
    make_private_dir(&prepared)?;
    for (name, stamp) in &manifest.files {
        let link = prepared.join(name);
        std::os::unix::fs::symlink(link_target(&stamp.digest), &link)
            .map_err(Error::io("create", &link))?;
    }
    write(&prepared, manifest)?;
    images::sync_folder(&prepared)?;
    let folder = folder(layout, recipe);
    let rename =
        |flags| rustix::fs::renameat_with(CWD, &prepared, CWD, &folder, flags).map_err(Into::into);
    let exists = std::fs::symlink_metadata(&folder).is_ok();
    let done = if exists {
        // the old one lands in the partial folder and goes with it
        rename(RenameFlags::EXCHANGE).or_else(|_: std::io::Error| {
            // not every file system exchanges
            std::fs::rename(&folder, partial.join("old"))?;
            std::fs::rename(&prepared, &folder)
        })
    } else {
        rename(RenameFlags::NOREPLACE).or_else(|_| std::fs::rename(&prepared, &folder))
    };
    done.map_err(Error::io("create", &folder))?;
    images::sync_folder(&layout.environments())
}

/// Takes over the stamp of an image that was replaced by the same content, in
/// every other install that names it. The caller holds the store's lock.
///
/// # Errors
/// I/O.
pub fn restamp(layout: &Layout, recipes: &[Recipe], fresh: &Stamp) -> Result<()> {
    for recipe in recipes {
        let folder = folder(layout, recipe);
        let Ok(mut manifest) = read(&folder) else {
            continue;
        };
        let mut changed = false;
        for stamp in manifest.files.values_mut() {
            if stamp.digest == fresh.digest && stamp != fresh {
                *stamp = fresh.clone();
                changed = true;
            }
        }
        if changed {
            write(&folder, &manifest)?;
        }
    }
    Ok(())
}

fn link_target(digest: &str) -> PathBuf {
    Path::new("../../.images").join(digest)
}

fn write(folder: &Path, manifest: &Manifest) -> Result<()> {
    let path = folder.join(MANIFEST);
    let text = serde_json::to_vec_pretty(manifest).map_err(|error| {
        Error::runtime("io", format!("cannot write {}: {error}", path.display()))
    })?;
    let put = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&text)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    put().map_err(Error::io("write", &path))
}
