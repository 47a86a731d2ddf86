//! The engine's one error type: what every door shows.
//!
//! Owns: the kind (caller's fault or the world's), a stable code, the
//! sentence, the next step. Refuses: rendering and logging.

use std::fmt;

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is wrong: another request is needed.
    Invalid,
    /// The state or the machine is not as needed.
    Runtime,
}

/// A failed operation.
#[derive(Debug)]
pub struct Error {
    /// Whose turn it is.
    pub kind: Kind,
    /// Stable `snake_case` word for programs, for example `unknown_environment`.
    pub code: &'static str,
    /// One lower-case sentence that names the path or id.
    pub message: String,
    /// The next step, as a sentence or a command.
    pub hint: Option<String>,
    /// What lies beneath.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Result of an engine function.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The request is wrong.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Invalid,
            code,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// The state or the machine is not as needed.
    pub fn runtime(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Runtime,
            ..Self::invalid(code, message)
        }
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the next step where none is known yet.
    #[must_use]
    pub fn or_hint(mut self, hint: &str) -> Self {
        self.hint.get_or_insert_with(|| hint.to_owned());
        self
    }

    /// Adds what lies beneath.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Makes an I/O error name its path: `map_err(Error::io("read", path))`.
    pub fn io<'a>(
        action: &'a str,
        path: &'a std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |error| {
            let message = format!("cannot {action} {}: {error}", path.display());
            let made = Self::runtime("io", message);
            let made = match error.raw_os_error() {
                Some(code) if code == rustix::io::Errno::NOSPC.raw_os_error() => Self {
                    code: "no_space",
                    ..made
                }
                .hint("free some space, or move the cache with PYRO_ENVIRONMENT_CACHE_DIR"),
                Some(code) if code == rustix::io::Errno::ROFS.raw_os_error() => Self {
                    code: "read_only",
                    ..made
                }
                .hint("choose a writable place with PYRO_ENVIRONMENT_CACHE_DIR or PYRO_STATE_DIR"),
                _ => made,
            };
            made.source(error)
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}
