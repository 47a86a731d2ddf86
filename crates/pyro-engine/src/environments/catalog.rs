//! The environments there are, as recipes.
//!
//! Owns: names (stable identifiers), packages, versions.
//! Refuses: knowing what is installed, and any address of a mirror or registry.

use crate::error::{Error, Result};
use crate::layout::PLATFORM;
use sha2::{Digest, Sha256};

/// Version of the catalog: the crate's version without its pre-release part.
pub const CATALOG_VERSION: &str = "5.0.0";

/// Packages every environment gets besides its own, on top of Debian's
/// `minbase` (essential packages and apt):
/// - ca-certificates: git, pip and others speak TLS
/// - iproute2: `ip` and `ss`, to look at the network and at listening ports
/// - kmod: `modprobe`, for modules beyond those the agent loads (fuse, tun, nftables)
/// - netbase: /etc/services and /etc/protocols, which resolvers read
/// - procps: `ps`, `pkill`, `free`, which every agent tries first
const COMMON: [&str; 5] = ["ca-certificates", "iproute2", "kmod", "netbase", "procps"];

/// How one environment is made.
#[derive(Debug)]
pub struct Recipe {
    /// Stable name, for example `debian:12`.
    pub name: &'static str,
    /// Version of the recipe.
    pub version: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// Distribution.
    pub distribution: &'static str,
    /// Its version.
    pub distribution_version: &'static str,
    /// Suite that apt knows.
    pub suite: &'static str,
    /// Package that names the kernel.
    pub kernel_package: &'static str,
    /// What the contract promises to be there.
    pub default_packages: &'static [&'static str],
    /// What makes it useful, besides [`COMMON`].
    pub extra_packages: &'static [&'static str],
    /// Versions of pyro it works with.
    pub compatibility: &'static str,
    /// Memory the build's tree needs at its largest.
    pub tree_mib: u64,
    /// Disk the images need.
    pub image_mib: u64,
}

const DEBIAN_12: Recipe = Recipe {
    name: "debian:12",
    version: "1.0.0",
    description: "Debian 12 with Git, for everyday agent work.",
    distribution: "debian",
    distribution_version: "12",
    suite: "bookworm",
    kernel_package: "linux-image-cloud-amd64",
    default_packages: &["bash", "coreutils", "git"],
    extra_packages: &[],
    compatibility: ">=5.0.0,<6.0.0",
    tree_mib: 1280,
    image_mib: 640,
};

static RECIPES: [Recipe; 3] = [
    DEBIAN_12,
    Recipe {
        name: "debian:12-base",
        description: "Debian 12 with little more than a shell and the core utilities.",
        default_packages: &["bash", "coreutils"],
        tree_mib: 1024,
        image_mib: 512,
        ..DEBIAN_12
    },
    Recipe {
        name: "debian:12-build",
        description: "Debian 12 with Git, a C and C++ toolchain, make, cmake and Python 3.",
        default_packages: &[
            "bash",
            "coreutils",
            "git",
            "gcc",
            "make",
            "cmake",
            "python3",
        ],
        // gcc alone links nothing: libc6-dev has the headers and crt1.o
        extra_packages: &["g++", "libc6-dev"],
        tree_mib: 3072,
        image_mib: 1536,
        ..DEBIAN_12
    },
];

/// All recipes, in the order to show.
pub fn all() -> &'static [Recipe] {
    &RECIPES
}

/// The recipe called `name`.
///
/// # Errors
/// `unknown_environment`, listing the known ones.
pub fn find(name: &str) -> Result<&'static Recipe> {
    RECIPES
        .iter()
        .find(|recipe| recipe.name == name)
        .ok_or_else(|| {
            let known: Vec<&str> = RECIPES.iter().map(|recipe| recipe.name).collect();
            Error::invalid(
                "unknown_environment",
                format!(
                    "unknown environment {name:?}; the known ones are {}",
                    known.join(", ")
                ),
            )
            .hint("see `pyro env list`")
        })
}

impl Recipe {
    /// Every package to ask for, sorted, each once.
    pub fn packages(&self) -> Vec<&'static str> {
        let mut packages: Vec<&str> =
            [self.default_packages, self.extra_packages, &COMMON].concat();
        packages.sort_unstable();
        packages.dedup();
        packages
    }

    /// Digest of everything that decides the content, except the packages' versions.
    pub fn digest(&self) -> String {
        let text = format!(
            "{}\n{}\n{}\n{}\n{PLATFORM}\n{}\n",
            self.name,
            self.version,
            self.suite,
            self.kernel_package,
            self.packages().join(" ")
        );
        format!("sha256:{}", hex::encode(Sha256::digest(text)))
    }

    /// The name as part of a file name.
    pub fn file_name(&self) -> String {
        self.name.replace([':', '/'], "_")
    }

    /// Name of the install folder.
    pub fn folder(&self) -> String {
        format!("{}-{}", self.file_name(), self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_version_is_the_crates_version_core() {
        let core = env!("CARGO_PKG_VERSION").split('-').next();
        assert_eq!(core, Some(CATALOG_VERSION));
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = find("debian:11").expect_err("unknown");
        assert_eq!(error.code, "unknown_environment");
        for recipe in all() {
            assert!(error.message.contains(recipe.name), "{error}");
        }
    }

    #[test]
    fn packages_and_folders_are_as_the_contract_says() {
        let build = find("debian:12-build").expect("known");
        assert_eq!(build.folder(), "debian_12-build-1.0.0");
        for package in build.default_packages {
            assert!(build.packages().contains(package));
        }
        assert_ne!(
            build.digest(),
            find("debian:12").expect("known").digest(),
            "the digest covers the packages"
        );
    }
}
