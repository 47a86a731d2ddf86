//! Starts a command.
//!
//! Owns: the child's side between fork and exec, and the three pipes.
//! Refuses: inheriting anything of the agent's: signals, session, limits,
//! memory priority and descriptors are a fresh process's.
//!
//! ```text
//!   fork --> setsid, cgroup, limits, signals --> exec
//!              \-- an error comes back as spawn's
//! ```
#![allow(
    unsafe_code,
    reason = "pre_exec, and resetting signals in the child, are unsafe by their nature"
)]

use crate::cgroup::Group;
use crate::environment;
use crate::reply::failed;
use crate::role::Role;
use pyro_proto::messages::{Command as Wanted, Exec, Failed};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, getrlimit, pidfd_open, setrlimit};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// What a guest's commands get, as under systemd.
const GUEST_FILES: Rlimit = Rlimit {
    current: Some(1024),
    maximum: Some(524_288),
};

/// The limits of commands, which are not the agent's own.
#[derive(Clone, Copy)]
pub struct Limits {
    files: Rlimit,
}

impl Limits {
    /// Raises the agent's own: every command needs up to six descriptors.
    pub fn raise(role: Role) -> Self {
        let files = match role {
            Role::Guest => GUEST_FILES,
            Role::Process { .. } => getrlimit(Resource::Nofile),
        };
        let raised = Rlimit {
            current: files.maximum,
            ..files
        };
        // Where it fails a command above the old limit fails with its reason.
        let _ = setrlimit(Resource::Nofile, raised);
        Self { files }
    }
}

/// Size of a pipe in a crowd: 500 full ones of 64 KiB are 32 MiB of a small guest.
const SMALL_PIPE_BYTES: usize = 8 * 1024;

/// A started command.
pub struct Spawned {
    /// Its process, group and session.
    pub pid: Pid,
    /// Readable once it ended.
    pub pidfd: OwnedFd,
    /// Our end of its standard input, if it has one.
    pub stdin: Option<OwnedFd>,
    /// Our end of its standard output.
    pub stdout: Option<OwnedFd>,
    /// Our end of its standard error.
    pub stderr: Option<OwnedFd>,
}

impl Spawned {
    /// Makes the output pipes small. One that holds more already stays.
    pub fn shrink_pipes(&self) {
        for pipe in [&self.stdout, &self.stderr].into_iter().flatten() {
            let _ = rustix::pipe::fcntl_setpipe_size(pipe, SMALL_PIPE_BYTES);
        }
    }
}

/// Starts the command.
pub fn spawn(
    role: Role,
    limits: Limits,
    exec: &Exec,
    group: Option<&Group>,
) -> Result<Spawned, Failed> {
    let (program, arguments) = words(&exec.command)?;
    let mut command = Command::new(program);
    command.args(arguments);
    command.env_clear();
    command.envs(environment::variables(role, exec)?);
    if let Some(folder) = environment::folder(role, exec)? {
        command.env("PWD", &folder);
        command.current_dir(folder);
    }
    command.stdin(if exec.stdin {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let door = group.and_then(Group::door);
    // SAFETY: the closure makes system calls only: no allocation, no lock.
    unsafe { command.pre_exec(move || in_child(role, limits, door.as_ref())) };
    let (mut child, pid, pidfd) = self::child(&mut command, program)?;
    let ends = [
        child.stdin.take().map(OwnedFd::from),
        child.stdout.take().map(OwnedFd::from),
        child.stderr.take().map(OwnedFd::from),
    ];
    for end in ends.iter().flatten() {
        // Cannot fail for a pipe.
        let _ = rustix::io::ioctl_fionbio(end, true);
    }
    let [stdin, stdout, stderr] = ends;
    Ok(Spawned {
        pid,
        pidfd,
        stdin,
        stdout,
        stderr,
    })
}

/// Starts a prepared command: its process, and what tells its end.
pub fn child(command: &mut Command, program: &str) -> Result<(Child, Pid, OwnedFd), Failed> {
    let refused = |error: io::Error| {
        failed(
            "spawn",
            match error.kind() {
                io::ErrorKind::NotFound => format!("program `{program}` was not found"),
                _ => format!("program `{program}` did not start: {error}"),
            },
        )
    };
    let mut child = command.spawn().map_err(refused)?;
    let pid = Pid::from_child(&child);
    // Nobody waited for the child yet, so the pid is still its own.
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| {
        let _ = child.kill();
        let _ = child.wait();
        refused(error.into())
    })?;
    Ok((child, pid, pidfd))
}

fn words(command: &Wanted) -> Result<(&str, Vec<&str>), Failed> {
    match command {
        Wanted::Shell(line) => Ok(("/bin/sh", vec!["-lc", line])),
        Wanted::Argv(words) => match words.split_first() {
            Some((program, rest)) if !program.is_empty() => {
                Ok((program, rest.iter().map(String::as_str).collect()))
            }
            _ => Err(failed("bad_request", "the command is empty")),
        },
    }
}

/// Between fork and exec: only system calls, no allocation and no lock.
pub fn in_child(role: Role, limits: Limits, door: Option<&OwnedFd>) -> io::Result<()> {
    rustix::process::setsid()?;
    if let Some(door) = door {
        rustix::io::write(door, b"0")?;
    }
    // A limit that cannot be lowered again is not worth a failed command.
    let _ = setrlimit(Resource::Nofile, limits.files);
    if role == Role::Guest {
        // The agent is spared when memory runs out; a command must not be.
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC;
        let mode = rustix::fs::Mode::empty();
        if let Ok(file) = rustix::fs::open(c"/proc/self/oom_score_adj", flags, mode) {
            let _ = rustix::io::write(&file, b"0");
        }
    }
    // std empties the mask; what a launcher ignored would stay ignored.
    for signal in 1..32 {
        // SAFETY: SIG_DFL installs no code; KILL and STOP refuse it harmlessly.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    Ok(())
}
