//! Copying a disk image.
//!
//! Owns: holes stay holes; shared blocks where the file system can (reflink),
//! else a plain copy of what is allocated, after a look at the free space.
//! Refuses: to fill the host's disk, and to leave a part of a copy.

use crate::error::{Error, Result};
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Left free for the machines that run: a full disk halts them.
const SPARE_BYTES: u64 = 64 << 20;
/// Copied between two calls of `step`: some milliseconds.
const PIECE_BYTES: u64 = 4 << 20;

/// The next step where there is no room.
pub(crate) const ROOM: &str =
    "delete snapshots or workspaces that nobody needs, or free some space there";

/// Has what the host has not written of `from` written, where a copy will
/// share its blocks: there sharing waits for it, and the guest need not.
pub fn write_back(from: &Path, to: &Path) {
    // Where blocks are not shared it is refused, and nothing is waited for.
    if let (Ok(source), Ok(trial)) = (File::open(from), File::create_new(to)) {
        let _ = rustix::fs::ioctl_ficlone(&trial, &source);
        let _ = std::fs::remove_file(to);
    }
}

/// Bytes a file takes on the host.
///
/// # Errors
/// `io`.
pub fn allocated_bytes(path: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(path).map_err(Error::io("look at", path))?;
    Ok(metadata.blocks() * 512)
}

/// Copies `from` into the new file `to`. `step` gets the bytes done and those
/// there are, and its error ends the copy.
///
/// # Errors
/// `no_space` before anything is written, `io`, that of `step`; nothing is
/// left then.
pub fn copy_disk(
    from: &Path,
    to: &Path,
    step: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<File> {
    let source = File::open(from).map_err(Error::io("open", from))?;
    let copy = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(Error::io("create", to))?;
    let copied = fill(&source, &copy, to, step);
    if copied.is_err() {
        let _ = std::fs::remove_file(to);
    }
    copied.map(|()| copy)
}

fn fill(
    from: &File,
    to: &File,
    path: &Path,
    step: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<()> {
    let failed = |error: std::io::Error| {
        let error = Error::io("copy a disk into", path)(error);
        match error.code {
            "no_space" => error.hint(ROOM),
            _ => error,
        }
    };
    let metadata = from.metadata().map_err(failed)?;
    if share(from, to, metadata.len()).map_err(failed)? {
        return Ok(());
    }
    let total = metadata.blocks() * 512;
    leave_room(
        to,
        total,
        path.parent().unwrap_or(path),
        "a copy of the disk",
    )?;
    let mut done = 0;
    let mut offset = 0;
    while let Some((start, end)) = next_data(from, offset, metadata.len()).map_err(failed)? {
        offset = end.min(start + PIECE_BYTES);
        copy_range(from, to, start, offset).map_err(failed)?;
        done += offset - start;
        step(done, total)?;
    }
    Ok(())
}

/// Whether `bytes` more fit the file system of `to`, which is in `folder`, with
/// room left for the machines that run.
///
/// # Errors
/// `no_space` naming `what` and `folder`, `io`.
pub(crate) fn leave_room(to: &File, bytes: u64, folder: &Path, what: &str) -> Result<()> {
    let free = free_bytes(to).map_err(Error::io("look for room in", folder))?;
    if free < bytes.saturating_add(SPARE_BYTES) {
        return Err(Error::runtime(
            "no_space",
            format!(
                "{what} takes {} MiB, and {} has {} MiB free, {} of them for guests that run",
                (bytes >> 20) + 1,
                folder.display(),
                free >> 20,
                SPARE_BYTES >> 20
            ),
        )
        .hint(ROOM));
    }
    Ok(())
}

/// What is free for this user on the file system of `at`.
///
/// # Errors
/// Those of the file system.
pub(crate) fn free_bytes(at: &File) -> std::io::Result<u64> {
    let found = rustix::fs::fstatvfs(at)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Copies data and keeps holes.
///
/// # Errors
/// Those of the file systems.
pub(super) fn copy_sparse(from: &File, to: &File) -> std::io::Result<()> {
    let length = from.metadata()?.len();
    if share(from, to, length)? {
        return Ok(());
    }
    let mut offset = 0;
    while let Some((start, end)) = next_data(from, offset, length)? {
        copy_range(from, to, start, end)?;
        offset = end;
    }
    Ok(())
}

/// Both files have the same blocks until one is written; false where the file
/// system cannot do that.
fn share(from: &File, to: &File, length: u64) -> std::io::Result<bool> {
    to.set_len(length)?;
    Ok(rustix::fs::ioctl_ficlone(to, from).is_ok())
}

/// The next range that may hold data, at or after `offset`.
///
/// # Errors
/// Those of the file system.
pub(crate) fn next_data(
    from: &File,
    offset: u64,
    length: u64,
) -> std::io::Result<Option<(u64, u64)>> {
    if offset >= length {
        return Ok(None);
    }
    let start = match rustix::fs::seek(from, SeekFrom::Data(offset)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some((
        start,
        rustix::fs::seek(from, SeekFrom::Hole(start))?,
    )))
}

/// In the kernel where it can, which saves two passes over the bytes.
fn copy_range(from: &File, to: &File, start: u64, end: u64) -> std::io::Result<()> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        let wanted = usize::try_from(end - read_at).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), wanted)
        {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return copy_by_hand(from, to, read_at, end);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn copy_by_hand(from: &File, to: &File, start: u64, end: u64) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    let mut at = start;
    while at < end {
        let wanted = buffer
            .len()
            .min(usize::try_from(end - at).unwrap_or(usize::MAX));
        from.read_exact_at(&mut buffer[..wanted], at)?;
        to.write_all_at(&buffer[..wanted], at)?;
        at += wanted as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn disk(path: &Path, pieces: &[(u64, u8)]) -> File {
        let file = File::create_new(path).unwrap();
        file.set_len(1 << 30).unwrap();
        for (at, byte) in pieces {
            file.write_all_at(&vec![*byte; 70_000], *at).unwrap();
        }
        file
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_copy_has_the_same_bytes_and_holes(
            pieces in prop::collection::vec((0_u64..(1 << 30) - 70_000, 1_u8..), 0..6)
        ) {
            let dir = tempfile::tempdir().unwrap();
            let (from, to) = (dir.path().join("from"), dir.path().join("to"));
            disk(&from, &pieces);
            let mut told = Vec::new();
            let copy = copy_disk(&from, &to, &mut |done, total| {
                told.push((done, total));
                Ok(())
            }).unwrap();
            prop_assert_eq!(copy.metadata().unwrap().len(), 1 << 30);
            prop_assert!(allocated_bytes(&to).unwrap() <= allocated_bytes(&from).unwrap() + 4096);
            prop_assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0));
            let by_hand = File::create_new(dir.path().join("by_hand")).unwrap();
            by_hand.set_len(1 << 30).unwrap();
            let source = File::open(&from).unwrap();
            let mut offset = 0;
            while let Some((start, end)) = next_data(&source, offset, 1 << 30).unwrap() {
                copy_by_hand(&source, &by_hand, start, end).unwrap();
                offset = end;
            }
            let by_hand = File::open(dir.path().join("by_hand")).unwrap();
            for (at, _) in &pieces {
                let mut bytes = [vec![0; 80_000], vec![0; 80_000], vec![0; 80_000]];
                let at = at.saturating_sub(4000).min((1 << 30) - 80_000);
                for (file, bytes) in [&source, &copy, &by_hand].into_iter().zip(&mut bytes) {
                    file.read_exact_at(bytes, at).unwrap();
                }
                prop_assert!(bytes[0] == bytes[1] && bytes[0] == bytes[2]);
            }
        }
    }

    #[test]
    fn a_copy_that_is_ended_leaves_nothing_and_one_that_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        disk(&from, &[(0, 1), (1 << 29, 2)]);
        let ended = copy_disk(&from, &to, &mut |_, _| {
            Err(Error::runtime("cancelled", "cancelled"))
        });
        // Where blocks are shared there is nothing to end.
        if let Err(error) = ended {
            assert_eq!(error.code, "cancelled");
            assert!(!to.exists());
        }
        std::fs::write(&to, "mine").unwrap();
        let error = copy_disk(&from, &to, &mut |_, _| Ok(())).unwrap_err();
        assert_eq!(error.code, "io");
        assert_eq!(std::fs::read(&to).unwrap(), b"mine");
    }
}
