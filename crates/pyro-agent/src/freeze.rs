//! Holding the disk still while the host copies it.
//!
//! Owns: giving freed blocks back, the freeze, and its end, however the host
//! ends. Refuses: to stay frozen for a host that says nothing.
//!
//! ```text
//!   trim, sync --> frozen --1 byte--> host copies
//!                    | host: a byte            wait on
//!                    | host: the end           thaw, held
//!                    | host: gone, or silent   thaw, not held
//! ```
//!
//! Meanwhile whoever writes to the disk waits, and cannot be killed. Reading
//! goes on, commands start. The agent itself writes nothing to the disk.

use crate::machine::{Machine, Phase};
use crate::reply::{answer, failed};
use crate::sys;
use pyro_proto::messages::{DiskThawed, FREEZE_PATIENCE, Failed, LEAVING, Reply, channel};
use pyro_proto::{Incoming, Stream};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};
use std::io;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// Inodes in use on a disk that was just made. On the disk itself, so that it
/// is there after any number of starts and in every copy.
const NEW_INODES: &str = "trusted.pyro.new_inodes";
/// Free blocks fewer than these in a row are not worth a request to the host.
const LEAST_TRIM_BYTES: u64 = 64 << 10;
/// What is trimmed at once: between two the host may leave.
const TRIM_SLICE_BYTES: u64 = 8 << 30;
/// Trimming only saves space; it may not keep anybody waiting.
const MOST_TRIM: Duration = Duration::from_secs(10);

/// Notes how many inodes a new disk has, once.
pub fn mark_new(machine: &Machine) {
    let scratch = machine
        .scratch
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(scratch) = &*scratch
        && let Ok(count) = inodes(scratch)
    {
        // There already on every start but the first.
        let text = count.to_string();
        let _ = fsetxattr(scratch, NEW_INODES, text.as_bytes(), XattrFlags::CREATE);
    }
}

/// Carries the request out.
pub fn run(machine: &Machine, stream: Stream) {
    let reply = match disk(machine) {
        Ok(disk) => {
            let trimmed_bytes = trim(&disk, &stream);
            hold(&disk, &stream, trimmed_bytes, FREEZE_PATIENCE)
        }
        Err(error) => Err(error),
    };
    answer(stream, &reply.map_or_else(Reply::Failed, Reply::DiskThawed));
}

fn disk(machine: &Machine) -> Result<OwnedFd, Failed> {
    if *machine.phase() == Phase::Leaving {
        return Err(failed(LEAVING, "the machine is powering off"));
    }
    let scratch = machine
        .scratch
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let Some(scratch) = &*scratch else {
        return Err(failed("bad_request", "there is no disk to freeze"));
    };
    scratch
        .try_clone()
        .map_err(|error| failed("internal", format!("the disk cannot be shared: {error}")))
}

/// Best effort: a VMM that discards nothing costs space, not the copy.
fn trim(disk: &OwnedFd, stream: &Stream) -> u64 {
    // Blocks whose removal is not written yet are not free yet.
    if rustix::fs::syncfs(disk).is_err() {
        return 0;
    }
    let deadline = Instant::now() + MOST_TRIM;
    let (mut start, mut trimmed_bytes) = (0, 0);
    while Instant::now() < deadline && stream.over().is_none() {
        // Beyond its end, and where there is no discard, it is an error.
        match sys::trim_file_system(disk.as_fd(), start, TRIM_SLICE_BYTES, LEAST_TRIM_BYTES) {
            Ok(bytes) => trimmed_bytes += bytes,
            Err(_) => break,
        }
        start += TRIM_SLICE_BYTES;
    }
    trimmed_bytes
}

/// What is frozen.
trait Disk {
    fn freeze(&self) -> io::Result<()>;
    fn thaw(&self) -> io::Result<()>;
    fn entry_count(&self) -> io::Result<u64>;
}

impl Disk for OwnedFd {
    fn freeze(&self) -> io::Result<()> {
        sys::freeze_file_system(self.as_fd())
    }

    fn thaw(&self) -> io::Result<()> {
        sys::thaw_file_system(self.as_fd())
    }

    fn entry_count(&self) -> io::Result<u64> {
        let mut text = [0; 20];
        let new = fgetxattr(self, NEW_INODES, &mut text)
            .ok()
            .and_then(|count| std::str::from_utf8(&text[..count]).ok()?.parse().ok())
            .unwrap_or(0);
        Ok(inodes(self)?.saturating_sub(new))
    }
}

fn inodes(disk: &OwnedFd) -> io::Result<u64> {
    let all = rustix::fs::fstatvfs(disk)?;
    Ok(all.f_files.saturating_sub(all.f_ffree))
}

/// Thaws when it is dropped.
struct Frozen<'a, D: Disk>(&'a D);

impl<D: Disk> Drop for Frozen<'_, D> {
    fn drop(&mut self) {
        // A second thaw is refused and does no harm.
        let _ = self.0.thaw();
    }
}

fn hold<D: Disk>(
    disk: &D,
    stream: &Stream,
    trimmed_bytes: u64,
    patience: Duration,
) -> Result<DiskThawed, Failed> {
    let refused = |what: &str, error: io::Error| failed("io", format!("the disk {what}: {error}"));
    disk.freeze()
        .map_err(|error| refused("cannot be frozen", error))?;
    let frozen = Frozen(disk);
    let entry_count = disk
        .entry_count()
        .map_err(|error| refused("does not tell its inodes", error))?;
    let mut held = stream.send(channel::STDOUT, b"f").is_ok();
    while held {
        match stream.receive(Some(Instant::now() + patience)) {
            Ok(Incoming::End(channel::STDIN)) => break,
            Ok(_) => {}
            Err(_) => held = false,
        }
    }
    // Refused: somebody thawed it meanwhile.
    let held = disk.thaw().is_ok() && held;
    drop(frozen);
    Ok(DiskThawed {
        held,
        entry_count,
        trimmed_bytes,
    })
}
