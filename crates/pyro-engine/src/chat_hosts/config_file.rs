//! A host's configuration file: read, backed up, replaced in one step.
//!
//! ```text
//! read:   links followed by hand -> the target's bytes, mode, owner
//! write:  <name>.bak-<UTC> beside the target, synced; for one in a Git work tree,
//!         where somebody would commit it: <state>/host-backups/<folder>/<name>.bak-<UTC>
//!         temporary file beside it, same mode and owner, synced
//!         the target read again: as it was? -- no: busy, nothing written
//!         rename over the target; the folder synced
//! ```
//!
//! Whatever kills pyro in between leaves the old file or the new one; a later
//! write removes what it had staged. The newest [`KEPT_BACKUPS`] backups stay.
//!
//! Owns: these steps. Refuses: knowing what is in the file.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Hosts keep histories in these files; what is larger is something else.
const MOST_BYTES: u64 = 64 << 20;
/// Backups of one file that stay.
const KEPT_BACKUPS: usize = 5;
/// How names of files end that are not in place yet.
const STAGED: &str = ".pyro-tmp";
/// Nobody writes one for as long.
const ABANDONED: Duration = Duration::from_secs(3600);
/// As many as the kernel follows.
const MOST_LINKS: usize = 40;

/// A configuration as it was read.
pub struct ConfigFile {
    /// Where its links lead; what is written.
    target: PathBuf,
    /// Its contents, when it exists.
    pub bytes: Option<Vec<u8>>,
    /// Whether hard links lead to it, too; a write leaves them behind.
    pub has_other_names: bool,
}

/// What became of a write.
pub enum Written {
    /// It is in place, and the old one is kept here.
    Done(Option<PathBuf>),
    /// Somebody else changed it since it was read.
    Changed,
}

fn failed<'a>(action: &'a str, path: &'a Path) -> impl Fn(std::io::Error) -> Error + 'a {
    move |error| {
        let code = match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "host_config_read_only",
            _ => "host_config_io",
        };
        let hint = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "the file is as it was: make room on its disk, then run it again"
            }
            _ => {
                "make the file and its folder readable and writable for this user, or print \
                 what belongs into it: pyro host print-config HOST"
            }
        };
        Error::runtime(code, format!("cannot {action} {}: {error}", path.display()))
            .hint(hint)
            .source(error)
    }
}

/// Who may read a file that was not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Its user: hosts keep what they like in theirs, also tokens.
    Owner,
    /// Whom the umask lets.
    Umask,
}

impl ConfigFile {
    /// Reads it; a file that does not exist has no bytes.
    ///
    /// # Errors
    /// `host_config_read_only`, `host_config_io`, `host_config_kind` for
    /// what is no file, `host_config_large`.
    pub fn read(path: &Path) -> Result<Self> {
        let target = follow(path)?;
        let bytes = contents(&target)?;
        let has_other_names = fs::metadata(&target).is_ok_and(|found| found.nlink() > 1);
        Ok(Self {
            target,
            bytes,
            has_other_names,
        })
    }

    /// Replaces the contents; a file that was there is kept as a backup, below
    /// `backups` when it is in a Git work tree, and keeps its mode; a new one
    /// is for `readers`.
    ///
    /// # Errors
    /// Those of [`Self::read`]; the file is as it was.
    pub fn write(&self, bytes: &[u8], readers: Readers, backups: &Path) -> Result<Written> {
        let folder = self.target.parent().unwrap_or(Path::new("/"));
        if self.bytes.is_none() {
            fs::create_dir_all(folder).map_err(failed("create", folder))?;
        } else {
            // A rename would not ask, and whoever made it read-only had a reason.
            match rustix::fs::access(&self.target, rustix::fs::Access::WRITE_OK) {
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(failed("write", &self.target)(error.into())),
            }
        }
        let mut temporary = temporary(folder, &self.target, readers)?;
        let staged = stage(&mut temporary, &self.target, bytes);
        staged.map_err(failed("write beside", &self.target))?;
        let kept_in = self.backup_folder(folder, backups);
        let backup = match &self.bytes {
            Some(old) => Some(self.back_up(&kept_in, old)?),
            None => None,
        };
        if contents(&self.target)? != self.bytes {
            remove(backup.as_deref());
            return Ok(Written::Changed);
        }
        let renamed = match self.bytes {
            Some(_) => temporary.persist(&self.target),
            None => temporary.persist_noclobber(&self.target),
        };
        match renamed {
            Ok(_) => {}
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
                return Ok(Written::Changed);
            }
            Err(error) => {
                remove(backup.as_deref());
                return Err(failed("replace", &self.target)(error.error));
            }
        }
        // The rename is done: a folder that cannot be synced changes nothing.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        prune_staged(folder, &self.target);
        prune_staged(&kept_in, &self.target);
        prune_backups(&kept_in, &self.target);
        Ok(Written::Done(backup))
    }

    fn backup_folder(&self, folder: &Path, backups: &Path) -> PathBuf {
        let in_work_tree = || folder.ancestors().any(|above| above.join(".git").exists());
        match folder.strip_prefix("/") {
            Ok(below) if in_work_tree() => backups.join(below),
            _ => folder.to_owned(),
        }
    }

    fn back_up(&self, folder: &Path, old: &[u8]) -> Result<PathBuf> {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder);
        made.map_err(failed("create", folder))?;
        let mut temporary = temporary(folder, &self.target, Readers::Owner)?;
        let staged = stage(&mut temporary, &self.target, old);
        staged.map_err(failed("back up", &self.target))?;
        let now = time::OffsetDateTime::now_utc();
        let stamp = format!(
            "{:04}{:02}{:02}{:02}{:02}{:02}",
            now.year(),
            u8::from(now.month()),
            now.day(),
            now.hour(),
            now.minute(),
            now.second()
        );
        let name = file_name(&self.target);
        // Not the number of one that went: names are in the order of time.
        let start = format!("{name}.bak-{stamp}");
        let of_this_second = names(folder).into_iter().filter_map(|name| {
            let number = name.strip_prefix(&start)?.strip_prefix('-');
            Some(number.map_or(0, |number| number.parse().unwrap_or(0)))
        });
        let first = of_this_second.max().map_or(0, |last: u32| last + 1);
        for number in first..100 {
            let more = if number == 0 {
                String::new()
            } else {
                format!("-{number:02}")
            };
            let path = folder.join(format!("{start}{more}"));
            match temporary.persist_noclobber(&path) {
                Ok(_) => return Ok(path),
                Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
                    temporary = error.file;
                }
                Err(error) => return Err(failed("write", &path)(error.error)),
            }
        }
        Err(Error::runtime(
            "host_config_io",
            format!(
                "{} has a hundred backups of this second",
                self.target.display()
            ),
        )
        .hint("run it again"))
    }
}

fn remove(path: Option<&Path>) {
    if let Some(path) = path {
        let _ = fs::remove_file(path);
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Where links lead, also when nothing is there yet.
fn follow(path: &Path) -> Result<PathBuf> {
    let mut here = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&here) {
            Ok(found) if found.is_symlink() => {
                let link = fs::read_link(&here).map_err(failed("read the link", &here))?;
                here = here.parent().unwrap_or(Path::new("/")).join(link);
                // The shortest name for it, without the way that led there.
                if let (Some(folder), Some(name)) = (here.parent(), here.file_name())
                    && let Ok(folder) = folder.canonicalize()
                {
                    here = folder.join(name);
                }
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed("read", &here)(error));
            }
            _ => return Ok(here),
        }
    }
    Err(Error::runtime(
        "host_config_kind",
        format!("{} is a link that leads in a circle", path.display()),
    )
    .hint("remove the link, then run it again"))
}

fn contents(path: &Path) -> Result<Option<Vec<u8>>> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let shown = path.display();
    if !metadata.is_file() {
        return Err(
            Error::runtime("host_config_kind", format!("{shown} is no file"))
                .hint("move away what is there, then run it again"),
        );
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed("read", path))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Error::runtime(
            "host_config_large",
            format!("{shown} has more than {} MiB", MOST_BYTES >> 20),
        )
        .hint("no host's configuration is that large: look at what it is"));
    }
    Ok(Some(bytes))
}

fn temporary(folder: &Path, target: &Path, readers: Readers) -> Result<tempfile::NamedTempFile> {
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::Umask => 0o666,
    };
    tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(mode))
        .prefix(&format!(".{}.", file_name(target)))
        .suffix(STAGED)
        .tempfile_in(folder)
        .map_err(failed("write in the folder", folder))
}

/// Contents, mode and owner; on disk before any name leads to it.
fn stage(
    temporary: &mut tempfile::NamedTempFile,
    target: &Path,
    bytes: &[u8],
) -> std::io::Result<()> {
    temporary.write_all(bytes)?;
    if let Ok(old) = fs::metadata(target) {
        let file = temporary.as_file();
        let new = file.metadata()?;
        if new.uid() != old.uid() || new.gid() != old.gid() {
            std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()))?;
        }
        file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))?;
    }
    temporary.as_file().sync_all()
}

/// Removes what a killed pyro staged for a file.
fn prune_staged(folder: &Path, target: &Path) {
    let staged = format!(".{}.", file_name(target));
    let is_staged = |name: &&String| name.starts_with(&staged) && name.ends_with(STAGED);
    for name in names(folder).iter().filter(is_staged) {
        let path = folder.join(name);
        let age = fs::metadata(&path).and_then(|found| found.modified());
        if age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > ABANDONED)) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Leaves the newest backups of a file.
fn prune_backups(folder: &Path, target: &Path) {
    let prefix = format!("{}.bak-", file_name(target));
    let is_backup = |name: &String| name.strip_prefix(&prefix).is_some_and(is_stamp);
    let mut backups = names(folder);
    backups.retain(is_backup);
    // Names sort by time.
    backups.sort();
    for name in backups.iter().rev().skip(KEPT_BACKUPS) {
        let _ = fs::remove_file(folder.join(name));
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.collect()
}

/// `YYYYMMDDHHMMSS`, with `-NN` after the first of a second.
fn is_stamp(text: &str) -> bool {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('-') {
        Some((stamp, number)) => digits(stamp, 14) && digits(number, 2),
        None => digits(text, 14),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_wrote_meanwhile_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> = entries.map(|one| one.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let absent = ConfigFile::read(&path).unwrap();
        fs::write(&path, "theirs").unwrap();
        assert!(matches!(
            absent
                .write(b"ours", Readers::Owner, Path::new("/nowhere"))
                .unwrap(),
            Written::Changed
        ));
        let there = ConfigFile::read(&path).unwrap();
        fs::write(&path, "theirs, newer").unwrap();
        assert!(matches!(
            there
                .write(b"ours", Readers::Owner, Path::new("/nowhere"))
                .unwrap(),
            Written::Changed
        ));
        let there = ConfigFile::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(matches!(
            there
                .write(b"ours", Readers::Owner, Path::new("/nowhere"))
                .unwrap(),
            Written::Changed
        ));
        fs::write(&path, "theirs").unwrap();
        assert_eq!(names(), ["config"], "a backup of nothing is left");

        let there = ConfigFile::read(&path).unwrap();
        let Written::Done(Some(backup)) = there
            .write(b"ours", Readers::Owner, Path::new("/nowhere"))
            .unwrap()
        else {
            panic!("not written");
        };
        assert_eq!(fs::read(&path).unwrap(), b"ours");
        assert_eq!(fs::read(backup).unwrap(), b"theirs");
        assert_eq!(names().len(), 2);
    }

    #[test]
    fn nothing_is_left_for_somebody_to_commit() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (backups, below) = (root.join("state/host-backups"), root.join("app/sub"));
        fs::create_dir_all(&below).unwrap();
        fs::create_dir(root.join("app/.git")).unwrap();
        let path = below.join(".mcp.json");
        for number in 0..8 {
            fs::write(&path, number.to_string()).unwrap();
            let file = ConfigFile::read(&path).unwrap();
            let Written::Done(Some(backup)) =
                file.write(b"ours", Readers::Owner, &backups).unwrap()
            else {
                panic!("not written");
            };
            assert_eq!(fs::read(&backup).unwrap(), number.to_string().as_bytes());
        }
        assert_eq!(fs::read_dir(&below).unwrap().count(), 1);
        let kept = backups.join(below.strip_prefix("/").unwrap());
        assert_eq!(fs::read_dir(&kept).unwrap().count(), KEPT_BACKUPS);
        let mode = fs::metadata(&backups).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
        // Where they cannot be kept, nothing is written.
        let nowhere = root.join("app/sub/.mcp.json/x");
        let file = ConfigFile::read(&path).unwrap();
        let Err(error) = file.write(b"theirs", Readers::Owner, &nowhere) else {
            panic!("written");
        };
        assert!(
            error.message.starts_with("cannot create "),
            "{}",
            error.message
        );
        assert_eq!(fs::read(&path).unwrap(), b"ours");
    }

    #[test]
    fn what_a_killed_writer_staged_goes_later() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        for name in [
            "config",
            ".config.old.pyro-tmp",
            ".config.new.pyro-tmp",
            ".other.old.pyro-tmp",
        ] {
            let file = File::create(place(name)).unwrap();
            if name.contains("old") {
                let before = std::time::SystemTime::now() - 2 * ABANDONED;
                file.set_modified(before).unwrap();
            }
        }
        let there = ConfigFile::read(&place("config")).unwrap();
        there
            .write(b"ours", Readers::Owner, Path::new("/nowhere"))
            .unwrap();
        assert!(!place(".config.old.pyro-tmp").exists());
        assert!(place(".config.new.pyro-tmp").exists());
        assert!(place(".other.old.pyro-tmp").exists());
    }

    #[test]
    fn only_stamps_are_backups_of_ours() {
        assert!(is_stamp("20261121195957") && is_stamp("20261121195957-01"));
        for other in [
            "",
            "2026112119595",
            "2026112119595x",
            "20261121195957-1",
            "mine",
        ] {
            assert!(!is_stamp(other), "{other}");
        }
    }
}
