//! What models exported: a folder for each workspace, which outlives it.
//!
//! Owns: which of these folders are old, and removing them. Refuses: one whose
//! workspace is there; what is put into them ([`crate::host_paths`]).

use super::names;
use super::store::Store;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What went.
pub struct Swept {
    pub workspace_ids: Vec<String>,
    pub freed_bytes: u64,
}

/// Removes, or counts only, folders of gone workspaces in which nothing came
/// for so long.
pub fn sweep(exports: &Path, store: &Store, age: Duration, dry_run: bool) -> Swept {
    let mut swept = Swept {
        workspace_ids: Vec::new(),
        freed_bytes: 0,
    };
    for entry in std::fs::read_dir(exports).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(id) = name.to_str().filter(|name| names::is_id(name)) else {
            continue;
        };
        let (path, is_kept) = (entry.path(), store.folder(id).path().exists());
        if is_kept || !is_older(&path, age) {
            continue;
        }
        let bytes = allocated(&path);
        // What cannot be removed stays, and is not told as gone.
        if dry_run || remove(&path).is_ok() {
            swept.freed_bytes += bytes;
            swept.workspace_ids.push(id.to_owned());
        }
    }
    swept.workspace_ids.sort();
    swept
}

/// Removes a folder whatever a guest made of it: std's function holds a
/// descriptor for each level, and stops at a folder that nobody may write.
fn remove(folder: &Path) -> io::Result<()> {
    let mut beside = (0_u64..).map(|number| folder.join(number.to_string()));
    let mut rest = vec![folder.to_owned()];
    while let Some(at) = rest.pop() {
        for entry in std::fs::read_dir(&at)? {
            let path = entry?.path();
            if !path.symlink_metadata()?.is_dir() {
                std::fs::remove_file(&path)?;
                continue;
            }
            // Also to be moved, which changes its `..`.
            std::fs::set_permissions(&path, Permissions::from_mode(0o700))?;
            // No folder is looked at below another: ways stay short.
            let moved = match at == folder {
                true => path,
                false => moved(&path, &mut beside)?,
            };
            rest.push(moved);
        }
        if at != folder {
            std::fs::remove_dir(&at)?;
        }
    }
    std::fs::remove_dir(folder)
}

/// At the first of the places that is free.
fn moved(from: &Path, places: &mut impl Iterator<Item = PathBuf>) -> io::Result<PathBuf> {
    for place in places {
        match renameat_with(CWD, from, CWD, &place, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            moved => return moved.map(|()| place).map_err(io::Error::from),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// By its own time and that of what is right in it: an output keeps the times
/// it had in the guest, so the time of its arrival is what counts.
fn is_older(folder: &Path, age: Duration) -> bool {
    let arrived = |found: std::fs::Metadata| {
        u64::try_from(found.ctime()).map_or(SystemTime::UNIX_EPOCH, |seconds| {
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
        })
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let newest = entries
        .filter_map(|entry| entry.metadata().ok())
        .chain(folder.symlink_metadata())
        .map(arrived)
        .max();
    newest.is_some_and(|newest| newest.elapsed().is_ok_and(|old| old >= age))
}

fn allocated(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.metadata().ok()?, entry.path())))
        .map(|(found, path)| {
            let below = if found.is_dir() { allocated(&path) } else { 0 };
            found.blocks() * 512 + below
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layout;

    #[test]
    fn only_old_folders_of_gone_workspaces_go() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout {
            cache: dir.path().join("cache"),
            state: dir.path().to_owned(),
        };
        let (exports, store) = (layout.exports(), Store::new(&layout));
        let (gone, kept) = ("0123456789ab", "f09876543210");
        for id in [gone, kept] {
            std::fs::create_dir_all(exports.join(id).join("deep")).unwrap();
            std::fs::write(exports.join(id).join("deep/file"), vec![1; 8192]).unwrap();
        }
        std::fs::create_dir_all(exports.join("not-an-id")).unwrap();
        std::fs::create_dir_all(store.folder(kept).path()).unwrap();
        let ids =
            |age, dry_run| sweep(&exports, &store, Duration::from_secs(age), dry_run).workspace_ids;
        assert!(ids(3600, false).is_empty(), "it is young");
        assert_eq!(ids(0, true), [gone]);
        assert!(exports.join(gone).exists(), "it was only told");
        let swept = sweep(&exports, &store, Duration::ZERO, false);
        assert!(swept.freed_bytes >= 8192 && swept.workspace_ids == [gone]);
        assert!(!exports.join(gone).exists());
        assert!(exports.join(kept).exists() && exports.join("not-an-id").exists());
    }
    #[test]
    fn a_folder_goes_however_deep_and_closed_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("0123456789ab");
        let mut deep = folder.join("a");
        for _ in 0..300 {
            deep.push("y");
        }
        std::fs::create_dir_all(&deep).unwrap();
        // A name that would be given next.
        std::fs::write(folder.join("0"), "").unwrap();
        std::os::unix::fs::symlink("/etc", deep.join("link")).unwrap();
        std::fs::set_permissions(&deep, Permissions::from_mode(0o500)).unwrap();
        std::fs::set_permissions(folder.join("a"), Permissions::from_mode(0o0)).unwrap();
        // This test has its process to itself.
        let limit = rustix::process::Resource::Nofile;
        let mut few = rustix::process::getrlimit(limit);
        few.current = Some(100);
        rustix::process::setrlimit(limit, few).unwrap();
        remove(&folder).unwrap();
        assert!(!folder.exists() && Path::new("/etc").exists());
    }
}
