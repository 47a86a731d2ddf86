//! Starts the shell on its terminal.
//!
//! Owns: which program, its variables and folder, the controlling terminal.
//! Refuses: making the folder; a shell is opened where something is.
#![allow(unsafe_code, reason = "pre_exec is unsafe by its nature")]

use super::terminal::Terminal;
use crate::cgroup::Group;
use crate::machine::Machine;
use crate::reply::failed;
use crate::role::Role;
use crate::{environment, spawn};
use pyro_proto::messages::shells::OpenShell;
use pyro_proto::messages::{Command as Wanted, Exec, Failed};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, ioctl_tiocsctty};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

const BASH: &str = "/bin/bash";
const FOLDER: &str = "/workspace";

/// A shell that runs.
pub struct Started {
    /// Its process, session and group.
    pub pid: Pid,
    /// Readable once it ended.
    pub pidfd: OwnedFd,
}

/// Starts it.
pub fn start(
    machine: &Machine,
    wanted: &OpenShell,
    terminal: &Terminal,
    group: Option<&Group>,
) -> Result<Started, Failed> {
    let (program, flags): (&str, &[&str]) = if Path::new(BASH).exists() {
        (BASH, &["--noprofile", "--norc", "-i"])
    } else {
        ("/bin/sh", &["-i"])
    };
    let mut command = Command::new(program);
    command.args(flags).env_clear();
    for (name, value) in variables(machine.role, wanted)? {
        command.env(name, value);
    }
    if let Some(folder) = folder(machine.role, wanted)? {
        command.env("PWD", folder).current_dir(folder);
    }
    let slave = || {
        let slave = terminal.slave.as_ref().map(OwnedFd::try_clone);
        slave
            .transpose()
            .ok()
            .flatten()
            .map(Stdio::from)
            .ok_or_else(|| failed("internal", "no descriptor for a shell's terminal"))
    };
    command.stdin(slave()?).stdout(slave()?).stderr(slave()?);
    let (role, limits) = (machine.role, machine.limits);
    let door = group.and_then(Group::door);
    // SAFETY: the closure makes system calls only: no allocation, no lock.
    unsafe {
        command.pre_exec(move || {
            spawn::in_child(role, limits, door.as_ref())?;
            // The session is new, and standard input is the terminal already.
            Ok(ioctl_tiocsctty(rustix::stdio::stdin())?)
        });
    }
    let (_, pid, pidfd) = spawn::child(&mut command, program)?;
    Ok(Started { pid, pidfd })
}

/// As a command's, and those that make a plain shell of it: a prompt that is
/// known, nothing run before it, no history on the disk.
fn variables(
    role: Role,
    wanted: &OpenShell,
) -> Result<Vec<(std::ffi::OsString, std::ffi::OsString)>, Failed> {
    let as_command = Exec {
        command: Wanted::Argv(Vec::new()),
        env: wanted.env.clone(),
        cwd: None,
        timeout_ms: None,
        stdin: true,
        time_unix_ns: wanted.time_unix_ns,
    };
    let mut all = environment::variables(role, &as_command)?;
    for (name, value) in [
        ("TERM", "xterm-256color"),
        ("PS1", "pyro$ "),
        ("PROMPT_COMMAND", ""),
        ("HISTFILE", ""),
    ] {
        if !wanted.env.contains_key(name) {
            all.push((name.into(), value.into()));
        }
    }
    Ok(all)
}

fn folder(role: Role, wanted: &OpenShell) -> Result<Option<&str>, Failed> {
    let folder = match (&wanted.cwd, role) {
        (Some(cwd), _) => cwd.as_str(),
        (None, Role::Process { workspace: false }) => return Ok(None),
        (None, _) => FOLDER,
    };
    let refused = |why: &str| failed("cwd", format!("working folder {folder}: {why}"));
    if folder.is_empty() || folder.contains('\0') {
        return Err(refused("is no path"));
    }
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(Some(folder)),
        Ok(_) => Err(refused("is no folder")),
        Err(error) => Err(refused(&error.to_string())),
    }
}
