//! The files a confined program sees.
//!
//! Owns: the list of mounts and nodes, made before the fork so that the child
//! only makes system calls. Refuses: the caller's home, /etc, /run, /tmp and
//! every other place; what the program works on arrives as descriptors.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where the new root is put together. Every Linux has the folder, and no
/// confined program needs what is normally there.
pub(super) const STAGING: &std::ffi::CStr = c"/sys";

/// Which files are seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// Everything the caller sees.
    Host,
    /// The program, its libraries and data, /proc of its own namespace and
    /// the devices named here, below /dev.
    Program {
        /// For example `null`, `kvm`.
        devices: Vec<&'static str>,
    },
}

/// One step of building the view, below [`STAGING`].
pub(super) enum Step {
    Folder(CString),
    Link {
        target: CString,
        path: CString,
    },
    /// Binds a folder or a file (for which an empty file is made first).
    Bind {
        from: CString,
        path: CString,
        is_file: bool,
    },
    /// A character device, made anew where the level allows it, else bound.
    Device {
        from: CString,
        path: CString,
        number: u64,
    },
    Proc(CString),
}

impl View {
    pub(super) fn steps(&self, program: &Path) -> Option<Vec<Step>> {
        let Self::Program { devices } = self else {
            return None;
        };
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
        steps.push(Step::Folder(staged(Path::new("proc"))));
        steps.push(Step::Proc(staged(Path::new("proc"))));
        Some(steps)
    }
}

fn staged(name: &Path) -> CString {
    text(&Path::new("/sys").join(name))
}

fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}
