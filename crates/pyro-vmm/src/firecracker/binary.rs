//! Which Firecracker: the lookup, its jailer, and whether its version will do.
//!
//! Owns: `PYRO_FIRECRACKER_BIN`, then PATH, then the cache; the place in the
//! cache; the range of versions. Refuses: installing (the engine's setup does),
//! and running the program to find it: [`FirecrackerBinary::find`] costs no
//! execution, [`FirecrackerBinary::supported_version`] costs one.

use crate::error::VmmError;
use crate::program::{self, Lookup};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the program.
const PROGRAM: &str = "firecracker";
const JAILER: &str = "jailer";
const VARIABLE: &str = "PYRO_FIRECRACKER_BIN";
/// It prints its version within milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Major and minor versions that pyro works with, the last one excluded. What
/// is older was never tried; 1.16.0 leaves vsock silent after a restore.
pub const SUPPORTED: Range<(u32, u32)> = (1, 10)..(1, 16);

/// A version of Firecracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

impl Version {
    /// Whether pyro works with it.
    #[must_use]
    pub fn is_supported(self) -> bool {
        SUPPORTED.contains(&(self.major, self.minor))
    }

    /// From what `--version` prints: `Firecracker v1.12.1` on its first line,
    /// perhaps with a suffix of a development build.
    fn parse(text: &str) -> Option<Self> {
        let version = text.lines().next()?.strip_prefix("Firecracker v")?;
        let numbers = version
            .split(|c: char| c == '-' || c == '+' || c.is_whitespace())
            .next()?;
        let mut numbers = numbers.split('.').map(str::parse);
        let mut next = || numbers.next()?.ok();
        let version = Self {
            major: next()?,
            minor: next()?,
            patch: next()?,
        };
        next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// [`SUPPORTED`] as a person says it.
#[must_use]
pub fn supported_range() -> String {
    let Range { start, end } = SUPPORTED;
    format!("{}.{} to {}.{}", start.0, start.1, end.0, end.1 - 1)
}

/// Where in the cache an installed Firecracker lies.
#[must_use]
pub fn cache_folder(cache_dir: &Path) -> PathBuf {
    cache_dir.join(".firecracker").join("linux-x86_64")
}

/// A Firecracker program on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirecrackerBinary {
    /// Its path, links resolved.
    pub path: PathBuf,
    /// Its jailer: beside it, else on PATH.
    pub jailer: Option<PathBuf>,
    /// Size, inode and mtime as text. Part of every template's key.
    pub identity: String,
}

impl FirecrackerBinary {
    /// Finds it; runs nothing.
    ///
    /// # Errors
    /// [`VmmError::Missing`], or [`VmmError::NotAProgram`].
    pub fn find(cache_dir: &Path) -> Result<Self, VmmError> {
        let cached = cache_folder(cache_dir).join(PROGRAM);
        lookup(&cached).find().map(Self::from_located)
    }

    /// Takes a given file.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn at(path: &Path) -> Result<Self, VmmError> {
        program::locate(path, None)
            .map(Self::from_located)
            .map_err(|error| {
                error.unwrap_or_else(|| VmmError::Missing {
                    program: PROGRAM,
                    looked_at: Some(path.to_owned()),
                })
            })
    }

    fn from_located(located: program::Located) -> Self {
        let beside = [&located.path, &located.named]
            .into_iter()
            .flat_map(|path| jailers_beside(path))
            .find(|path| program::is_executable(path));
        Self {
            jailer: beside.or_else(|| program::on_path(JAILER)),
            path: located.path,
            identity: located.identity,
        }
    }

    /// Runs it for its version. Not on the way to a machine.
    ///
    /// # Errors
    /// [`VmmError::Unusable`], with what it printed.
    pub fn version(&self) -> Result<Version, VmmError> {
        let unusable = |reason: String| VmmError::Unusable {
            program: self.path.clone(),
            reason,
        };
        let text = program::ask(&self.path, &["--version"], PATIENCE).map_err(unusable)?;
        Version::parse(&text).ok_or_else(|| {
            let line = text.lines().next().unwrap_or_default();
            let line: String = line.chars().take(80).collect();
            unusable(format!("{line:?} is not a version of Firecracker"))
        })
    }

    /// Its version, when pyro works with that.
    ///
    /// # Errors
    /// As [`Self::version`], and [`VmmError::UnsupportedVersion`].
    pub fn supported_version(&self) -> Result<Version, VmmError> {
        let version = self.version()?;
        if version.is_supported() {
            return Ok(version);
        }
        Err(VmmError::UnsupportedVersion {
            program: self.path.clone(),
            version: version.to_string(),
            supported: supported_range(),
        })
    }
}

fn lookup(cached: &Path) -> Lookup<'_> {
    Lookup {
        program: PROGRAM,
        variable: VARIABLE,
        fallback: Some(cached),
    }
}

/// Upstream's archive names both with version and processor, so the jailer of
/// `firecracker-v1.12.1-x86_64` is `jailer-v1.12.1-x86_64`.
fn jailers_beside(firecracker: &Path) -> Vec<PathBuf> {
    let name = firecracker.file_name().and_then(|name| name.to_str());
    let suffix = name.and_then(|name| name.strip_prefix(PROGRAM));
    let mut names = vec![JAILER.to_owned()];
    names.extend(suffix.map(|suffix| format!("{JAILER}{suffix}")));
    names.dedup();
    names
        .into_iter()
        .map(|name| firecracker.with_file_name(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn program(path: &Path, script: &str) -> PathBuf {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        path.to_owned()
    }

    #[test]
    fn versions_are_read_as_firecracker_prints_them() {
        let parse = |text| Version::parse(text).map(|version| version.to_string());
        let printed =
            "Firecracker v1.12.1\n\n2026-11-21T04:42:12 [anonymous-instance:main] exiting\n";
        assert_eq!(parse(printed).as_deref(), Some("1.12.1"));
        assert_eq!(parse("Firecracker v1.13.0-dev").as_deref(), Some("1.13.0"));
        for other in [
            "",
            "Jailer v1.12.1",
            "Firecracker v1.12",
            "Firecracker v1.12.1.1",
            "Firecracker v1.99999999999.1",
            "echo (GNU coreutils) 9.1",
        ] {
            assert_eq!(parse(other), None, "{other:?}");
        }
    }

    #[test]
    fn the_range_ends_before_its_end() {
        let supported = |text: &str| Version::parse(text).unwrap().is_supported();
        assert!(!supported("Firecracker v1.9.9"));
        assert!(supported("Firecracker v1.10.0"));
        assert!(supported("Firecracker v1.15.7"));
        assert!(!supported("Firecracker v1.16.0"));
        assert!(!supported("Firecracker v2.11.0"));
        assert_eq!(supported_range(), "1.10 to 1.15");
    }

    #[test]
    fn an_old_a_wrong_and_a_silent_program_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, script: &str| {
            let path = program(&folder.path().join(name), script);
            FirecrackerBinary::at(&path).unwrap().supported_version()
        };
        let good = at("good", "echo Firecracker v1.12.1").unwrap();
        assert_eq!((good.major, good.minor, good.patch), (1, 12, 1));
        let old = at("old", "echo Firecracker v1.5.0").unwrap_err();
        let text = old.to_string();
        assert!(
            text.ends_with("version 1.5.0 is not supported, 1.10 to 1.15 are"),
            "{text}"
        );
        assert!(old.hint().unwrap().contains("pyro setup firecracker"));
        let wrong = at("wrong", "echo hello").unwrap_err().to_string();
        assert!(wrong.contains("\"hello\" is not a version"), "{wrong}");
        let failing = at("failing", "echo no such luck >&2; exit 1").unwrap_err();
        assert!(failing.to_string().contains("no such luck"), "{failing}");
    }

    #[test]
    fn the_jailer_is_the_one_beside_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let jailer = |firecracker: &Path| FirecrackerBinary::at(firecracker).unwrap().jailer;
        let plain = program(&root.join("plain/firecracker"), "");
        let beside = program(&root.join("plain/jailer"), "");
        assert_eq!(jailer(&plain), Some(beside));
        let release = program(&root.join("release/firecracker-v1.12.1-x86_64"), "");
        let beside = program(&root.join("release/jailer-v1.12.1-x86_64"), "");
        assert_eq!(jailer(&release), Some(beside.clone()));
        std::fs::create_dir(root.join("links")).unwrap();
        symlink(&release, root.join("links/firecracker")).unwrap();
        assert_eq!(jailer(&root.join("links/firecracker")), Some(beside));
    }

    #[test]
    fn the_cache_is_the_last_place_and_each_error_names_its_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let cached = cache_folder(&root).join(PROGRAM);
        let find = |named: Option<PathBuf>| lookup(&cached).find_in(named, OsStr::new(""));
        let hint = |error: VmmError| error.hint().unwrap().to_owned();
        assert_eq!(hint(find(None).unwrap_err()), "run pyro setup firecracker");
        program(&cached, "");
        assert_eq!(find(None).unwrap().path, cached);
        for wrong in ["absent", ".firecracker"] {
            assert_eq!(
                hint(find(Some(root.join(wrong))).unwrap_err()),
                "correct or unset PYRO_FIRECRACKER_BIN",
                "{wrong}"
            );
        }
        std::fs::set_permissions(&cached, PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(hint(find(None).unwrap_err()), "run pyro setup firecracker");
    }
}
