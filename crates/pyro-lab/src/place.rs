//! Where the lab keeps things, drawn once.
//!
//! ```text
//! target/lab/                 PYRO_LAB_DIR overrides
//! |- root-<digest>/           environment cache of the lab's own root file system
//! |- state/                   host facts
//! |- firecracker/             firecracker, jailer (ci/install-firecracker)
//! |- qemu/                    a newer QEMU than the system's, if need be (ci/install-lab-qemu)
//! |- environments.ext4        drive with the environments that guests in the lab use
//! |- programs.ext4            drive with pyro, firecracker, jailer and tests
//! |- *.inputs                 digest of what the drive beside it was made of
//! |- build.lock               held while any of them is made
//! |- background.socket        the background lab listens here
//! |- background.lock          held while it lives
//! `- background.log           what it had to say
//! ```
//!
//! Owns: these names. Refuses: the user's own cache and state.

use pyro_engine::layout::make_private_dir;
use pyro_engine::{Error, Layout, Result};
use std::path::{Path, PathBuf};

/// The lab's folder.
#[derive(Clone, Debug)]
pub struct Place {
    folder: PathBuf,
}

impl Place {
    /// Makes the folder when it is missing.
    pub fn open() -> Result<Self> {
        let folder = std::env::var_os("PYRO_LAB_DIR")
            .filter(|value| !value.is_empty())
            .map_or_else(|| workspace().join("target/lab"), PathBuf::from);
        make_private_dir(&folder)?;
        let folder = folder
            .canonicalize()
            .map_err(Error::io("resolve", &folder))?;
        Ok(Self { folder })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Cache and state of the lab machine itself; a recipe that changed gets
    /// another cache.
    pub fn layout(&self) -> Layout {
        let digest = crate::recipe::LAB.digest();
        let digest = digest.trim_start_matches("sha256:");
        Layout {
            cache: self.folder.join(format!("root-{}", &digest[..12])),
            state: self.folder.join("state"),
        }
    }

    /// Cache of the environments that guests in the lab use: the tests' own,
    /// unless one is named.
    pub fn environments(&self) -> Result<Layout> {
        let named = std::env::var_os("PYRO_ENVIRONMENT_CACHE_DIR");
        let cache = match named.filter(|value| !value.is_empty()) {
            Some(_) => Layout::from_env()?.cache,
            None => workspace().join("target/test-cache"),
        };
        Ok(Layout {
            cache,
            ..self.layout()
        })
    }
}

/// The checkout this program was built from.
pub fn workspace() -> PathBuf {
    let below = Path::new(env!("CARGO_MANIFEST_DIR"));
    below.ancestors().nth(2).unwrap_or(below).to_owned()
}
