//! A control group of its own for each VMM.
//!
//! Owns: `/sys/fs/cgroup/pyro/<name>` with a bound on memory and processes,
//! and removing it. Refuses: hosts without the unified hierarchy (version 2)
//! and users who may not make groups; then there is no bound, and
//! [`survey`] says why.
//!
//! ```text
//! /sys/fs/cgroup/pyro/           made once, stays
//! `- vm-<pid>-<serial>/          one per VMM, removed at its end
//! ```
//!
//! A group that a killed pyro left is empty, since its VMM ended with it, and
//! the next start removes it.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

const ROOT: &str = "/sys/fs/cgroup";
const CONTROLLERS: &str = "+memory +pids";
/// How long the last threads of a VMM may take to leave its group.
const LEAVING: Duration = Duration::from_secs(1);
/// A group may be empty because its VMM has not entered it yet.
const LEFT_BEHIND_AFTER: Duration = Duration::from_secs(60);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// How much a VMM may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory in bytes: the guest's and the VMM's own.
    pub memory_max_bytes: u64,
    /// Processes and threads.
    pub pids_max: u32,
}

/// A group; removed when dropped, which must be after its processes' end.
#[derive(Debug)]
pub(super) struct Group {
    path: PathBuf,
    /// A process that writes `0` here enters the group.
    pub(super) procs: File,
}

/// Why no group can be made here; none when it can.
#[must_use]
pub fn survey() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root makes control groups".into());
    }
    let controllers = match std::fs::read_to_string(Path::new(ROOT).join("cgroup.controllers")) {
        Ok(text) => text,
        Err(_) => return Some(format!("{ROOT} is not a cgroup version 2 hierarchy")),
    };
    let missing = ["memory", "pids"]
        .into_iter()
        .find(|name| !controllers.split_whitespace().any(|word| word == *name));
    if let Some(name) = missing {
        return Some(format!("{ROOT} has no {name} controller"));
    }
    let writable = rustix::fs::access(ROOT, rustix::fs::Access::WRITE_OK).is_ok();
    (!writable).then(|| format!("{ROOT} is not writable"))
}

impl Group {
    /// None where [`survey`] has a reason.
    pub(super) fn create(limits: Limits) -> io::Result<Option<Self>> {
        if survey().is_some() {
            return Ok(None);
        }
        let above = Path::new(ROOT).join("pyro");
        match std::fs::create_dir(&above) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        for folder in [Path::new(ROOT), &above] {
            std::fs::write(folder.join("cgroup.subtree_control"), CONTROLLERS)?;
        }
        sweep(&above);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = above.join(format!("vm-{}-{serial}", std::process::id()));
        std::fs::create_dir(&path)?;
        let group = Self::bounded(&path, limits);
        if group.is_err() {
            let _ = std::fs::remove_dir(&path);
        }
        group.map(Some)
    }

    fn bounded(path: &Path, limits: Limits) -> io::Result<Self> {
        let set = |name: &str, value: String| {
            File::options()
                .write(true)
                .open(path.join(name))?
                .write_all(value.as_bytes())
        };
        set("memory.max", limits.memory_max_bytes.to_string())?;
        set("pids.max", limits.pids_max.to_string())?;
        // One guest's memory is one thing: half a VMM is of no use.
        set("memory.oom.group", "1".into())?;
        Ok(Self {
            path: path.to_owned(),
            procs: File::options()
                .write(true)
                .open(path.join("cgroup.procs"))?,
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Threads of the VMM may be on their way out of it for a moment after
        // their process has ended. What is left then, the next start removes.
        let deadline = Instant::now() + LEAVING;
        while std::fs::remove_dir(&self.path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy)
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn sweep(above: &Path) {
    let now = SystemTime::now();
    for entry in std::fs::read_dir(above).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let made = SystemTime::UNIX_EPOCH
            + Duration::from_secs(u64::try_from(metadata.ctime()).unwrap_or(0));
        let old = now
            .duration_since(made)
            .is_ok_and(|age| age > LEFT_BEHIND_AFTER);
        if metadata.is_dir() && old {
            // The kernel refuses to remove one that is in use.
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}
