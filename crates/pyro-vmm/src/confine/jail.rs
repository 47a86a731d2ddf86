//! A root folder of its own for a program that opens everything by name.
//!
//! Owns: turning descriptors into names that exist in the jail only.
//! Refuses: a folder on the host's disk; the jail is a private tmpfs that is
//! gone with its last process.
//!
//! ```text
//! /                        (direct)   or  /jail/<program>/<id>/root  (jailer)
//! |- firecracker, …        programs
//! |- kernel, drive0, …     the files, each under a fixed name
//! |- v.sock_5006, …        sockets on which pyro listens
//! |- dev/                  kvm, urandom, null
//! `- proc/                 without the jailer: what the names link to
//!
//! level      a file is
//! jailer     a bind mount of the file, or a copy (memory files)
//! others     a link to /proc/self/fd/N, the descriptor inherited
//! ```
//!
//! The jailer closes every descriptor, hence the two ways. For a bind mount a
//! nameless file gets a name for the time of the fork; file systems that
//! cannot do that (overlayfs) have no jailer.

use super::Level;
use super::step::{Step, staged, text};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Names given for a moment begin with it; older ones were left by a killed pyro.
pub const MOMENTARY_PREFIX: &str = ".pyro-naming-";
static NEXT: AtomicU32 = AtomicU32::new(0);

/// What is in the jail.
#[derive(Debug, Default)]
pub struct Jail<'a> {
    /// Path of the jail's root in the view; `/` without a jailer.
    pub root: PathBuf,
    /// Programs: where they are, and their path in the view.
    pub programs: Vec<(PathBuf, PathBuf)>,
    /// Files by name in the jail.
    pub files: Vec<(String, BorrowedFd<'a>)>,
    /// Unbound stream sockets, which listen under a name in the jail.
    pub listeners: Vec<(String, BorrowedFd<'a>)>,
    /// An inotify instance that is told what appears in the jail.
    pub watch: Option<BorrowedFd<'a>>,
    /// For example `kvm`; not with a jailer, which makes its own.
    pub devices: Vec<&'static str>,
}

/// A name that is removed when dropped.
#[derive(Debug)]
pub(super) struct Momentary(PathBuf);

impl Drop for Momentary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Jail<'_> {
    pub(super) fn inherited(&self, level: Level) -> Vec<RawFd> {
        if level != Level::Jailer {
            self.files.iter().map(|(_, fd)| fd.as_raw_fd()).collect()
        } else {
            Vec::new()
        }
    }

    /// The steps, and the names that must live until they were taken.
    pub(super) fn steps(
        &self,
        level: Level,
        owner: Option<u32>,
    ) -> io::Result<(Vec<Step>, Vec<Momentary>)> {
        let mut steps = Vec::new();
        let mut momentary = Vec::new();
        let inside = |name: &str| staged(&in_view(&self.root).join(name));
        folders(&mut steps, &in_view(&self.root));
        for (from, path) in &self.programs {
            let path = in_view(path);
            if let Some(above) = path.parent() {
                folders(&mut steps, above);
            }
            steps.push(Step::Bind {
                from: text(&from.canonicalize()?),
                path: staged(&path),
                is_file: true,
            });
        }
        if !self.devices.is_empty() {
            steps.push(Step::Folder(inside("dev")));
        }
        for name in &self.devices {
            let from = Path::new("/dev").join(name);
            if let Some(above) = Path::new(name)
                .parent()
                .filter(|above| *above != Path::new(""))
            {
                steps.push(Step::Folder(inside(&format!("dev/{}", above.display()))));
            }
            steps.push(Step::Device {
                number: rustix::fs::stat(&from)?.st_rdev,
                from: text(&from),
                path: inside(&format!("dev/{name}")),
            });
        }
        if level != Level::Jailer {
            steps.push(Step::Folder(inside("proc")));
            steps.push(Step::Proc(inside("proc")));
        }
        for (name, fd) in &self.files {
            if let Some(owner) = owner {
                hand_over(*fd, owner)?;
            }
            steps.push(if level != Level::Jailer {
                Step::Link {
                    target: text(Path::new(&format!("/proc/self/fd/{}", fd.as_raw_fd()))),
                    path: inside(name),
                }
            } else {
                by_name(*fd, inside(name), &mut momentary)?
            });
        }
        for (name, fd) in &self.listeners {
            steps.push(Step::Listen {
                fd: fd.as_raw_fd(),
                path: inside(name),
            });
        }
        if let Some(owner) = owner {
            steps.push(Step::Own {
                path: staged(&in_view(&self.root)),
                uid: owner,
            });
        }
        if let Some(watch) = self.watch {
            steps.push(Step::Watch {
                fd: watch.as_raw_fd(),
                path: staged(&in_view(&self.root)),
            });
        }
        Ok((steps, momentary))
    }
}

/// Relative to the view's root.
fn in_view(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_owned()
}

fn folders(steps: &mut Vec<Step>, path: &Path) {
    let mut all: Vec<&Path> = path.ancestors().collect();
    all.reverse();
    for folder in all {
        if !folder.as_os_str().is_empty() {
            steps.push(Step::Folder(staged(folder)));
        }
    }
}

/// The VMM opens a writable file by its name, as the user it becomes.
fn hand_over(fd: BorrowedFd<'_>, owner: u32) -> io::Result<()> {
    let writable = rustix::fs::fcntl_getfl(fd)?.contains(rustix::fs::OFlags::RDWR);
    if writable && rustix::fs::fstat(fd)?.st_mode & 0o006 != 0o006 {
        std::os::unix::fs::fchown(fd, Some(owner), Some(owner))?;
    }
    Ok(())
}

fn by_name(
    fd: BorrowedFd<'_>,
    path: std::ffi::CString,
    momentary: &mut Vec<Momentary>,
) -> io::Result<Step> {
    let link = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    let named = std::fs::read_link(&link)?;
    let file = File::from(fd.try_clone_to_owned()?);
    let metadata = file.metadata()?;
    if named.as_os_str().as_encoded_bytes().starts_with(b"/memfd:") {
        return Ok(Step::Copy {
            fd: fd.as_raw_fd(),
            length: metadata.size(),
            path,
        });
    }
    let same = named
        .metadata()
        .is_ok_and(|found| (found.dev(), found.ino()) == (metadata.dev(), metadata.ino()));
    if same {
        return Ok(Step::Bind {
            from: text(&named),
            path,
            is_file: true,
        });
    }
    let folder = named.parent().unwrap_or(Path::new("/"));
    let name = folder.join(format!(
        "{MOMENTARY_PREFIX}{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    ));
    rustix::fs::linkat(
        rustix::fs::CWD,
        &link,
        rustix::fs::CWD,
        &name,
        rustix::fs::AtFlags::SYMLINK_FOLLOW,
    )
    .map_err(|error| match error {
        // No name can be had for it: the next level needs none.
        rustix::io::Errno::XDEV | rustix::io::Errno::NOENT => rustix::io::Errno::OPNOTSUPP,
        error => error,
    })?;
    momentary.push(Momentary(name.clone()));
    Ok(Step::Bind {
        from: text(&name),
        path,
        is_file: true,
    })
}
