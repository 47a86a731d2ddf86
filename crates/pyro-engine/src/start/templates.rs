//! Frozen VMs: choosing, making once, sharing, aging.
//!
//! Owns: `<cache>/.templates`. The content of one is pyro-vmm's.
//!
//! ```text
//! .templates/
//! |- <key>/            sealed; a user of it holds a shared lock on <key>/lock
//! |  |- memory, state, manifest.json   (pyro-vmm)
//! |  |- template.json  which environment and images it was made from
//! |  `- lock           mtime = last use
//! |- .partial-*        being made; its maker holds an exclusive lock inside
//! `- <key>.lock        held by the maker of a key, so that it is made once
//! ```
//!
//! Rules: renamed into place, never changed; the least recently used go
//! first above [`MAX_TEMPLATES`], never one that is mapped.

use crate::environments::{Holder, Installed};
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::layout::{Layout, make_private_dir};
use pyro_vmm::template::Template;
use pyro_vmm::{Backend, MachineSpec};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Templates kept; each is some 100 to 200 MiB on disk.
const MAX_TEMPLATES: usize = 8;

/// Everything a frozen state depends on, as one name.
pub(super) fn key(backend: &dyn Backend, spec: &MachineSpec, installed: &Installed) -> String {
    let mut hash = Sha256::new();
    let images = [&installed.rootfs, &installed.kernel, &installed.modules];
    let parts = backend
        .template_key_parts(spec)
        .into_iter()
        .chain(images.into_iter().map(|image| image.digest.clone()))
        // The virtual size of a drive is device state; its content is not.
        .chain(spec.drives.iter().map(|drive| {
            drive
                .file
                .metadata()
                .map_or(0, |metadata| metadata.len())
                .to_string()
        }))
        .chain([pyro_vmm::agent::SHA256.to_owned()]);
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..16])
}

/// What a template was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateInfo {
    /// Its key.
    pub key: String,
    /// Catalog name of the environment.
    pub environment: String,
    /// Digests of the images inside.
    pub images: Vec<String>,
}

/// A template that cannot go away while this lives.
pub(super) struct InUse {
    pub template: Template,
    _lock: File,
}

/// The store.
pub struct Templates {
    dir: PathBuf,
}

impl Templates {
    /// Touches nothing.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            dir: layout.templates(),
        }
    }

    pub(super) fn open_or_make(
        &self,
        key: &str,
        installed: &Installed,
        cancel: &Cancel,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<InUse> {
        if let Some(found) = self.open(key)? {
            return Ok(found);
        }
        make_private_dir(&self.dir)?;
        let lock_path = self.dir.join(format!("{key}.lock"));
        let lock = open_lock(&lock_path)?;
        lock.lock().map_err(Error::io("lock", &lock_path))?;
        if cancel.is_cancelled() {
            return Err(Error::runtime(
                "cancelled",
                "cancelled while waiting for a template",
            ));
        }
        if let Some(found) = self.open(key)? {
            return Ok(found);
        }
        self.sweep();
        let partial = tempfile::Builder::new()
            .prefix(".partial-")
            .tempdir_in(&self.dir)
            .map_err(Error::io("make a folder in", &self.dir))?;
        let in_use = open_lock(&partial.path().join("lock"))?;
        in_use.lock().map_err(Error::io("lock", partial.path()))?;
        make(partial.path())?;
        let info = TemplateInfo {
            key: key.to_owned(),
            environment: installed.name.clone(),
            images: [&installed.rootfs, &installed.kernel, &installed.modules]
                .into_iter()
                .map(|image| image.digest.clone())
                .collect(),
        };
        let info_path = partial.path().join("template.json");
        std::fs::write(
            &info_path,
            serde_json::to_vec_pretty(&info).unwrap_or_default(),
        )
        .map_err(Error::io("write", &info_path))?;
        let place = self.dir.join(key);
        std::fs::rename(partial.path(), &place).map_err(Error::io("rename into place", &place))?;
        drop(partial.keep());
        drop(in_use);
        self.open(key)?.ok_or_else(|| {
            Error::runtime(
                "template",
                format!("template {key} vanished while it was made"),
            )
        })
    }

    /// None when there is none, or when it was changed (it is removed then).
    fn open(&self, key: &str) -> Result<Option<InUse>> {
        let dir = self.dir.join(key);
        let Ok(lock) = File::open(dir.join("lock")) else {
            return Ok(None);
        };
        lock.lock_shared().map_err(Error::io("lock", &dir))?;
        if !is_same(&lock, &dir.join("lock")) {
            // Removed, perhaps made anew, while this waited for the lock.
            return Ok(None);
        }
        match Template::open(&dir) {
            Ok(template) => {
                // Only its age suffers when this fails (a read-only cache).
                let _ = lock.set_modified(SystemTime::now());
                Ok(Some(InUse {
                    template,
                    _lock: lock,
                }))
            }
            Err(error) => {
                tracing::warn!("{error}; it is removed");
                drop(lock);
                self.remove(&dir);
                Ok(None)
            }
        }
    }

    /// Removes a template that was refused.
    pub(super) fn discard(&self, key: &str, in_use: InUse) {
        drop(in_use);
        self.remove(&self.dir.join(key));
    }

    /// Removes every template that fits and is not in use.
    pub fn forget_where(&self, fits: impl Fn(&TemplateInfo) -> bool) {
        for info in self.list().iter().filter(|info| fits(info)) {
            self.remove(&self.dir.join(&info.key));
        }
    }

    /// Every sealed template.
    #[must_use]
    pub fn list(&self) -> Vec<TemplateInfo> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| std::fs::read(entry.path().join("template.json")).ok())
            .filter_map(|bytes| serde_json::from_slice(&bytes).ok())
            .collect()
    }

    /// Who needs which image, for the environments' prune.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        self.list()
            .into_iter()
            .flat_map(|info| {
                let name = format!("template {} ({})", info.key, info.environment);
                info.images.into_iter().map(move |digest| Holder {
                    digest,
                    name: name.clone(),
                })
            })
            .collect()
    }

    /// Removes what a killed maker left and what is too much.
    fn sweep(&self) {
        let mut sealed = Vec::new();
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(".partial-") {
                self.remove(&path);
            } else if path.is_dir() {
                let used = path
                    .join("lock")
                    .metadata()
                    .and_then(|metadata| metadata.modified());
                sealed.push((used.unwrap_or(SystemTime::UNIX_EPOCH), path));
            }
        }
        sealed.sort();
        let excess = (sealed.len() + 1).saturating_sub(MAX_TEMPLATES);
        for (_, path) in sealed.into_iter().take(excess) {
            self.remove(&path);
        }
    }

    /// Removes a folder nobody uses; one in use stays. First out of sight, so
    /// that no one opens what is half gone.
    fn remove(&self, dir: &Path) {
        if let Ok(lock) = File::open(dir.join("lock")) {
            if lock.try_lock().is_err() {
                return;
            }
            let grave = self.dir.join(format!(
                ".partial-removed-{}",
                uuid::Uuid::new_v4().simple()
            ));
            if std::fs::rename(dir, &grave).is_ok() {
                // What cannot be removed now is removed by the next sweep.
                let _ = std::fs::remove_dir_all(&grave);
            }
            return;
        }
        // No lock file: its maker was killed between two system calls, or
        // makes it right now; an age decides.
        let age = dir
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age.as_secs() > 60) {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

/// Whether the path still names the open file.
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), path.metadata()) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        _ => false,
    }
}

fn open_lock(path: &Path) -> Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(Error::io("open", path))
}
