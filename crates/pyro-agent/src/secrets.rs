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
    let total = wanted.files.iter().map(|file| file.size).sum();
    let mut values = Contents::new(stream, total);
    fill_and_exchange(wanted, &mut values, Path::new(SECRETS_FOLDER))
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

fn fill_and_exchange(wanted: &InstallSecrets, values: &mut impl Read, at: &Path) -> io::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let staging = at.with_file_name(format!(".pyro-secrets-{number}"));
    remove(&staging)?;
    mkdirat(CWD, &staging, Mode::RWXU)?;
    let done = fill(wanted, values, &staging).and_then(|()| {
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

fn fill(wanted: &InstallSecrets, values: &mut impl Read, staging: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(CWD, staging, flags, Mode::empty())?;
    in_memory(&folder)?;
    for wanted in &wanted.files {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&folder, &wanted.name, flags, Mode::RUSR | Mode::WUSR)?;
        let mut value = vec![0; usize::try_from(wanted.size).unwrap_or_default()];
        values.read_exact(&mut value)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use pyro_proto::messages::secrets::SecretFile;

    fn wanted(files: &[(&str, u64)]) -> InstallSecrets {
        let file = |&(name, size): &(&str, u64)| SecretFile {
            name: name.to_owned(),
            size,
        };
        InstallSecrets {
            files: files.iter().map(file).collect(),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let listed = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = listed
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn exactly_the_wanted_files_are_there_whatever_was_before() {
        use std::os::unix::fs::PermissionsExt;
        let run = tempfile::tempdir_in("/dev/shm").unwrap();
        let (at, elsewhere) = (run.path().join("secrets"), run.path().join("elsewhere"));
        std::fs::create_dir(&elsewhere).unwrap();
        let install = |files: &[(&str, u64)], values: &[u8]| {
            fill_and_exchange(&wanted(files), &mut &*values, &at).unwrap();
        };
        install(&[("A", 2), ("B", 3)], b"aabbb");
        assert_eq!(names(&at), ["A", "B"]);
        assert_eq!(std::fs::read(at.join("B")).unwrap(), b"bbb");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&at), mode(&at.join("A"))), (0o700, 0o600));
        // A process of the guest leaves more, a link, a file.
        std::fs::create_dir_all(at.join("more/and/more")).unwrap();
        install(&[("C", 1)], b"c");
        assert_eq!(names(&at), ["C"]);
        std::fs::remove_dir_all(&at).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &at).unwrap();
        install(&[("A", 1)], b"a");
        assert!(at.symlink_metadata().unwrap().is_dir() && names(&elsewhere).is_empty());
        std::fs::remove_dir_all(&at).unwrap();
        std::fs::write(&at, "a file").unwrap();
        install(&[], b"");
        assert_eq!((names(&at).len(), names(run.path()).len()), (0, 2));
    }

    #[test]
    fn a_disk_and_a_host_that_leaves_get_nothing() {
        let folder = |path: &str| OwnedFd::from(File::open(path).unwrap());
        let refused = in_memory(&folder("/proc")).unwrap_err();
        assert!(refused.to_string().contains("no tmpfs"), "{refused}");
        in_memory(&folder("/dev/shm")).unwrap();
        let run = tempfile::tempdir_in("/dev/shm").unwrap();
        let at = run.path().join("secrets");
        fill_and_exchange(&wanted(&[("A", 2), ("B", 2)]), &mut &b"aab"[..], &at).unwrap_err();
        assert_eq!(names(run.path()), [""; 0]);
    }

    #[test]
    fn names_and_sizes_are_bounded() {
        let many: Vec<_> = (0..=MAX_SECRETS).map(|n| format!("N{n}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), 1)).collect();
        for files in [
            &[("../A", 1)][..],
            &[("", 1)],
            &[("A/B", 1)],
            &[("A", MAX_SECRET_BYTES as u64 + 1)],
            &[("A", 1), ("A", 1)],
            &many,
        ] {
            assert_eq!(check(&wanted(files)).unwrap_err().code, "bad_request");
        }
        assert!(check(&wanted(&[("A", 0), ("_b9", 1)])).is_ok());
    }
}
