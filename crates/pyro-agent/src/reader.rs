//! The disks of a stopped workspace, only shown.
//!
//! Owns: mounting them read-only as one root, and which requests may look at
//! it. Refuses: running or changing anything. The agent stays in the
//! initramfs, since nothing of that root is needed to serve it.
//!
//! ```text
//!   /scratch/root/upper --.
//!   /base ----------------+-- overlay, no upper --> /newroot
//!   /skeleton ------------'                            |- workspace  as workspace_mount.rs, no upper
//!                                                      `- proc sys dev run tmp: empty, from /skeleton
//! ```
//!
//! A machine mounts something over those five, so what lies beneath them on
//! the disks was never to be seen. A journal that a crash left dirty is
//! replayed by the kernel; otherwise nothing is written.

use crate::reply::failed;
use crate::root::{BASE, NEW_ROOT, SCRATCH};
use crate::sys;
use crate::workspace_mount::{self, BASELINE, TREE, UPPER};
use pyro_proto::messages::{Failed, Request};
use rustix::fd::AsFd;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use std::ffi::CString;
use std::fs::{DirBuilder, Permissions, set_permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const ROOT_UPPER: &str = "/scratch/root/upper";
const SKELETON: &str = "/skeleton";
/// What a machine mounts something of its own on.
const RUNTIME: [(&str, u32); 5] = [
    ("proc", 0o555),
    ("sys", 0o555),
    ("dev", 0o755),
    ("run", 0o755),
    ("tmp", 0o1777),
];
const READ: MountFlags = MountFlags::RDONLY.union(MountFlags::NOATIME);

/// Whether a request only looks.
pub fn allows(request: &Request) -> bool {
    matches!(
        request,
        Request::ListFiles(_)
            | Request::ReadFile(_)
            | Request::GetArchive(_)
            | Request::Configure(_)
            | Request::PowerOff
    )
}

/// Mounts everything below [`NEW_ROOT`].
pub fn assemble(device: &str, baseline_device: Option<&str>) -> Result<(), Failed> {
    let named = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| failed("mount", format!("{what}: {error}"))
    };
    scratch(device).map_err(named(&format!("the scratch drive {device} did not mount")))?;
    skeleton().map_err(named("the empty folders were not made"))?;
    let layers = [ROOT_UPPER, BASE, SKELETON];
    show(&layers, NEW_ROOT).map_err(named("the overlay of base and scratch did not mount"))?;
    if let Some(device) = baseline_device {
        workspace_mount::baseline(device)
            .map_err(named(&format!("the baseline drive {device} did not mount")))?;
    }
    let layers: &[&str] = match baseline_device {
        Some(_) => &[UPPER, TREE],
        None => &[UPPER],
    };
    let target = format!("{NEW_ROOT}/workspace");
    folder(&target)
        .and_then(|()| show(layers, &target))
        .map_err(named("/workspace did not mount"))?;
    for (name, _) in RUNTIME {
        let target = format!("{NEW_ROOT}/{name}");
        if folder(&target).is_ok() {
            mount_bind(format!("{SKELETON}/{name}"), target)
                .map_err(|error| named(&format!("/{name} did not mount"))(error.into()))?;
        }
    }
    Ok(())
}

fn scratch(device: &str) -> io::Result<()> {
    let node = std::fs::File::open(device)?;
    // As for a machine: the template had another image behind it.
    sys::flush_buffers(node.as_fd())?;
    std::fs::create_dir_all(SCRATCH)?;
    Ok(mount(device, SCRATCH, "ext4", READ, None)?)
}

fn skeleton() -> io::Result<()> {
    for (name, mode) in RUNTIME.iter().chain(&[("workspace", 0o755)]) {
        let path = format!("{SKELETON}/{name}");
        DirBuilder::new().recursive(true).create(&path)?;
        set_permissions(&path, Permissions::from_mode(*mode))?;
    }
    Ok(())
}

/// A link could lead the mount elsewhere.
fn folder(path: &str) -> io::Result<()> {
    if std::fs::symlink_metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(io::Error::other("it is no folder on the disk"))
    }
}

/// Shows layers as one, the first on top; those that were never made are
/// passed over.
fn show(layers: &[&str], target: &str) -> io::Result<()> {
    let there: Vec<&str> = layers
        .iter()
        .copied()
        .filter(|layer| Path::new(layer).is_dir())
        .collect();
    std::fs::create_dir_all(target)?;
    match there.as_slice() {
        [] => Ok(()),
        [only] => Ok(mount_bind(*only, target)?),
        _ => {
            // As a machine mounts them, but that renames are followed and none is made.
            let options = format!(
                "lowerdir={},redirect_dir=follow,index=off,metacopy=off,xino=auto",
                there.join(":")
            );
            let options = CString::new(options)?;
            Ok(mount("overlay", target, "overlay", READ, Some(&*options))?)
        }
    }
}

/// Takes back what [`assemble`] mounted before it failed.
pub fn undo() {
    for (name, _) in RUNTIME {
        let _ = unmount(format!("{NEW_ROOT}/{name}"), UnmountFlags::DETACH);
    }
    for at in ["/newroot/workspace", NEW_ROOT, BASELINE, SCRATCH] {
        let _ = unmount(at, UnmountFlags::DETACH);
    }
}
