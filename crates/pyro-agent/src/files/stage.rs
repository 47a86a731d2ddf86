//! New contents beside the old until they are complete.
//!
//! Owns: temporary names, and removing what did not get its place. Refuses:
//! waiting for the disk: a guest that is killed loses everything anyway.
//!
//! ```text
//!   Temporary --place--> under its name
//!        `------drop---> gone
//! ```

use super::fault::{at, io};
use super::read::BUFFER_BYTES;
use crate::reply::failed;
use pyro_proto::messages::Failed;
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, openat, renameat, renameat_with, symlinkat, unlinkat,
};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::rc::Rc;

/// Tries for a name that nobody has; one suffices but by intent.
const TRIES: usize = 16;

/// Something new that has no place yet.
pub struct Temporary {
    folder: Rc<OwnedFd>,
    name: Option<String>,
}

impl Temporary {
    /// An empty file that only its owner may use.
    pub fn file(folder: &Rc<OwnedFd>, path: &[u8]) -> Result<(Self, File), Failed> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Self::make(folder, path, |name| {
            openat(folder, name, flags, Mode::from_raw_mode(0o600)).map(File::from)
        })
    }

    /// A symbolic link.
    pub fn link(folder: &Rc<OwnedFd>, path: &[u8], target: &[u8]) -> Result<Self, Failed> {
        let made = Self::make(folder, path, |name| symlinkat(target, folder, name));
        made.map(|(temporary, ())| temporary)
    }

    /// Whatever `create` makes under the name it gets.
    pub fn make<T>(
        folder: &Rc<OwnedFd>,
        path: &[u8],
        create: impl Fn(&str) -> Result<T, Errno>,
    ) -> Result<(Self, T), Failed> {
        for _ in 0..TRIES {
            let mut random = [0; 8];
            getrandom(&mut random, GetRandomFlags::empty()).map_err(at("naming", path))?;
            let name = format!(".pyro-{}.tmp", hex::encode(random));
            match create(&name) {
                Ok(made) => {
                    let folder = folder.clone();
                    return Ok((
                        Self {
                            folder,
                            name: Some(name),
                        },
                        made,
                    ));
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(at("writing", path)(errno)),
            }
        }
        Err(failed("io", "no temporary name is free"))
    }

    /// Its name while it has no place.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Gives it its name, in place of what had it, or only when nothing has.
    pub fn place(mut self, last: &[u8], replace: bool, path: &[u8]) -> Result<(), Failed> {
        let (folder, name) = (&self.folder, self.name());
        let renamed = if replace {
            renameat(folder, name, folder, last)
        } else {
            renameat_with(folder, name, folder, last, RenameFlags::NOREPLACE)
        };
        renamed.map_err(at("replacing", path))?;
        self.name = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // Gone already when somebody else removed it, which is as good.
            let _ = unlinkat(&self.folder, name.as_str(), AtFlags::empty());
        }
    }
}

/// Copies all of `contents` into `file`; returns their SHA-256 in hex.
pub fn fill(file: &mut File, contents: &mut impl Read, path: &[u8]) -> Result<String, Failed> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = contents.read(&mut buffer).map_err(io("receiving", path))?;
        if count == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..count]);
        file.write_all(&buffer[..count])
            .map_err(io("writing", path))?;
    }
}
