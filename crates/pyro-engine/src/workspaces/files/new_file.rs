//! A file of this host that is whole before it has its name.
//!
//! Owns: a nameless file in the folder of its output, so that nothing is left
//! when its maker is killed; where the file system has none, a hidden one.
//! Refuses: taking the place of anything.

use super::export::appear;
use crate::error::{Error, Result};
use crate::host_paths::{Output, exists};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::fs::{File, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub(in crate::workspaces) struct NewFile {
    file: File,
    path: PathBuf,
    hidden: Option<tempfile::TempPath>,
}

impl NewFile {
    /// Opens one in the folder of `output`; `mode` as for open(2).
    ///
    /// # Errors
    /// `no_space`, `read_only`, `io`.
    pub(in crate::workspaces) fn beside(output: &Output, mode: u32) -> Result<Self> {
        let parent = output.parent();
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        if let Ok(file) = rustix::fs::open(parent, flags, Mode::from_raw_mode(mode)) {
            let file = File::from(file);
            // Of this process, so that another program can open it as well.
            let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
            return Ok(Self {
                file,
                path: path.into(),
                hidden: None,
            });
        }
        let (file, hidden) = tempfile::Builder::new()
            .prefix(".pyro-export-")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(parent)
            .map_err(Error::io("make a file in", parent))?
            .into_parts();
        Ok(Self {
            file,
            path: hidden.to_path_buf(),
            hidden: Some(hidden),
        })
    }

    pub(in crate::workspaces) fn file(&self) -> &File {
        &self.file
    }

    /// Names it until it has its name.
    pub(in crate::workspaces) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, unless somebody else took that.
    ///
    /// # Errors
    /// `output_exists`, `io`.
    pub(in crate::workspaces) fn appear(self, output: &Output) -> Result<()> {
        if let Some(hidden) = self.hidden {
            appear(&hidden, output)?;
            let _ = hidden.keep();
            return Ok(());
        }
        rustix::fs::linkat(CWD, &self.path, CWD, output.made(), AtFlags::SYMLINK_FOLLOW).map_err(
            |error| match error {
                rustix::io::Errno::EXIST => exists(&output.path),
                error => Error::io("give its name to", &output.path)(error.into()),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_paths::HostPaths;
    use std::io::Write;

    #[test]
    fn it_is_seen_when_it_is_whole_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out");
        let place = HostPaths::Anywhere.output(&output.display().to_string(), || unreachable!());
        let place = place.unwrap();
        let names = || std::fs::read_dir(dir.path()).unwrap().count();
        let new = NewFile::beside(&place, 0o600).unwrap();
        new.file().write_all(b"whole").unwrap();
        assert_eq!(std::fs::read(new.path()).unwrap(), b"whole");
        assert!(!output.exists());
        new.appear(&place).unwrap();
        assert_eq!(std::fs::read(&output).unwrap(), b"whole");
        let second = NewFile::beside(&place, 0o600).unwrap();
        assert_eq!(second.appear(&place).unwrap_err().code, "output_exists");
        drop(NewFile::beside(&place, 0o600).unwrap());
        assert_eq!(names(), 1);
    }
}
