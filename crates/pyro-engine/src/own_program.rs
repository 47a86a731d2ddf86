//! The program `pyro` itself, for the processes it starts of itself.
//!
//! Owns: where it is, also when the engine is used as a library.

use crate::error::{Error, Result};
use std::path::PathBuf;

/// Names the program; `pyro` itself needs none.
const PROGRAM_VARIABLE: &str = "PYRO_PROGRAM";

/// `PYRO_PROGRAM`, then this program when it is `pyro`, then PATH.
///
/// # Errors
/// `program_missing`.
pub fn find() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(PROGRAM_VARIABLE).filter(|value| !value.is_empty()) {
        return Ok(named.into());
    }
    if let Ok(own) = std::env::current_exe()
        && own.file_name().is_some_and(|name| name == "pyro")
    {
        return Ok(own);
    }
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("pyro"))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Error::runtime(
                "program_missing",
                "the program pyro, which runs workspaces and gateways, is not on PATH",
            )
            .hint(format!("install it, or name it in {PROGRAM_VARIABLE}"))
        })
}
