//! Runs a program so that it cannot outlive, see or become more than it must.
//!
//! Owns: namespaces, identity, file view, inherited descriptors and the
//! lifeline. Refuses: knowing what the program is.
//!
//! ```text
//!   pyro ---- lifeline (pipe) ----.
//!    `- waiter                    |   outside the PID namespace: hands the exit code on
//!        `- init (pid 1) <--------'   ends when the lifeline closes or the program ends;
//!            `- program               the kernel then kills all that is left in the namespace
//! ```
//!
//! Whatever ends pyro, also SIGKILL, closes the lifeline. The parent-death
//! signal is a second line only: it is lost when the identity changes and it
//! follows the thread that forked, not the process.

mod calls;
mod cgroup;
mod child;
mod jail;
mod step;
mod view;

pub use cgroup::{Limits, survey as survey_cgroups};
pub use jail::{Jail, MOMENTARY_PREFIX};
pub use view::View;

use crate::error::VmmError;
use crate::serial::SerialLog;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How much of the confinement is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As the next, and Firecracker's own jailer in between, which changes
    /// the identity and the root folder.
    Jailer,
    /// Own PID, mount, network, IPC namespaces, made by root; an unprivileged
    /// identity of its own.
    RootNamespaces,
    /// The same in a user namespace, made by an ordinary user.
    UserNamespaces,
    /// No namespaces can be made here: lifeline, no new privileges and the
    /// program's own sandbox only.
    LifelineOnly,
}

impl Level {
    /// As in payloads and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jailer => "jailer",
            Self::RootNamespaces => "root_namespaces",
            Self::UserNamespaces => "user_namespaces",
            Self::LifelineOnly => "lifeline_only",
        }
    }
}

/// What to run.
pub struct Launch<'a> {
    /// Path of the program.
    pub program: &'a Path,
    /// Its arguments.
    pub args: &'a [OsString],
    /// Its whole environment.
    pub env: &'a [(OsString, OsString)],
    /// Descriptors it inherits under their own numbers.
    pub inherit: &'a [BorrowedFd<'a>],
    /// Which network it sees.
    pub network: Network<'a>,
    /// Which files it sees.
    pub view: View<'a>,
    /// Who it is.
    pub identity: Identity,
    /// Acceptable levels, the best first; those for root are passed over by others.
    pub levels: &'a [Level],
    /// Bounds, where the host can enforce them.
    pub limits: Option<Limits>,
    /// Whether its stdout is kept (as [`Confined::stdout`]); /dev/null otherwise.
    pub keep_stdout: bool,
}

/// Which network a program sees.
#[derive(Clone, Copy, Debug)]
pub enum Network<'a> {
    /// One of its own, with nothing in it.
    Own,
    /// The host's.
    Host,
    /// One that another process made in a user namespace of its own.
    Joined {
        /// That user namespace, which an ordinary user has to enter first.
        user: BorrowedFd<'a>,
        /// The network namespace.
        net: BorrowedFd<'a>,
    },
}

/// Who a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Without privileges; under root a user no account has.
    Unprivileged,
    /// Root inside a user namespace of its own, so that it may mount; outside
    /// of it nobody, also when root starts it with root's namespaces.
    NamespaceRoot,
    /// Root until it has become this user by itself.
    Jailed(u32),
}

/// A running program and its lifeline. Dropping it ends the program.
pub struct Confined {
    child: Child,
    lifeline: Option<OwnedFd>,
    /// What is in force.
    pub level: Level,
    /// The last part of its stderr.
    pub stderr: SerialLog,
    /// The last part of its stdout, if that is kept.
    pub stdout: SerialLog,
    /// After the child in the order of drops: it has to be empty.
    group: Option<cgroup::Group>,
}

/// Identities given to VMMs by root: no account has them, no two live VMMs of
/// one pyro process share one.
const FIRST_VMM_UID: u32 = 1_000_000_000;
static NEXT_VMM: AtomicU32 = AtomicU32::new(0);

/// An identity for a VMM.
pub(crate) fn fresh_uid() -> u32 {
    let serial = NEXT_VMM.fetch_add(1, Ordering::Relaxed) % 64;
    FIRST_VMM_UID + std::process::id() % (1 << 22) * 64 + serial
}

impl Launch<'_> {
    /// Starts it, at the highest level this user and host allow.
    ///
    /// # Errors
    /// [`VmmError::Confinement`] when a needed level cannot be had,
    /// [`VmmError::Io`] when the program cannot be executed.
    pub fn start(&self) -> Result<Confined, VmmError> {
        let root = rustix::process::geteuid().is_root();
        let mut refused = Vec::new();
        for &level in self.levels {
            if !root && matches!(level, Level::Jailer | Level::RootNamespaces) {
                continue;
            }
            match self.start_at(level) {
                Ok(confined) => return Ok(confined),
                Err(error) if is_refusal(&error) => refused.push(format!("{level:?}: {error}")),
                Err(error) => {
                    return Err(VmmError::io(format!("run {}", self.program.display()))(
                        error,
                    ));
                }
            }
        }
        Err(VmmError::Confinement(refused.join("; ")))
    }

    fn start_at(&self, level: Level) -> io::Result<Confined> {
        let (read_end, lifeline) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        // A bound that cannot be had is no reason to run nothing.
        let group = self
            .limits
            .and_then(|limits| match cgroup::Group::create(limits) {
                Ok(group) => group,
                Err(error) => {
                    tracing::warn!("the VMM runs without bounds: {error}");
                    None
                }
            });
        let plan = child::Plan::new(
            level,
            self,
            read_end.as_raw_fd(),
            group.as_ref().map(|group| group.procs.as_raw_fd()),
        )?;
        let mut command = Command::new(self.program);
        command
            .args(self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(if self.keep_stdout {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stderr(Stdio::piped());
        #[allow(unsafe_code)]
        // SAFETY: the plan holds everything the child needs, built before the
        // fork; `enter` makes system calls only and allocates nothing.
        unsafe {
            command.pre_exec(move || plan.enter());
        }
        let mut child = command.spawn()?;
        let follow = |pipe: Option<OwnedFd>| {
            pipe.map_or_else(SerialLog::default, |pipe| {
                SerialLog::follow(File::from(pipe))
            })
        };
        let stderr = follow(child.stderr.take().map(OwnedFd::from));
        let stdout = follow(child.stdout.take().map(OwnedFd::from));
        Ok(Confined {
            child,
            lifeline: Some(lifeline),
            level,
            stderr,
            stdout,
            group,
        })
    }
}

/// Whether another level may still succeed: the kernel or its policy said no
/// to a namespace, a mapping or a mount.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EPERM
                | libc::EINVAL
                | libc::ENOSPC
                | libc::EUSERS
                | libc::ENOSYS
                | libc::EOPNOTSUPP
        )
    )
}

impl Confined {
    /// Waits for the end; `None` when it still runs after `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Option<i32> {
        let deadline = Instant::now() + timeout;
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(code(status));
        }
        let pid = rustix::process::Pid::from_child(&self.child);
        let handle = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [rustix::event::PollFd::new(
                &handle,
                rustix::event::PollFlags::IN,
            )];
            let wait = rustix::event::Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            match rustix::event::poll(&mut fds, Some(&wait)) {
                Ok(0) => return None,
                Err(rustix::io::Errno::INTR) => {}
                _ => return self.child.wait().ok().map(code),
            }
        }
    }

    /// Ends it and waits until the whole namespace is gone.
    pub fn kill(&mut self) -> i32 {
        drop(self.lifeline.take());
        let code = self.child.wait().map_or(-1, code);
        drop(self.group.take());
        code
    }

    /// Tells the end of the program: it is readable then.
    ///
    /// # Errors
    /// [`VmmError::Io`].
    pub fn end_handle(&self) -> Result<OwnedFd, VmmError> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
            .map_err(|error| VmmError::io("watch the VMM")(error.into()))
    }

    /// Host ids of the program and what stands above it, the program first.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let mut pids = vec![self.child.id()];
        // Waiter, init, program; what the program started is not ours to name.
        while pids.len() < 3
            && let Some(below) = pids.last().and_then(|pid| only_child(*pid))
        {
            pids.push(below);
        }
        pids.reverse();
        pids
    }
}

fn only_child(pid: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn code(status: std::process::ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

impl Drop for Confined {
    fn drop(&mut self) {
        self.kill();
    }
}
