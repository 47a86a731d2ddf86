//! One cgroup per command, where the guest has cgroup v2.
//!
//! Owns: `/sys/fs/cgroup/pyro/exec-N`, so that a deadline also reaches a
//! process that left its group with setsid. Refuses: limits and controllers,
//! and a host's cgroups, which are not this agent's.
//!
//! ```text
//!   pyro/            kill_all(): one write ends every command
//!     exec-1/        Group::kill()
//!     exec-2/        removed once empty, at the end of a later command
//! ```

use rustix::fd::OwnedFd;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

const FOLDER: &str = "/sys/fs/cgroup/pyro";

/// The commands' cgroups, if there are any.
#[derive(Default)]
pub struct Cgroups {
    ready: OnceLock<()>,
    next: AtomicU64,
    /// Cgroups of finished commands that had processes left in them.
    populated: Arc<Mutex<Vec<PathBuf>>>,
}

/// One command's cgroup.
pub struct Group {
    path: PathBuf,
    populated: Arc<Mutex<Vec<PathBuf>>>,
}

impl Cgroups {
    /// Starts to use them, if the kernel can end a whole one (5.14).
    pub fn set_up(&self) {
        let made = std::fs::create_dir_all(FOLDER).is_ok();
        if made && Path::new(FOLDER).join("cgroup.kill").exists() {
            let _ = self.ready.set(());
        }
    }

    /// A new one; none where there are no cgroups.
    pub fn create(&self) -> Option<Group> {
        self.ready.get()?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(FOLDER).join(format!("exec-{number}"));
        std::fs::create_dir(&path).ok()?;
        Some(Group {
            path,
            populated: self.populated.clone(),
        })
    }

    /// Ends every process of every command.
    pub fn kill_all(&self) {
        if self.ready.get().is_some() {
            let _ = std::fs::write(Path::new(FOLDER).join("cgroup.kill"), "1");
        }
    }
}

impl Group {
    /// Where a process enters by writing its pid.
    pub fn door(&self) -> Option<OwnedFd> {
        let file = File::options()
            .write(true)
            .open(self.path.join("cgroup.procs"));
        file.ok().map(OwnedFd::from)
    }

    /// Whether a process is in it; one that ended is not.
    pub fn is_populated(&self) -> bool {
        std::fs::read_to_string(self.path.join("cgroup.events"))
            .is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
    }

    /// Its processes at this moment.
    pub fn processes(&self) -> Vec<i32> {
        let listed = std::fs::read_to_string(self.path.join("cgroup.procs"));
        let listed = listed.unwrap_or_default();
        listed.lines().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Ends every process in it.
    pub fn kill(&self) {
        let _ = std::fs::write(self.path.join("cgroup.kill"), "1");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut populated = self
            .populated
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        populated.push(std::mem::take(&mut self.path));
        // A populated one cannot be removed; it is tried again at a later end.
        populated.retain(|path| std::fs::remove_dir(path).is_err() && path.exists());
    }
}
