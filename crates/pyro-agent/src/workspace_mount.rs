//! The guest's `/workspace`, beside its root.
//!
//! Owns: the baseline drive and what lies over it. Refuses: knowing what a
//! seed is; the drive is an ext4 image that is only read.
//!
//! ```text
//!   seeded    /baseline/tree (read-only) --lower---\
//!                                                   overlay --> /newroot/workspace
//!             /scratch/workspace/upper ----upper---/
//!   unseeded  /scratch/workspace/upper ----bind---------------> /newroot/workspace
//! ```
//!
//! So the upper folder is what changed since the baseline, whichever it is.

use crate::root::NEW_ROOT;
use crate::sys;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use std::ffi::CStr;
use std::io;

/// Where its drive is mounted.
pub const BASELINE: &str = "/baseline";
/// The image's own root also has a lost+found.
pub const TREE: &str = "/baseline/tree";
/// What changed since the baseline.
pub const UPPER: &str = "/scratch/workspace/upper";
const WORK: &str = "/scratch/workspace/work";

/// As the options of the root's overlay, for the same reasons.
const OVERLAY: &CStr = c"lowerdir=/baseline/tree,upperdir=/scratch/workspace/upper,workdir=/scratch/workspace/work,redirect_dir=on,index=off,metacopy=off,xino=auto";

/// Mounts it; the scratch drive is mounted already, and `/newroot/workspace`
/// is a folder. Returns the root of what it began with, for after the change of root.
pub fn assemble(device: Option<&str>) -> io::Result<Option<OwnedFd>> {
    let target = format!("{NEW_ROOT}/workspace");
    std::fs::create_dir_all(UPPER)?;
    let Some(device) = device else {
        mount_bind(UPPER, &target)?;
        return Ok(None);
    };
    baseline(device)?;
    let root = rustix::fs::open(
        TREE,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    std::fs::create_dir_all(WORK)?;
    let flags = MountFlags::NOATIME;
    mount("overlay", &target, "overlay", flags, Some(OVERLAY))?;
    Ok(Some(root))
}

/// Mounts the drive that is only read.
pub fn baseline(device: &str) -> io::Result<()> {
    let node = std::fs::File::open(device)?;
    // As for scratch: the template had another image behind it.
    sys::flush_buffers(node.as_fd())?;
    std::fs::create_dir_all(BASELINE)?;
    let flags = MountFlags::RDONLY | MountFlags::NOATIME;
    // Nothing was ever in flight on an image that is only read.
    Ok(mount(device, BASELINE, "ext4", flags, Some(c"noload"))?)
}

/// Takes back what [`assemble`] mounted.
pub fn undo() {
    for at in ["/newroot/workspace", BASELINE] {
        let _ = unmount(at, UnmountFlags::DETACH);
    }
}
