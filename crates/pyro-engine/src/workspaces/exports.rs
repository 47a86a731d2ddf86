//! What models exported: a folder for each workspace, which outlives it.
//!
//! Owns: which of these folders are old, and removing them. Refuses: one whose
//! workspace is there; what is put into them ([`crate::host_paths`]).

use super::names;
use super::store::Store;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
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
        if dry_run || std::fs::remove_dir_all(&path).is_ok() {
            swept.freed_bytes += bytes;
            swept.workspace_ids.push(id.to_owned());
        }
    }
    swept.workspace_ids.sort();
    swept
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
}
