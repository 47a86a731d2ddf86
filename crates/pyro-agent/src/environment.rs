//! Variables and working folder of a command.
//!
//! Owns: the guest's default environment. Refuses: names that no environment
//! can hold, before anything is started.

use crate::reply::failed;
use crate::role::Role;
use crate::trust;
use pyro_proto::messages::{Exec, Failed};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const WORKSPACE: &str = "/workspace";

/// All variables of the command.
pub fn variables(role: Role, exec: &Exec) -> Result<Vec<(OsString, OsString)>, Failed> {
    let mut all: Vec<(OsString, OsString)> = match role {
        Role::Guest => defaults()
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .chain(
                trust::variables()
                    .into_iter()
                    .map(|(name, value)| (name.into(), value.into())),
            )
            .collect(),
        // The launcher chose it, so HOME and the like are its own.
        Role::Process { .. } => std::env::vars_os().collect(),
    };
    for (name, value) in &exec.env {
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = format!("`{}` is no name for a variable", name.escape_debug());
            return Err(failed("bad_request", message));
        }
        if value.contains('\0') {
            let message = format!("the value of variable {name} holds a zero byte");
            return Err(failed("bad_request", message));
        }
        all.push((name.into(), value.into()));
    }
    Ok(all)
}

fn defaults() -> [(&'static str, &'static str); 8] {
    let shell = if Path::new("/bin/bash").exists() {
        "/bin/bash"
    } else {
        "/bin/sh"
    };
    [
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("SHELL", shell),
        ("PATH", PATH),
        ("LANG", "C.UTF-8"),
        // Output goes to pipes: no program should draw, and none should
        // complain that it does not know the terminal, as it does without TERM.
        ("TERM", "dumb"),
        ("PWD", WORKSPACE),
    ]
}

/// The folder the command starts in; made when it is missing.
pub fn folder(role: Role, exec: &Exec) -> Result<Option<PathBuf>, Failed> {
    let wanted = match (&exec.cwd, role) {
        (Some(cwd), _) => cwd.as_str(),
        (None, Role::Process { workspace: false }) => return Ok(None),
        (None, _) => WORKSPACE,
    };
    let path = PathBuf::from(wanted);
    let refused = |why: &str| failed("cwd", format!("working folder {wanted}: {why}"));
    if wanted.is_empty() || wanted.contains('\0') {
        return Err(refused("is no path"));
    }
    std::fs::create_dir_all(&path).map_err(|error| refused(&error.to_string()))?;
    Ok(Some(path))
}
