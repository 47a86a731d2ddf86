//! The files a confined program sees.
//!
//! Owns: the list of mounts and nodes, made before the fork so that the child
//! only makes system calls. Refuses: the caller's home, /etc, /run, /tmp and
//! every other place; what the program works on arrives as descriptors, or as
//! names in a [`Jail`].

use super::Level;
use super::jail::{Jail, Momentary};
use super::step::{Step, staged, text};
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

/// Which files are seen.
#[derive(Debug)]
pub enum View<'a> {
    /// Everything the caller sees.
    Host,
    /// The program, its libraries and data, /proc of its own namespace and
    /// the devices named here, below /dev.
    Program {
        /// For example `null`, `kvm`.
        devices: Vec<&'static str>,
        /// Empty folders below the root, for what the program itself mounts.
        folders: Vec<&'static str>,
    },
    /// What the jail names, and nothing else.
    Jail(Jail<'a>),
}

impl View<'_> {
    /// None leaves everything as it is.
    pub(super) fn steps(
        &self,
        program: &Path,
        level: Level,
        owner: Option<u32>,
    ) -> io::Result<Option<(Vec<Step>, Vec<Momentary>)>> {
        match self {
            Self::Host => Ok(None),
            Self::Program { devices, folders } => {
                let steps = program_steps(program, devices, folders);
                Ok(Some((steps, Vec::new())))
            }
            Self::Jail(jail) => jail.steps(level, owner).map(Some),
        }
    }

    pub(super) fn inherited(&self, level: Level) -> Vec<RawFd> {
        match self {
            Self::Jail(jail) => jail.inherited(level),
            _ => Vec::new(),
        }
    }
}

fn program_steps(program: &Path, devices: &[&str], folders: &[&str]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut names: Vec<PathBuf> = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"]
        .iter()
        .map(PathBuf::from)
        .collect();
    // A program outside /usr brings the folder above its bin folder.
    let own = program.canonicalize().ok().and_then(|path| {
        let prefix = path.parent()?.parent()?.strip_prefix("/").ok()?.to_owned();
        (!prefix.as_os_str().is_empty()
            && !prefix.starts_with("usr")
            && !prefix.starts_with("proc"))
        .then_some(prefix)
    });
    names.extend(own);
    for name in names {
        let from = Path::new("/").join(&name);
        let Ok(metadata) = from.symlink_metadata() else {
            continue;
        };
        if metadata.is_symlink() {
            if let Ok(target) = std::fs::read_link(&from) {
                steps.push(Step::Link {
                    target: text(&target),
                    path: staged(&name),
                });
            }
            continue;
        }
        for above in name
            .ancestors()
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .skip(1)
        {
            steps.push(Step::Folder(staged(above)));
        }
        steps.push(Step::Bind {
            from: text(&from),
            path: staged(&name),
            is_file: false,
        });
    }
    steps.push(Step::Folder(staged(Path::new("etc"))));
    for name in ["etc/ld.so.cache", "etc/ld.so.conf"] {
        let from = Path::new("/").join(name);
        if from.is_file() {
            steps.push(Step::Bind {
                from: text(&from),
                path: staged(Path::new(name)),
                is_file: true,
            });
        }
    }
    steps.push(Step::Folder(staged(Path::new("dev"))));
    for name in devices {
        let name = Path::new("dev").join(name);
        if let Some(above) = name.parent().filter(|above| *above != Path::new("dev")) {
            steps.push(Step::Folder(staged(above)));
        }
        let from = Path::new("/").join(&name);
        let Ok(stat) = rustix::fs::stat(&from) else {
            continue;
        };
        steps.push(Step::Device {
            from: text(&from),
            path: staged(&name),
            number: stat.st_rdev,
        });
    }
    for name in folders {
        steps.push(Step::Folder(staged(Path::new(name))));
    }
    steps.push(Step::Folder(staged(Path::new("proc"))));
    steps.push(Step::Proc(staged(Path::new("proc"))));
    steps
}
