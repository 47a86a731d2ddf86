//! The initial RAM file system: the agent and the environment's modules.
//!
//! Owns: putting the two archives together in memory. The kernel unpacks
//! archives that stand one after the other, so the modules' archive is used
//! as it was made when the environment was built.

use crate::environments::Image;
use crate::environments::cpio::Writer;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{Seek, Write};

/// Both archives in memory, ready for a VMM.
///
/// # Errors
/// `initramfs`: no memory file, or the modules cannot be read.
pub fn build(modules: &Image) -> Result<File> {
    let failed = |error: std::io::Error| {
        Error::runtime(
            "initramfs",
            format!("cannot put the initial RAM file system together: {error}"),
        )
    };
    let memory = rustix::fs::memfd_create("initramfs", rustix::fs::MemfdFlags::CLOEXEC)
        .map_err(|error| failed(error.into()))?;
    let mut memory = File::from(memory);
    let mut archive = Writer::new(&mut memory);
    archive
        .dir("dev", 0o755)
        // Without it the agent's first words are lost.
        .and_then(|()| archive.char_device("dev/console", 0o600, 5, 1))
        .and_then(|()| archive.file("init", 0o755, pyro_vmm::agent::PROGRAM))
        .and_then(|()| archive.finish().map(drop))
        .map_err(failed)?;
    let mut source = modules.file.try_clone().map_err(failed)?;
    source.rewind().map_err(failed)?;
    std::io::copy(&mut source, &mut memory).map_err(failed)?;
    memory.flush().map_err(failed)?;
    // The VMM runs as another user and opens it by its descriptor's name.
    rustix::fs::fchmod(&memory, rustix::fs::Mode::from_raw_mode(0o444))
        .map_err(|error| failed(error.into()))?;
    Ok(memory)
}
