//! Where pyro keeps things on the host, drawn once.
//!
//! ```text
//! <cache>    PYRO_ENVIRONMENT_CACHE_DIR, else $XDG_CACHE_HOME/pyro-mcp/environments,
//! |          else ~/.cache/pyro-mcp/environments
//! |- linux-x86_64/
//! |  |- debian_12-1.0.0/     one installed environment, renamed into place, owned by `environments`
//! |  |  |- environment.json  manifest: digests, sizes, package versions
//! |  |  |- rootfs.ext4       link to .images/<sha256>
//! |  |  |- vmlinux           link to .images/<sha256> (ELF)
//! |  |  |- vmlinuz           link to .images/<sha256> (bzImage)
//! |  |  `- modules.cpio      link to .images/<sha256> (modules the agent loads, in order)
//! |  `- .partial-*           an install under way; holds a lock while it lives
//! |- .images/<sha256>        immutable contents, shared by all that name them
//! |- .kernels/<key>.json     guest kernels that were compiled, owned by `environments`
//! |- .locks/<name>           advisory locks, never deleted
//! |- .prepare/linux-x86_64/  prepare manifests, owned by `prepare`
//! |- .firecracker/linux-x86_64/  an installed Firecracker, owned by `firecracker_setup`
//! |- .mirrors/<key>.git     repositories that projects are cloned from, owned by `project` (mirror.rs draws it)
//! |- .scratch/<mib>.ext4     empty writable layers to copy, owned by `vms`
//! `- .templates/<key>/       frozen VMs, owned by `templates`
//!
//! <state>    PYRO_STATE_DIR, else $XDG_STATE_HOME/pyro, else ~/.local/state/pyro
//! |- host.json               what was measured on this host boot (TSC rate, KVM proof)
//! |- host-backups/<path>      files of chat hosts as they were, where a Git work tree would
//! |                          have them, owned by `chat_hosts`
//! |- mcp-token               what clients of `mcp serve --http` send, owned by that server
//! |- exports/<id>/           what models exported of a workspace, owned by `workspaces`;
//! |                          outlives it, and goes by age with `workspace prune`
//! `- workspaces/<id>/        one workspace, owned by `workspaces` (store.rs draws it)
//! ```
//!
//! Owns: the two roots and the paths under them. Refuses: creating anything
//! but a root (0700); every other folder is made by its owner.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The one platform.
pub const PLATFORM: &str = "linux-x86_64";

/// The two roots.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Everything that can be made again.
    pub cache: PathBuf,
    /// Everything else.
    pub state: PathBuf,
}

impl Layout {
    /// Reads the environment variables; touches no file.
    ///
    /// # Errors
    /// When neither the override, the XDG variable nor HOME is set, or one is relative.
    pub fn from_env() -> Result<Self> {
        Ok(Self {
            cache: root(
                "PYRO_ENVIRONMENT_CACHE_DIR",
                "XDG_CACHE_HOME",
                ".cache",
                "pyro-mcp/environments",
            )?,
            state: root("PYRO_STATE_DIR", "XDG_STATE_HOME", ".local/state", "pyro")?,
        })
    }

    /// Folder of installed environments.
    #[must_use]
    pub fn environments(&self) -> PathBuf {
        self.cache.join(PLATFORM)
    }

    /// Folder of shared immutable contents.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.cache.join(".images")
    }

    /// Folder of records of compiled guest kernels.
    #[must_use]
    pub fn kernels(&self) -> PathBuf {
        self.cache.join(".kernels")
    }

    /// Folder of advisory locks.
    #[must_use]
    pub fn locks(&self) -> PathBuf {
        self.cache.join(".locks")
    }

    /// Folder of prepare manifests.
    #[must_use]
    pub fn prepare(&self) -> PathBuf {
        self.cache.join(".prepare").join(PLATFORM)
    }

    /// Folder of an installed Firecracker; the lookup of pyro-vmm says where.
    #[must_use]
    pub fn firecracker(&self) -> PathBuf {
        pyro_vmm::firecracker::binary::cache_folder(&self.cache)
    }

    /// Folder of repositories that projects are cloned from.
    #[must_use]
    pub fn mirrors(&self) -> PathBuf {
        self.cache.join(".mirrors")
    }

    /// Folder of empty writable layers.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.cache.join(".scratch")
    }

    /// Folder of frozen VMs.
    #[must_use]
    pub fn templates(&self) -> PathBuf {
        self.cache.join(".templates")
    }

    /// Folder of workspaces.
    #[must_use]
    pub fn workspaces(&self) -> PathBuf {
        self.state.join("workspaces")
    }

    /// Folder of what models exported, one in it for each workspace.
    #[must_use]
    pub fn exports(&self) -> PathBuf {
        self.state.join("exports")
    }

    /// Folder of chat hosts' files as they were, each by its whole path.
    #[must_use]
    pub fn host_backups(&self) -> PathBuf {
        self.state.join("host-backups")
    }

    /// Folder of images of seeds.
    #[must_use]
    pub fn baselines(&self) -> PathBuf {
        self.state.join("baselines")
    }

    /// The token of servers for models over HTTP.
    #[must_use]
    pub fn mcp_token(&self) -> PathBuf {
        self.state.join("mcp-token")
    }

    /// What was measured on this host boot.
    #[must_use]
    pub fn host_facts(&self) -> PathBuf {
        self.state.join("host.json")
    }
}

fn root(own: &str, xdg: &str, below_home: &str, below_root: &str) -> Result<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let (name, path) = if let Some(path) = set(own) {
        (own, path)
    } else if let Some(path) = set(xdg) {
        (xdg, path.join(below_root))
    } else if let Some(home) = etcetera::home_dir().ok().filter(|home| home.is_absolute()) {
        ("HOME", home.join(below_home).join(below_root))
    } else {
        return Err(Error::invalid(
            "no_home",
            "HOME is not set and this user has no home directory",
        )
        .hint(format!("set HOME, or {own} to an absolute path")));
    };
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(Error::invalid(
            "relative_root",
            format!("{name} is not an absolute path: {}", path.display()),
        )
        .hint(format!("set {name} to an absolute path")))
    }
}

/// A path as a person writes it: `~/` is the home directory.
#[must_use]
pub fn expand_home(text: &str) -> PathBuf {
    match text.strip_prefix("~/").zip(etcetera::home_dir().ok()) {
        Some((rest, home)) => home.join(rest),
        None => PathBuf::from(text),
    }
}

/// Makes a folder for this user only (0700), with its parents.
///
/// # Errors
/// Names the folder that could not be made.
pub fn make_private_dir(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::io("create", path))
}
