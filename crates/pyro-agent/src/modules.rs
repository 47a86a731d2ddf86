//! Kernel modules of the initramfs.
//!
//! Owns: loading `/mods/NNN-*.ko` in name order and freeing their memory.
//! Refuses: dependency resolution; whoever packed the initramfs ordered them.

use crate::console;
use rustix::io::Errno;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Loads every module; one that fails is named on the console, because the
/// missing device it leads to says less.
pub fn load(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return; // a kernel with everything built in brings none
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        if let Err(error) = load_one(&file) {
            console::line(&format!(
                "kernel module {} did not load: {error}",
                file.display()
            ));
        }
        // The initramfs is memory, and the file is not needed twice.
        let _ = std::fs::remove_file(&file);
    }
    let _ = std::fs::remove_dir(folder);
}

fn load_one(path: &Path) -> std::io::Result<()> {
    let file = File::open(path)?;
    let loaded = rustix::system::finit_module(&file, c"", 0);
    match loaded {
        Ok(()) | Err(Errno::EXIST) => Ok(()), // loaded, or built in
        // A kernel without finit_module for this file system.
        Err(Errno::NOSYS | Errno::OPNOTSUPP) => {
            match rustix::system::init_module(&std::fs::read(path)?, c"") {
                Err(error) if error != Errno::EXIST => Err(error.into()),
                _ => Ok(()),
            }
        }
        Err(error) => Err(error.into()),
    }
}
