//! A view of the host in which `/workspace` exists.
//!
//! Owns: building it inside the mount namespace the launcher made. Refuses:
//! to go on after any failed step, since commands would then run in the
//! host's own `/workspace`.
//!
//! ```text
//!   tmpfs  /            every entry of the host's / bound here, except
//!     /workspace /tmp   own tmpfs
//!     /proc             own, where the kernel permits it
//! ```

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change,
    unmount,
};
use std::fs::{DirEntry, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Where the new root is built; the view has its own there afterwards, so
/// hiding the host's takes nothing away.
const BUILD: &str = "/tmp";
const OWN: [&str; 3] = ["workspace", "tmp", "proc"];

/// Builds the view and enters it.
pub fn build() -> Result<(), String> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    step("making mounts private", mount_change("/", private))?;
    let data = MountFlags::NOSUID | MountFlags::NODEV;
    let root = mount("tmpfs", BUILD, "tmpfs", data, Some(c"mode=0755"));
    step("mounting the new root", root)?;
    let entries = std::fs::read_dir("/").map_err(|error| format!("reading /: {error}"))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !OWN.iter().any(|own| name == *own) {
            let bound = bind(&entry);
            bound.map_err(|error| format!("binding /{}: {error}", name.display()))?;
        }
    }
    for (name, mode) in [("workspace", c"mode=0755"), ("tmp", c"mode=1777")] {
        let target = Path::new(BUILD).join(name);
        step("making a folder", std::fs::create_dir(&target))?;
        let mounted = mount("tmpfs", &target, "tmpfs", data, Some(mode));
        step(&format!("mounting /{name}"), mounted)?;
    }
    step("mounting /proc", proc(&Path::new(BUILD).join("proc")))?;
    step("entering the new root", enter())
}

fn step<E: std::fmt::Display>(what: &str, done: Result<(), E>) -> Result<(), String> {
    done.map_err(|error| format!("{what}: {error}"))
}

fn bind(entry: &DirEntry) -> io::Result<()> {
    let target = Path::new(BUILD).join(entry.file_name());
    let kind = entry.file_type()?;
    if kind.is_symlink() {
        return symlink(std::fs::read_link(entry.path())?, target);
    }
    if kind.is_dir() {
        std::fs::create_dir(&target)?;
    } else {
        File::create(&target)?;
    }
    Ok(mount_bind_recursive(entry.path(), target)?)
}

fn proc(target: &Path) -> io::Result<()> {
    std::fs::create_dir(target)?;
    let strict = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    match mount("proc", target, "proc", strict, None) {
        // A container with parts of /proc hidden permits no new one.
        Err(rustix::io::Errno::PERM) => Ok(mount_bind_recursive("/proc", target)?),
        done => Ok(done?),
    }
}

fn enter() -> io::Result<()> {
    std::env::set_current_dir(BUILD)?;
    // The old root goes on top of the new one and is taken off again: no
    // folder is needed for it.
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")
}
