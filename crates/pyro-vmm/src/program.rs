//! Programs on this host that pyro starts.
//!
//! Owns: where one is looked for, what tells one file from another without
//! running it, and asking one a short question with a deadline. Refuses:
//! folders of PATH that are not absolute (an empty entry means the current
//! folder, and that may be anybody's project), and running a VMM.
//!
//! ```text
//!   variable set? --yes--> that file, or an error that names the variable
//!        | no
//!   PATH: first executable file
//!        | none
//!   the fallback, where there is one
//!        | none
//!   missing
//! ```

use crate::error::VmmError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// More than any answer pyro asks for.
const LONGEST_ANSWER: u64 = 64 << 10;

/// What is looked for, and where.
pub(crate) struct Lookup<'a> {
    /// Name of the program.
    pub program: &'static str,
    /// Environment variable that names the file.
    pub variable: &'static str,
    /// A file to take when PATH has none.
    pub fallback: Option<&'a Path>,
}

/// A program that was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Located {
    /// Its path as it was named, links and all.
    pub named: PathBuf,
    /// Its path, links resolved.
    pub path: PathBuf,
    /// As [`identity`] has it.
    pub identity: String,
}

impl Lookup<'_> {
    /// Looks, with this process's environment variables.
    pub fn find(&self) -> Result<Located, VmmError> {
        let named = std::env::var_os(self.variable).filter(|value| !value.is_empty());
        let path = std::env::var_os("PATH").unwrap_or_default();
        self.find_in(named.map(PathBuf::from), &path)
    }

    /// Looks, with given ones.
    pub fn find_in(&self, named: Option<PathBuf>, path: &OsStr) -> Result<Located, VmmError> {
        if let Some(named) = named {
            return match locate(&named, Some(self.variable)) {
                Ok(located) => Ok(located),
                Err(None) => Err(VmmError::Missing {
                    program: self.program,
                    looked_at: Some(named),
                }),
                Err(Some(error)) => Err(error),
            };
        }
        let missing = || VmmError::Missing {
            program: self.program,
            looked_at: None,
        };
        if let Some(found) = first_executable(self.program, std::env::split_paths(path)) {
            return locate(&found, None).map_err(|error| error.unwrap_or_else(missing));
        }
        let fallback = self.fallback.ok_or_else(missing)?;
        locate(fallback, None).map_err(|error| error.unwrap_or_else(missing))
    }
}

/// Looks at one file. An error of none means that nothing is there.
pub(crate) fn locate(
    named: &Path,
    variable: Option<&'static str>,
) -> Result<Located, Option<VmmError>> {
    let path = named.canonicalize().map_err(|_| None)?;
    let metadata = path.metadata().map_err(|_| None)?;
    let reason = if metadata.is_dir() {
        Some("it is a folder")
    } else if !metadata.is_file() {
        Some("it is not a regular file")
    } else if metadata.mode() & 0o111 == 0 {
        Some("it is not executable")
    } else {
        None
    };
    if let Some(reason) = reason {
        return Err(Some(VmmError::NotAProgram {
            path: named.to_owned(),
            reason,
            variable,
        }));
    }
    Ok(Located {
        named: named.to_owned(),
        identity: identity(&metadata),
        path,
    })
}

/// Size, inode and mtime as text: changes when the file does, and costs no
/// execution to know.
fn identity(metadata: &Metadata) -> String {
    format!(
        "{}:{}:{}:{}",
        metadata.size(),
        metadata.ino(),
        metadata.mtime(),
        metadata.mtime_nsec()
    )
}

/// Whether a path leads to an executable file.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0)
}

/// The first executable file of a name in absolute folders.
pub fn first_executable(name: &str, folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    folders
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
}

/// The first executable file of a name on PATH.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    first_executable(name, std::env::split_paths(&path))
}

/// Runs a program for what it prints to stdout.
///
/// # Errors
/// Why there is no answer, in one sentence.
pub fn ask(program: &Path, arguments: &[&str], patience: Duration) -> Result<String, String> {
    let asked = || -> io::Result<Result<String, String>> {
        // Files, not pipes: whatever it prints, it cannot be stuck on writing.
        let (mut stdout, mut stderr) = (unnamed_file()?, unnamed_file()?);
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(stdout.try_clone()?)
            .stderr(stderr.try_clone()?)
            .spawn()?;
        let Some(status) = wait(&mut child, patience)? else {
            child.kill()?;
            child.wait()?;
            let seconds = patience.as_secs_f32();
            return Ok(Err(format!("no answer within {seconds} s")));
        };
        if status.success() {
            return Ok(Ok(text(&mut stdout)?));
        }
        let words = text(&mut stderr)?;
        Ok(Err(
            match words.lines().map(str::trim).find(|line| !line.is_empty()) {
                Some(line) => line.to_owned(),
                None => status.to_string(),
            },
        ))
    };
    asked().unwrap_or_else(|error| Err(error.to_string()))
}

fn wait(child: &mut std::process::Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let end = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&end, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(None),
            Ok(_) => return child.wait().map(Some),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn unnamed_file() -> io::Result<File> {
    Ok(rustix::fs::memfd_create("pyro-answer", MemfdFlags::CLOEXEC)?.into())
}

fn text(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(LONGEST_ANSWER).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const LOOKUP: Lookup<'static> = Lookup {
        program: "tool",
        variable: "TOOL_BIN",
        fallback: None,
    };

    fn put(path: &Path, mode: u32) -> PathBuf {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        path.to_owned()
    }

    #[test]
    fn the_variable_comes_first_then_path_then_the_fallback() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (named, on_path, fallback) = (
            put(&root.join("named"), 0o755),
            put(&root.join("bin/tool"), 0o755),
            put(&root.join("cache/tool"), 0o755),
        );
        let bin = root.join("bin");
        let lookup = Lookup {
            fallback: Some(&fallback),
            ..LOOKUP
        };
        let found = |variable: Option<&PathBuf>, path: &OsStr| {
            lookup.find_in(variable.cloned(), path).unwrap().path
        };
        assert_eq!(found(Some(&named), bin.as_os_str()), named);
        assert_eq!(found(None, bin.as_os_str()), on_path);
        assert_eq!(found(None, OsStr::new("/nonexistent")), fallback);
        std::fs::remove_file(&fallback).unwrap();
        let missing = lookup.find_in(None, OsStr::new("")).unwrap_err();
        assert!(matches!(
            missing,
            VmmError::Missing {
                program: "tool",
                looked_at: None
            }
        ));
    }

    #[test]
    fn what_the_variable_names_is_not_replaced_by_another() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        put(&root.join("bin/tool"), 0o755);
        let bin = root.join("bin");
        let refused = |path: PathBuf| {
            LOOKUP
                .find_in(Some(path), bin.as_os_str())
                .unwrap_err()
                .to_string()
        };
        let absent = refused(root.join("absent"));
        assert!(absent.contains("was not found at"), "{absent}");
        let plain = refused(put(&root.join("plain"), 0o644));
        assert!(plain.contains("it is not executable"), "{plain}");
        let dir = refused(bin.clone());
        assert!(dir.contains("it is a folder"), "{dir}");
    }

    #[test]
    fn path_is_searched_as_a_shell_does_but_never_in_the_current_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        put(&root.join("first/tool"), 0o644);
        let second = put(&root.join("second/tool"), 0o755);
        let path = std::env::join_paths([root.join("first"), root.join("second")]).unwrap();
        assert_eq!(LOOKUP.find_in(None, &path).unwrap().path, second);
        let relative = std::env::split_paths(OsStr::new(":.:bin"));
        assert_eq!(first_executable("tool", relative), None);
    }

    #[test]
    fn another_content_is_another_identity() {
        let folder = tempfile::tempdir().unwrap();
        let file = put(&folder.path().join("tool"), 0o755);
        let first = locate(&file, None).unwrap();
        assert_eq!(first, locate(&file, None).unwrap());
        std::fs::write(&file, "#!/bin/sh\nexit\n").unwrap();
        assert_ne!(first.identity, locate(&file, None).unwrap().identity);
    }

    #[test]
    fn an_answer_a_failure_and_silence() {
        let sh = |script: &str| {
            ask(
                Path::new("/bin/sh"),
                &["-c", script],
                Duration::from_millis(500),
            )
        };
        assert_eq!(sh("echo out; echo err >&2"), Ok("out\n".to_owned()));
        assert_eq!(sh("echo why >&2; exit 3"), Err("why".to_owned()));
        assert!(sh("exit 3").unwrap_err().contains('3'));
        assert!(sh("exec sleep 30").unwrap_err().contains("no answer"));
        // More than a pipe holds.
        assert_eq!(
            sh("yes | head -c 1000000").map(|text| text.len() as u64),
            Ok(LONGEST_ANSWER)
        );
        assert!(ask(Path::new("/nonexistent"), &[], Duration::from_secs(1)).is_err());
    }
}
