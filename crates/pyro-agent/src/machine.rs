//! The machine as its requests see it.
//!
//! Owns: the phase, and what requests share. Refuses: serving; requests come
//! from [`crate::server`].
//!
//! ```text
//!   Fresh --configure--> Configuring --ok--> Ready --power-off--> Leaving
//!     ^                      `--failed--.
//!     `----------------------------------'
//! ```

use crate::activity::Activity;
use crate::cgroup::Cgroups;
use crate::dial::Dials;
use crate::role::Role;
use crate::spawn::Limits;
use rustix::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the machine is ready for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not configured.
    Fresh,
    /// A configure is under way.
    Configuring,
    /// Commands may run.
    Ready,
    /// A power-off is under way.
    Leaving,
}

/// Everything requests share.
pub struct Machine {
    /// Whether there is a machine.
    pub role: Role,
    /// Where commands' processes are grouped.
    pub cgroups: Cgroups,
    /// Limits commands get.
    pub limits: Limits,
    /// The scratch file system's root, kept for after the change of root.
    pub scratch: Mutex<Option<OwnedFd>>,
    /// The root of what the workspace began with; none when that is nothing.
    pub baseline: Mutex<Option<OwnedFd>>,
    /// Whether its disks are only shown.
    pub reader: AtomicBool,
    /// The requests under way.
    pub activity: Arc<Activity>,
    /// The connections to its ports.
    pub dials: Dials,
    /// Below which folder requests about files are carried out.
    pub workspace: Option<PathBuf>,
    phase: Mutex<Phase>,
    /// Whether a command ever ran, so that there may be something to kill.
    pub started: AtomicBool,
}

impl Machine {
    /// A machine that was not configured yet.
    pub fn new(role: Role, workspace: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self {
            role,
            workspace,
            cgroups: Cgroups::default(),
            limits: Limits::raise(role),
            scratch: Mutex::new(None),
            baseline: Mutex::new(None),
            phase: Mutex::new(Phase::Fresh),
            reader: AtomicBool::new(false),
            activity: Arc::default(),
            dials: Dials::default(),
            started: AtomicBool::new(false),
        })
    }

    /// The phase, to look at or to change.
    pub fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
