//! A frozen machine on disk.
//!
//! Owns: the folder's content and the proof that nobody changed it.
//! Refuses: a folder whose files are not the very ones that were sealed.
//! A VMM that escaped could otherwise poison every later clone: QEMU 7.2
//! opens the memory file for writing even when it maps it privately.
//!
//! ```text
//! <dir>/
//! |- memory         guest memory, sparse, as large as the guest's
//! |- state          device state, some 100 KiB
//! `- manifest.json  size, inode, mtime and ctime of both, written last
//! ```
//!
//! Choosing, sharing, aging and removing templates is the engine's.

use crate::error::VmmError;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FILES: [&str; 2] = ["memory", "state"];

/// A sealed folder, its files open.
#[derive(Debug)]
pub struct Template {
    /// The folder.
    pub dir: PathBuf,
    /// Guest memory, open for reading and writing (what QEMU 7.2 asks for).
    pub memory: File,
    /// Device state, open for reading.
    pub state: File,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    layout_version: u32,
    files: Vec<Sealed>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sealed {
    name: String,
    size_bytes: u64,
    inode: u64,
    mtime_ns: i128,
    ctime_ns: i128,
}

/// Makes the two files of a template to be, readable and writable by the
/// VMM's identity; the folder above is what keeps others out.
pub(crate) fn create_files(dir: &Path) -> Result<(File, File), VmmError> {
    let make = |name: &str| {
        let path = dir.join(name);
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(VmmError::io(format!("create {}", path.display())))?;
        rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o666))
            .map_err(|error| VmmError::io(format!("open up {}", path.display()))(error.into()))?;
        Ok(file)
    };
    Ok((make(FILES[0])?, make(FILES[1])?))
}

impl Template {
    /// Writes the manifest of a finished folder and opens it.
    ///
    /// # Errors
    /// [`VmmError::Io`].
    pub fn seal(dir: &Path) -> Result<Self, VmmError> {
        let manifest = Manifest {
            layout_version: 1,
            files: FILES
                .iter()
                .map(|name| look(dir, name))
                .collect::<Result<_, _>>()?,
        };
        let path = dir.join("manifest.json");
        let bytes = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
        std::fs::write(&path, bytes).map_err(VmmError::io(format!("write {}", path.display())))?;
        Self::open(dir)
    }

    /// Opens a sealed folder.
    ///
    /// # Errors
    /// [`VmmError::Template`] when anything differs from what was sealed.
    pub fn open(dir: &Path) -> Result<Self, VmmError> {
        let refuse = |reason: String| VmmError::Template {
            path: dir.to_owned(),
            reason,
        };
        let bytes = std::fs::read(dir.join("manifest.json"))
            .map_err(|error| refuse(format!("its manifest cannot be read: {error}")))?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|error| refuse(format!("its manifest is damaged: {error}")))?;
        if manifest.layout_version != 1 || manifest.files.len() != FILES.len() {
            return Err(refuse("its manifest is of another version".into()));
        }
        let open = |name: &str, write: bool| {
            File::options()
                .read(true)
                .write(write)
                .open(dir.join(name))
                .map_err(|error| refuse(format!("{name} cannot be opened: {error}")))
        };
        let template = Self {
            dir: dir.to_owned(),
            memory: open(FILES[0], true)?,
            state: open(FILES[1], false)?,
        };
        for (sealed, file) in manifest
            .files
            .iter()
            .zip([&template.memory, &template.state])
        {
            let now = stat(&sealed.name, file).map_err(|error| refuse(error.to_string()))?;
            if *sealed != now {
                return Err(refuse(format!(
                    "{} was changed after it was frozen",
                    sealed.name
                )));
            }
        }
        Ok(template)
    }
}

fn look(dir: &Path, name: &str) -> Result<Sealed, VmmError> {
    let path = dir.join(name);
    File::open(&path)
        .and_then(|file| stat(name, &file))
        .map_err(VmmError::io(format!("look at {}", path.display())))
}

fn stat(name: &str, file: &File) -> std::io::Result<Sealed> {
    let metadata = file.metadata()?;
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Ok(Sealed {
        name: name.to_owned(),
        size_bytes: metadata.size(),
        inode: metadata.ino(),
        mtime_ns: nanos(metadata.mtime(), metadata.mtime_nsec()),
        ctime_ns: nanos(metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    fn sealed() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let (memory, state) = create_files(dir.path()).unwrap();
        memory.set_len(1 << 20).unwrap();
        state.write_all_at(b"state", 0).unwrap();
        Template::seal(dir.path()).unwrap();
        dir
    }

    #[test]
    fn an_untouched_template_opens_also_after_its_folder_was_renamed() {
        let dir = sealed();
        let renamed = dir.path().with_extension("renamed");
        std::fs::rename(dir.path(), &renamed).unwrap();
        assert!(Template::open(&renamed).is_ok());
        std::fs::rename(&renamed, dir.path()).unwrap();
    }

    #[test]
    fn every_change_refuses_it() {
        let changes: [fn(&Path); 6] = [
            |dir| {
                File::options()
                    .write(true)
                    .open(dir.join("memory"))
                    .unwrap()
                    .write_all_at(b"x", 99)
                    .unwrap()
            },
            |dir| {
                File::options()
                    .write(true)
                    .open(dir.join("state"))
                    .unwrap()
                    .set_len(1)
                    .unwrap()
            },
            |dir| {
                std::fs::copy(dir.join("state"), dir.join("other")).unwrap();
                std::fs::rename(dir.join("other"), dir.join("state")).unwrap();
            },
            |dir| std::fs::remove_file(dir.join("memory")).unwrap(),
            |dir| std::fs::write(dir.join("manifest.json"), b"{").unwrap(),
            |dir| std::fs::remove_file(dir.join("manifest.json")).unwrap(),
        ];
        for (number, change) in changes.iter().enumerate() {
            let dir = sealed();
            // A write within the clock's tick would leave the times alone.
            std::thread::sleep(std::time::Duration::from_millis(20));
            change(dir.path());
            let error = Template::open(dir.path()).expect_err(&format!("change {number}"));
            assert_eq!(error.code(), "template");
        }
    }
}
