//! The writable layer of a guest.
//!
//! Owns: an empty ext4 of fixed virtual size, made once per size and copied
//! sparsely (some 400 KiB) for each guest. A one-shot guest's copy has no
//! name, so nothing is left however its process ends.
//!
//! The size is part of the frozen device state, hence fixed; blocks cost
//! space when they are written.

use super::disk_copy::copy_sparse;
use crate::error::{Error, Result};
use crate::layout::{Layout, make_private_dir};
use rustix::fs::{Mode, OFlags};
use std::fs::{File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Virtual size in MiB unless asked otherwise.
pub const DEFAULT_SCRATCH_MIB: u64 = 32 * 1024;

/// A momentary name lives for one fork; older ones were left behind.
const MOMENT: Duration = Duration::from_secs(60);

/// An ext4 image without a name.
#[derive(Debug)]
pub struct Scratch {
    /// Open for reading and writing.
    pub file: File,
    folder: PathBuf,
}

impl Scratch {
    /// Makes an empty one.
    ///
    /// # Errors
    /// `no_space`, `read_only`, `mke2fs_missing`, `io`, each naming the path.
    pub fn create(layout: &Layout, size_mib: u64) -> Result<Self> {
        let empty = empty_image(layout, size_mib, Kind::OneShot)?;
        let source = File::open(&empty.path).map_err(Error::io("open", &empty.path))?;
        // A temporary image's folder is about to go.
        let folder = match empty._temporary {
            Some(_) => &layout.state,
            None => empty.path.parent().unwrap_or(&layout.state),
        };
        sweep(folder);
        Self::copied(&source, folder)
    }

    /// Makes an empty one with a name, whose file system has a journal: it
    /// outlives the machine, however that ends.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_at(layout: &Layout, size_mib: u64, path: &Path) -> Result<Self> {
        let empty = empty_image(layout, size_mib, Kind::Kept)?;
        let source = File::open(&empty.path).map_err(Error::io("open", &empty.path))?;
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(Error::io("create", path))?;
        copy_sparse(&source, &file).map_err(Error::io("copy a scratch image into", path))?;
        Ok(Self::named(file, path))
    }

    /// One that was made before.
    ///
    /// # Errors
    /// `io`.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(path)
            .map_err(Error::io("open", path))?;
        Ok(Self::named(file, path))
    }

    fn named(file: File, path: &Path) -> Self {
        Self {
            file,
            folder: path.parent().unwrap_or(Path::new("/")).to_owned(),
        }
    }

    /// The same content in a new file. A VMM that opens by name takes the one
    /// chance of a nameless file to get one, so a second start needs this.
    ///
    /// # Errors
    /// `no_space`, `io`.
    pub fn again(&self) -> Result<Self> {
        Self::copied(&self.file, &self.folder)
    }

    /// A disk of the same size with nothing on it, for a machine that is
    /// frozen before it looks at its disks.
    pub(super) fn blank(&self) -> Result<File> {
        let failed = Error::io("make a blank disk in", &self.folder);
        let made = nameless(&self.folder).and_then(|file| {
            file.set_len(self.file.metadata()?.len())?;
            Ok(file)
        });
        made.map_err(failed)
    }

    /// A drive of a baseline's size with nothing on it, open for reading only,
    /// as a VMM demands of a drive that it must not write.
    pub(super) fn no_baseline(&self) -> Result<File> {
        let failed = Error::io("make a blank disk in", &self.folder);
        let made = nameless(&self.folder).and_then(|file| {
            file.set_len(super::BASELINE_DRIVE_BYTES)?;
            // Root's VMM is another user, and opens it by name.
            file.set_permissions(Permissions::from_mode(0o444))?;
            File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
        });
        made.map_err(failed)
    }

    fn copied(source: &File, folder: &Path) -> Result<Self> {
        let file = nameless(folder).map_err(Error::io("make a scratch image in", folder))?;
        copy_sparse(source, &file).map_err(Error::io("copy a scratch image into", folder))?;
        Ok(Self {
            file,
            folder: folder.to_owned(),
        })
    }
}

/// Removes names a killed pyro had given to images for a moment.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let momentary = entry
            .file_name()
            .to_string_lossy()
            .starts_with(pyro_vmm::confine::MOMENTARY_PREFIX);
        let age = entry.metadata().ok().and_then(|metadata| {
            use std::os::unix::fs::MetadataExt;
            let changed = u64::try_from(metadata.ctime()).ok()?;
            let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed);
            SystemTime::now().duration_since(changed).ok()
        });
        if momentary && age.is_some_and(|age| age > MOMENT) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// What becomes of a disk when its machine ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It goes, too, so it has no journal.
    OneShot,
    /// It stays.
    Kept,
}

struct Empty {
    path: PathBuf,
    /// Keeps an image that could not go into the cache.
    _temporary: Option<tempfile::TempDir>,
}

/// The image to copy; made on first use. A cache that cannot be written
/// (installed for all users) makes it anew each time, beside the state.
fn empty_image(layout: &Layout, size_mib: u64, kind: Kind) -> Result<Empty> {
    let folder = layout.scratch();
    let path = folder.join(match kind {
        Kind::OneShot => format!("{size_mib}.ext4"),
        Kind::Kept => format!("{size_mib}-journal.ext4"),
    });
    if path.is_file() && rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK).is_ok() {
        return Ok(Empty {
            path,
            _temporary: None,
        });
    }
    if make_private_dir(&folder).is_ok()
        && let Ok(temporary) = tempfile::NamedTempFile::new_in(&folder)
    {
        format(temporary.path(), size_mib, kind)?;
        temporary
            .persist(&path)
            .map_err(|error| Error::io("rename into place", &path)(error.error))?;
        return Ok(Empty {
            path,
            _temporary: None,
        });
    }
    make_private_dir(&layout.state)?;
    let temporary = tempfile::tempdir_in(&layout.state)
        .map_err(Error::io("make a folder in", &layout.state))?;
    let path = temporary.path().join("scratch.ext4");
    File::create(&path).map_err(Error::io("create", &path))?;
    format(&path, size_mib, kind)?;
    Ok(Empty {
        path,
        _temporary: Some(temporary),
    })
}

fn format(path: &Path, size_mib: u64, kind: Kind) -> Result<()> {
    let file = File::options()
        .write(true)
        .open(path)
        .map_err(Error::io("open", path))?;
    file.set_len(size_mib << 20)
        .map_err(Error::io("size", path))?;
    let output = e2fs_tool("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-m", "0"])
        // Nothing is reserved for growth, and the guest is told to leave the
        // inode tables alone: holes of the file read as zeros already, also
        // those of the journal.
        .args(match kind {
            Kind::OneShot => ["-O", "^has_journal,^resize_inode"].as_slice(),
            Kind::Kept => &["-O", "has_journal,^resize_inode", "-J", "size=32"],
        })
        .args([
            "-E",
            "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0",
        ])
        .arg(path)
        .output()
        .map_err(|error| {
            Error::runtime("mke2fs_missing", format!("cannot run mke2fs: {error}"))
                .hint("install it (Debian, Ubuntu: apt-get install e2fsprogs)")
        })?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::runtime(
        "mke2fs",
        format!("mke2fs failed on {}: {words}", path.display()),
    ))
}

/// A program of e2fsprogs.
pub fn e2fs_tool(name: &str) -> Command {
    let mut tool = Command::new(name);
    tool.env("PATH", search_path());
    tool
}

/// An ordinary user's PATH often lacks the folders mke2fs is in.
fn search_path() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

fn nameless(folder: &Path) -> std::io::Result<File> {
    match rustix::fs::open(
        folder,
        OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC,
        Mode::from_raw_mode(0o600),
    ) {
        Ok(file) => Ok(File::from(file)),
        // Some file systems cannot: a name that is taken away at once then.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
            tempfile::tempfile_in(folder)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_copy_is_a_valid_sparse_file_system_without_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout {
            cache: dir.path().join("cache"),
            state: dir.path().join("state"),
        };
        let scratch = Scratch::create(&layout, DEFAULT_SCRATCH_MIB).unwrap();
        let metadata = scratch.file.metadata().unwrap();
        assert_eq!((metadata.len(), metadata.nlink()), (32 << 30, 0));
        assert!(
            metadata.blocks() * 512 < 4 << 20,
            "{} bytes allocated",
            metadata.blocks() * 512
        );
        let path = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            std::os::fd::AsRawFd::as_raw_fd(&scratch.file)
        );
        let check = Command::new("e2fsck")
            .args(["-fn", &path])
            .env("PATH", search_path())
            .output()
            .unwrap();
        assert!(
            check.status.success(),
            "{}",
            String::from_utf8_lossy(&check.stdout)
        );
        let names: Vec<_> = std::fs::read_dir(layout.scratch())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["32768.ext4"]);
    }
}
