//! The workspace's secrets as files in memory.
//!
//! ```text
//!   /run/.pyro-secrets-N (0700, filled) --exchange--> /run/pyro-secrets
//!                                       --the old one goes
//! ```
//!
//! Owns: that they appear together, and that no disk gets them. Refuses: a
//! `/run` that is no tmpfs, and an agent without a machine, whose `/run` is
//! the host's. A guest that put something else under the name loses that; a
//! link there is replaced, never followed.

use crate::files::Contents;
use crate::machine::{Machine, Phase};
use crate::reply::failed;
use crate::role::Role;
use pyro_proto::Stream;
use pyro_proto::messages::secrets::{
    InstallSecrets, MAX_SECRET_BYTES, MAX_SECRETS, SECRETS_FOLDER, is_secret_name,
};
use pyro_proto::messages::{Failed, LEAVING};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, fstatfs, mkdirat, openat, renameat_with};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const TMPFS_MAGIC: i64 = 0x0102_1994;

/// Carries the request out.
pub fn install(machine: &Machine, wanted: &InstallSecrets, stream: &Stream) -> Result<(), Failed> {
    match (*machine.phase(), machine.role) {
        (_, Role::Process { .. }) => {
            let message = "an agent without a machine takes no secrets: they would be the host's";
            return Err(failed("bad_request", message));
        }
        (Phase::Leaving, _) => return Err(failed(LEAVING, "the machine is powering off")),
        (Phase::Fresh | Phase::Configuring, _) => {
            let message = "the guest was not configured yet";
            return Err(failed("not_configured", message));
        }
        _ => {}
    }
    check(wanted)?;
    fill_and_exchange(wanted, stream, Path::new(SECRETS_FOLDER))
        .map_err(|error| failed("internal", format!("secrets in {SECRETS_FOLDER}: {error}")))
}

fn check(wanted: &InstallSecrets) -> Result<(), Failed> {
    let refused = |why: String| Err(failed("bad_request", why));
    if wanted.files.len() > MAX_SECRETS {
        return refused(format!("{} secrets are too many", wanted.files.len()));
    }
    for (at, file) in wanted.files.iter().enumerate() {
        if !is_secret_name(&file.name) || file.size > MAX_SECRET_BYTES as u64 {
            return refused(format!(
                "secret {:?} of {} bytes is not allowed",
                file.name, file.size
            ));
        }
        if wanted.files[..at]
            .iter()
            .any(|other| other.name == file.name)
        {
            return refused(format!("secret {} is named twice", file.name));
        }
    }
    Ok(())
}

fn fill_and_exchange(wanted: &InstallSecrets, stream: &Stream, at: &Path) -> io::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let staging = at.with_file_name(format!(".pyro-secrets-{number}"));
    remove(&staging)?;
    mkdirat(CWD, &staging, Mode::RWXU)?;
    let done = fill(wanted, stream, &staging).and_then(|()| {
        match renameat_with(CWD, &staging, CWD, at, RenameFlags::EXCHANGE) {
            Err(Errno::NOENT) => Ok(renameat_with(
                CWD,
                &staging,
                CWD,
                at,
                RenameFlags::NOREPLACE,
            )?),
            other => Ok(other?),
        }
    });
    // What was there before, or what was begun in vain.
    let removed = remove(&staging);
    done.and(removed)
}

fn fill(wanted: &InstallSecrets, stream: &Stream, staging: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(CWD, staging, flags, Mode::empty())?;
    in_memory(&folder)?;
    let total = wanted.files.iter().map(|file| file.size).sum();
    let mut contents = Contents::new(stream, total);
    for wanted in &wanted.files {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&folder, &wanted.name, flags, Mode::RUSR | Mode::WUSR)?;
        let mut value = vec![0; usize::try_from(wanted.size).unwrap_or_default()];
        contents.read_exact(&mut value)?;
        File::from(file).write_all(&value)?;
    }
    Ok(())
}

/// A disk would keep what is removed.
fn in_memory(folder: &OwnedFd) -> io::Result<()> {
    if fstatfs(folder)?.f_type == TMPFS_MAGIC {
        return Ok(());
    }
    Err(io::Error::other("/run is no tmpfs any more"))
}

/// Whatever it is; links are removed, not followed.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
