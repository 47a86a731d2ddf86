//! The guest's root file system.
//!
//! Owns: scratch, overlay, the kernel's own file systems and the change of
//! root. Refuses: a half-made root; [`undo`] takes back what failed. What is
//! mounted on `/workspace` is [`crate::workspace_mount`]'s.
//!
//! ```text
//!   /base (ext4, read-only) --lower--\
//!                                     overlay --> /newroot --MS_MOVE--> /
//!   /scratch/root/upper ------upper--/     + /proc /sys /dev /run /tmp
//! ```

use crate::reply::failed;
use crate::{console, init_root, sys, workspace_mount};
use pyro_proto::messages::Failed;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_move, unmount};
use std::ffi::CStr;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The drive with the read-only root file system.
pub const BASE_DEVICE: &str = "/dev/vda";
/// Where it is mounted.
pub const BASE: &str = "/base";
/// Where the root is built.
pub const NEW_ROOT: &str = "/newroot";
/// Where the drive is mounted that is written.
pub const SCRATCH: &str = "/scratch";

/// - `redirect_dir=on`: else renaming a folder of the base fails with EXDEV,
///   which package managers and build tools do not expect.
/// - `index=off`: the index ties the upper layer to one base by file handle,
///   and a copied scratch (reset, snapshot) would be refused.
/// - `metacopy=off`: an upper file always has its contents, so the layer can
///   be read, exported and compared without the base.
/// - `xino=auto`: inode numbers are unique and stable over both layers, which
///   `find`, `tar` and git rely on.
const OVERLAY: &CStr = c"lowerdir=/base,upperdir=/scratch/root/upper,workdir=/scratch/root/work,redirect_dir=on,index=off,metacopy=off,xino=auto";

const STRICT: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);
const DATA: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// The disks' own roots, kept for after the change of root.
pub struct Disks {
    /// What is written.
    pub scratch: OwnedFd,
    /// What the workspace began with, unless that is nothing.
    pub baseline: Option<OwnedFd>,
}

/// Mounts everything below [`NEW_ROOT`].
pub fn assemble(device: &str, baseline_device: Option<&str>) -> Result<Disks, Failed> {
    let named = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| failed("mount", format!("{what}: {error}"))
    };
    if !Path::new(BASE).join("etc").exists() && !Path::new(BASE).join("bin").exists() {
        let base = BASE_DEVICE;
        return Err(failed(
            "mount",
            format!("the base drive {base} holds no root file system or did not mount"),
        ));
    }
    scratch(device).map_err(named(&format!("the scratch drive {device} did not mount")))?;
    overlay().map_err(named("the overlay of base and scratch did not mount"))?;
    for (kind, at, flags, data) in [
        ("tmpfs", "run", DATA, c"mode=0755"),
        ("tmpfs", "tmp", DATA, c"mode=1777"),
    ] {
        fresh(kind, at, flags, Some(data)).map_err(named(&format!("/{at} did not mount")))?;
    }
    lock_folder().map_err(named("/run/lock was not made"))?;
    folder("workspace").map_err(named("/workspace was not made"))?;
    let baseline =
        workspace_mount::assemble(baseline_device).map_err(named("/workspace did not mount"))?;
    for at in ["proc", "sys", "dev"] {
        folder(at).map_err(named(&format!("/{at} was not made")))?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let scratch = rustix::fs::open(SCRATCH, flags, Mode::empty())
        .map_err(|error| named("the scratch drive did not open")(error.into()))?;
    for at in ["sys", "dev", "proc"] {
        mount_move(format!("/{at}"), format!("{NEW_ROOT}/{at}"))
            .map_err(|error| named(&format!("/{at} did not move"))(error.into()))?;
    }
    Ok(Disks { scratch, baseline })
}

fn scratch(device: &str) -> io::Result<()> {
    let node = std::fs::File::open(device)?;
    // A clone has another disk behind the device than the template had when
    // its kernel read the first blocks.
    sys::flush_buffers(node.as_fd())?;
    std::fs::create_dir_all(SCRATCH)?;
    // The image is sparse, so its inode tables read as zeros already: writing
    // them would cost the host half a gigabyte per guest.
    mount(
        device,
        SCRATCH,
        "ext4",
        MountFlags::NOATIME,
        Some(c"noinit_itable"),
    )?;
    std::fs::create_dir_all("/scratch/root/upper")?;
    std::fs::create_dir_all("/scratch/root/work")
}

fn overlay() -> io::Result<()> {
    std::fs::create_dir_all(NEW_ROOT)?;
    let flags = MountFlags::NOATIME;
    Ok(mount("overlay", NEW_ROOT, "overlay", flags, Some(OVERLAY))?)
}

/// A folder of the new root to mount on. The image or an earlier life of this
/// scratch may have left something else there, or a link to elsewhere.
fn folder(at: &str) -> io::Result<String> {
    let path = format!("{NEW_ROOT}/{at}");
    match std::fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => return Ok(path),
        Ok(_) => std::fs::remove_file(&path)?,
        Err(_) => {}
    }
    std::fs::create_dir(&path)?;
    Ok(path)
}

fn fresh(kind: &str, at: &str, flags: MountFlags, data: Option<&CStr>) -> io::Result<()> {
    Ok(mount(kind, folder(at)?, kind, flags, data)?)
}

fn lock_folder() -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let path = format!("{NEW_ROOT}/run/lock");
    std::fs::create_dir(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o1777))
}

/// What the root needs of the kernel and no disk: done before a template is
/// frozen, so that its clones have it.
pub fn prepare() -> io::Result<()> {
    // Older kernels have no cgroup v2; commands then have process groups only.
    let _ = mount("cgroup2", "/sys/fs/cgroup", "cgroup2", STRICT, None);
    for (at, kind, flags, data) in [
        (
            "/dev/pts",
            "devpts",
            MountFlags::NOSUID | MountFlags::NOEXEC,
            c"ptmxmode=666,mode=620,gid=5",
        ),
        ("/dev/shm", "tmpfs", DATA, c"mode=1777"),
    ] {
        std::fs::create_dir_all(at)?;
        mount(kind, at, kind, flags, Some(data))?;
    }
    for (target, at) in [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
    ] {
        match symlink(target, at) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Makes the new root the root of the whole agent, whose threads share it, and
/// of PID 1, for the kernel's sake.
pub fn enter() -> io::Result<()> {
    if let Err(error) = init_root::lead() {
        console::line(&format!(
            "the kernel cannot load modules by itself: {error}"
        ));
    }
    std::env::set_current_dir(NEW_ROOT)?;
    mount_move(".", "/")?;
    rustix::process::chroot(".")?;
    std::env::set_current_dir("/")
}

/// Takes back what [`assemble`] mounted before it failed.
pub fn undo() {
    for at in ["proc", "dev", "sys"] {
        let _ = mount_move(format!("{NEW_ROOT}/{at}"), format!("/{at}"));
    }
    workspace_mount::undo();
    for at in ["/newroot/tmp", "/newroot/run", NEW_ROOT, SCRATCH] {
        let _ = unmount(at, UnmountFlags::DETACH);
    }
}
