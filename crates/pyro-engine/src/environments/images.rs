//! Immutable contents, named by their digest and shared by all that name them.
//!
//! Owns: `.images/<sha256>` (0444), stamps, shared locks on open images.
//! Refuses: knowing environments, and hashing on the run path: an image is
//! the one that was hashed when inode, size, mtime and ctime are still those
//! of that time. ctime is what makes this hold: no tool sets it back.

use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::layout::Layout;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// An image that is open for reading. While it lives, prune leaves it alone.
#[derive(Debug)]
pub struct Image {
    /// SHA-256 in lowercase hex.
    pub digest: String,
    /// Absolute path of the content.
    pub path: PathBuf,
    /// Open read-only, with a shared lock that passed-on descriptors share.
    pub file: File,
}

/// What a file looked like when it was hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// SHA-256 in lowercase hex.
    pub digest: String,
    /// Size.
    pub size_bytes: u64,
    /// Inode number.
    pub inode: u64,
    /// Time of the last change of the content, in nanoseconds.
    pub mtime_ns: i64,
    /// Time of the last change of anything, in nanoseconds.
    pub ctime_ns: i64,
}

impl Stamp {
    fn new(digest: String, metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000) + rest;
        Self {
            digest,
            size_bytes: metadata.size(),
            inode: metadata.ino(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Why `metadata` is not that of the hashed file any more.
    fn difference(&self, metadata: &Metadata) -> Option<&'static str> {
        let now = Self::new(self.digest.clone(), metadata);
        if !metadata.is_file() {
            Some("is not a regular file")
        } else if now.size_bytes != self.size_bytes {
            Some("has another size")
        } else if now != *self {
            Some("was touched since it was installed")
        } else {
            None
        }
    }
}

/// Where the content with this digest is.
pub fn path(layout: &Layout, digest: &str) -> PathBuf {
    layout.images().join(digest)
}

/// Whether `text` can be the name of an image: nothing else may become part of a path.
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Why the image is not as it was stamped, by stat alone.
pub fn difference(layout: &Layout, stamp: &Stamp) -> Option<String> {
    match std::fs::symlink_metadata(path(layout, &stamp.digest)) {
        Ok(metadata) => stamp.difference(&metadata).map(str::to_owned),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("is missing".to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

/// Opens an image for use: stat, open, shared lock.
pub fn open(layout: &Layout, stamp: &Stamp) -> Result<Image, String> {
    let path = path(layout, &stamp.digest);
    let file = File::open(&path).map_err(|error| error.to_string())?;
    file.lock_shared().map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if let Some(difference) = stamp.difference(&metadata) {
        return Err(difference.to_owned());
    }
    // prune may have removed the name between open and lock
    if metadata.nlink() == 0 {
        return Err("was pruned just now".to_owned());
    }
    Ok(Image {
        digest: stamp.digest.clone(),
        path,
        file,
    })
}

/// Reads a file in full.
///
/// # Errors
/// I/O, or `cancelled`.
pub fn digest(path: &Path, cancel: &Cancel) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        if cancel.is_cancelled() {
            return Err(super::cancelled());
        }
        match file.read(&mut buffer).map_err(Error::io("read", path))? {
            0 => return Ok(hex::encode(hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// What storing a content gave.
pub struct Stored {
    /// The stamp to keep.
    pub stamp: Stamp,
    /// Whether a damaged content of the same digest was replaced: other
    /// manifests then hold an old stamp.
    pub replaced: bool,
}

/// Moves a finished file into the store. The caller holds the store's lock.
///
/// # Errors
/// I/O.
pub fn store(layout: &Layout, file: &Path, digest: String, cancel: &Cancel) -> Result<Stored> {
    let target = path(layout, &digest);
    let exists = std::fs::symlink_metadata(&target).is_ok();
    let intact = exists && self::digest(&target, cancel).is_ok_and(|found| found == digest);
    if intact {
        std::fs::remove_file(file).map_err(Error::io("remove", file))?;
    } else {
        let readable = std::fs::Permissions::from_mode(0o444);
        std::fs::set_permissions(file, readable).map_err(Error::io("set the mode of", file))?;
        File::open(file)
            .and_then(|file| file.sync_all())
            .map_err(Error::io("write", file))?;
        std::fs::rename(file, &target).map_err(Error::io("create", &target))?;
        sync_folder(&layout.images())?;
    }
    let metadata = std::fs::metadata(&target).map_err(Error::io("read", &target))?;
    Ok(Stored {
        stamp: Stamp::new(digest, &metadata),
        replaced: exists && !intact,
    })
}

/// The stamp the image has now; the caller knows that its content is right.
///
/// # Errors
/// I/O.
pub fn stamp(layout: &Layout, digest: &str) -> Result<Stamp> {
    let path = path(layout, digest);
    let metadata = std::fs::metadata(&path).map_err(Error::io("read", &path))?;
    Ok(Stamp::new(digest.to_owned(), &metadata))
}

/// Makes a rename in this folder last.
///
/// # Errors
/// I/O.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io("write", folder))
}
