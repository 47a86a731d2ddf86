//! What can go wrong with a machine.
//!
//! Owns: one error type for every backend, each with a stable code and the
//! next step. Refuses: logging.

use std::path::PathBuf;

/// A machine could not be started, driven or frozen.
#[derive(Debug, thiserror::Error)]
pub enum VmmError {
    /// The VMM's program is not there.
    #[error("{program} was not found{}", .looked_at.as_ref().map(|path| format!(" at {}", path.display())).unwrap_or_default())]
    Missing {
        /// Name of the program.
        program: &'static str,
        /// The place named by an environment variable, if one was.
        looked_at: Option<PathBuf>,
    },
    /// The program is there and does not do.
    #[error("{} cannot be used: {reason}", program.display())]
    Unusable {
        /// Its path.
        program: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file is there that cannot be run.
    #[error("{} cannot be run: {reason}", path.display())]
    NotAProgram {
        /// Its path, as it was named.
        path: PathBuf,
        /// Why.
        reason: &'static str,
        /// The environment variable that named it, if one did.
        variable: Option<&'static str>,
    },
    /// The program is of a version that pyro does not work with.
    #[error("{} cannot be used: version {version} is not supported, {supported} are", program.display())]
    UnsupportedVersion {
        /// Its path.
        program: PathBuf,
        /// Its version.
        version: String,
        /// The versions that will do.
        supported: String,
    },
    /// Namespaces or identities could not be set up.
    #[error("the VMM could not be confined: {0}")]
    Confinement(String),
    /// The VMM ended by itself during the start, or refused its arguments.
    #[error("{program} ended during {during}: {detail}")]
    Start {
        /// Name of the program.
        program: &'static str,
        /// What was under way.
        during: &'static str,
        /// The last lines it printed.
        detail: String,
    },
    /// Something killed it.
    #[error("{program} was killed during {during}")]
    Killed {
        /// Name of the program.
        program: &'static str,
        /// What was under way.
        during: &'static str,
    },
    /// A control command failed.
    #[error("{command} failed: {detail}")]
    Control {
        /// The QMP command or API path.
        command: String,
        /// The VMM's words.
        detail: String,
    },
    /// No answer in time.
    #[error("the VMM did not answer {what} within {seconds} s")]
    TimedOut {
        /// What was asked.
        what: String,
        /// The bound, in seconds.
        seconds: u64,
    },
    /// The backend has no such ability.
    #[error("the {backend} backend cannot {ability}")]
    Unsupported {
        /// Name of the backend.
        backend: &'static str,
        /// The ability, as a verb.
        ability: &'static str,
    },
    /// The template is not what was frozen.
    #[error("template {} is not usable: {reason}", path.display())]
    Template {
        /// Its folder.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// A system call failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// What a program killed by SIGKILL exits with.
pub const KILLED: i32 = 128 + 9;

impl VmmError {
    /// Why a VMM ended by itself.
    pub(crate) fn ended(
        program: &'static str,
        during: &'static str,
        code: i32,
        words: &str,
    ) -> Self {
        if code == KILLED {
            return Self::Killed { program, during };
        }
        let detail = if words.trim().is_empty() {
            format!("it exited with code {code} and said nothing")
        } else {
            words.trim().to_owned()
        };
        Self::Start {
            program,
            during,
            detail,
        }
    }

    /// For `map_err`: names the action.
    pub fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io {
            action: action.into(),
            source,
        }
    }

    /// Stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "vmm_missing",
            Self::Unusable { .. } | Self::NotAProgram { .. } => "vmm_unusable",
            Self::UnsupportedVersion { .. } => "vmm_version",
            Self::Confinement(_) => "confinement",
            Self::Start { .. } => "vmm_start",
            Self::Killed { .. } => "vmm_killed",
            Self::Control { .. } => "vmm_control",
            Self::TimedOut { .. } => "vmm_timeout",
            Self::Unsupported { .. } => "unsupported",
            Self::Template { .. } => "template",
            Self::Io { source, .. } if source.raw_os_error() == Some(libc::ENOSPC) => "no_space",
            Self::Io { .. } => "io",
        }
    }

    /// The next step, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Missing {
                program: "qemu-system-x86_64",
                looked_at: None,
            } => {
                "install it (Debian, Ubuntu: apt-get install qemu-system-x86), or set PYRO_QEMU_BIN"
            }
            Self::Missing {
                program: "qemu-system-x86_64",
                ..
            }
            | Self::NotAProgram {
                variable: Some("PYRO_QEMU_BIN"),
                ..
            } => "correct or unset PYRO_QEMU_BIN",
            Self::Missing {
                program: "firecracker",
                looked_at: None,
            } => "run pyro setup firecracker",
            Self::Missing {
                program: "firecracker",
                ..
            }
            | Self::NotAProgram {
                variable: Some("PYRO_FIRECRACKER_BIN"),
                ..
            } => "correct or unset PYRO_FIRECRACKER_BIN",
            // On PATH only executable files are found, so it is the one in the cache.
            Self::NotAProgram { .. } => "run pyro setup firecracker",
            Self::UnsupportedVersion { .. } => {
                "run pyro setup firecracker; a program named by PYRO_FIRECRACKER_BIN or on PATH \
                 comes before what it installs"
            }
            Self::Unusable { .. } | Self::Start { .. } => {
                "run pyro doctor --probe to see what this machine can do"
            }
            Self::Confinement(_) => {
                "run pyro doctor: it shows which namespaces this user may create and why not"
            }
            Self::Killed { .. } => {
                "something on this host ended it (out of memory?); free memory, then run it again"
            }
            Self::TimedOut { .. } => {
                "the machine may be overloaded; try again, and run pyro doctor if it stays so"
            }
            Self::Template { .. } => "run pyro prepare --force to make it anew",
            Self::Io { source, .. } if source.raw_os_error() == Some(libc::ENOSPC) => {
                "free some disk space"
            }
            _ => return None,
        })
    }
}
