//! Where an output goes.
//!
//! Owns: that it is new, and the name by which it is made. Refuses: the
//! inside of a `.git`, for anybody: a hook there would run on the host.

use super::linkless::own_name;
use super::unwritable;
use crate::error::{Error, Result};
use crate::layout::expand_home;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The place of something that does not exist yet; its parents do.
#[derive(Debug)]
pub struct Output {
    /// As it is told: absolute, the parents' links resolved.
    pub path: PathBuf,
    /// As it is made: beside the held parent, where one is held.
    made: PathBuf,
    _parent: Option<OwnedFd>,
}

impl Output {
    /// The output's absolute path, its parents made and their links resolved.
    pub(super) fn anywhere(output: &str) -> Result<Self> {
        if output.trim().is_empty() {
            return Err(invalid(output, "is blank"));
        }
        let expanded = expand_home(output);
        let absolute = std::path::absolute(&expanded).map_err(Error::io("resolve", &expanded))?;
        let name = absolute
            .file_name()
            .ok_or_else(|| invalid(output, "has no name"))?
            .to_owned();
        let parent = absolute
            .parent()
            .ok_or_else(|| invalid(output, "has no name"))?;
        // Before anything is made there; links may lead there, too.
        not_in_git(&absolute)?;
        std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        let parent = parent
            .canonicalize()
            .map_err(Error::io("resolve", parent))?;
        let path = parent.join(name);
        not_in_git(&path)?;
        // A dangling link exists as well.
        if path.symlink_metadata().is_ok() {
            return Err(exists(&path));
        }
        Ok(Self {
            made: path.clone(),
            path,
            _parent: None,
        })
    }

    /// Beside a parent that is held.
    pub(super) fn beside(path: PathBuf, parent: OwnedFd) -> Result<Self> {
        let name = path.file_name().unwrap_or_default();
        let made = own_name(&parent).join(name);
        if made.symlink_metadata().is_ok() {
            return Err(exists(&path));
        }
        Ok(Self {
            path,
            made,
            _parent: Some(parent),
        })
    }

    /// The name to make it by, as long as this lives.
    #[must_use]
    pub fn made(&self) -> &Path {
        &self.made
    }

    /// The folder it is made in.
    #[must_use]
    pub fn parent(&self) -> &Path {
        self.made.parent().unwrap_or(Path::new("/"))
    }

    /// An error with the name that is told instead of the one it is made by.
    #[must_use]
    pub fn told(&self, mut error: Error) -> Error {
        if self.made != self.path
            && let (Some(made), Some(told)) = (self.made.parent(), self.path.parent())
        {
            let (made, told) = (made.display().to_string(), told.display().to_string());
            error.message = error.message.replace(&made, &told);
        }
        error
    }
}

pub(super) fn invalid(output: &str, why: &str) -> Error {
    Error::invalid("invalid_output", format!("the output {output:?} {why}"))
        .hint("name a path on this host that does not exist yet")
}

/// Somebody has that name already.
#[must_use]
pub fn exists(output: &Path) -> Error {
    Error::runtime(
        "output_exists",
        format!("{} exists already", output.display()),
    )
    .hint("name a path that does not exist")
}

fn not_in_git(path: &Path) -> Result<()> {
    if unwritable::is_in_git(path) {
        return Err(Error::invalid(
            "output_in_git",
            format!("{} is inside of a .git", path.display()),
        )
        .hint("export beside the repository, look at it, then copy it in"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_new_and_outside_of_git() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir_all(folder.path().join("r/.git")).unwrap();
        std::os::unix::fs::symlink("none", folder.path().join("dangling")).unwrap();
        std::os::unix::fs::symlink("r/.git", folder.path().join("into")).unwrap();
        let good = Output::anywhere(&at("a/b")).unwrap();
        assert!(good.path.ends_with("a/b") && good.made() == good.path);
        for (output, code) in [
            (String::new(), "invalid_output"),
            ("/".into(), "invalid_output"),
            (at("dangling"), "output_exists"),
            (at("r"), "output_exists"),
            (at("r/.git/hooks/x"), "output_in_git"),
            (at("r/.GIT/x"), "output_in_git"),
            (at("into/x"), "output_in_git"),
        ] {
            assert_eq!(
                Output::anywhere(&output).unwrap_err().code,
                code,
                "{output}"
            );
        }
    }
}
