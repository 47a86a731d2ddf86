//! Builds an environment from signed Debian packages.
//!
//! Owns: the recipe's way from packages to four files in a partial folder.
//! Refuses: storing them ([`super::images`], [`super::installs`]) and trusting
//! what the tools wrote: it is parsed with bounds.
//!
//! ```text
//! a minimal kernel: vmlinuz and modules.builtin come from `minimal` first
//! pyro --pipe--> unshare --> PID 1: build.sh --> mmdebstrap --> mke2fs
//!   ^                          tree on a tmpfs that only they see
//!   `-- lines of output        partial folder: rootfs.ext4 vmlinuz modules/
//! then, in pyro:  vmlinuz -> vmlinux (ELF),  modules/ -> modules.cpio
//! ```

pub(super) mod failure;
pub(super) mod namespaces;
mod progress;
mod sources;

pub use namespaces::remove_tree;
pub use progress::finished;

use super::catalog::Recipe;
use super::guest_kernel::GuestKernel;
use super::{installs, kernel, minimal, modules};
use crate::error::{Error, Result};
use crate::events::{Cancel, EventSink};
use crate::layout::Layout;
use namespaces::Job;
use progress::Progress;
use std::collections::BTreeMap;
use std::path::Path;

const SCRIPT: &str = include_str!("build.sh");
/// Kernel and modules beside the images while they are sorted.
const BESIDE_IMAGES_MIB: u64 = 320;

/// What a build left in the partial folder, besides the files.
#[derive(Debug)]
pub struct Built {
    pub guest_kernel: GuestKernel,
    pub kernel_release: String,
    pub kernel_package: String,
    pub kernel_package_version: String,
    pub packages: BTreeMap<String, String>,
}

/// Builds into `partial`, which then holds [`installs::FILES`].
///
/// # Errors
/// A missing tool, no network, no space, `build_failed`, `cancelled`.
pub fn build(
    layout: &Layout,
    recipe: &Recipe,
    guest_kernel: GuestKernel,
    partial: &Path,
    events: &dyn EventSink,
    cancel: &Cancel,
) -> Result<Built> {
    let sources = sources::from_env(recipe.suite, events)?;
    let minimal = match guest_kernel {
        GuestKernel::Debian => None,
        GuestKernel::Minimal => Some(minimal::obtain(
            layout, recipe, &sources, partial, events, cancel,
        )?),
    };
    let mut progress = Progress::new(recipe.name, events);
    let job = Job {
        name: recipe.name,
        script: SCRIPT,
        partial,
        tree_mib: recipe.tree_mib,
        results_mib: recipe.image_mib + BESIDE_IMAGES_MIB,
        variables: &[
            ("P_SUITE", recipe.suite),
            ("P_SOURCES", &sources),
            ("P_INCLUDE", &recipe.packages().join(",")),
            (
                "P_KERNEL",
                if minimal.is_some() {
                    ""
                } else {
                    recipe.kernel_package
                },
            ),
            (
                "P_RELEASE",
                minimal.as_ref().map_or("", |kernel| &kernel.release),
            ),
        ],
    };
    let outcome = namespaces::run(&job, cancel, |line| {
        progress.line(line);
        Ok(())
    })?;
    if !outcome.success {
        return Err(failure::explain(recipe.name, &outcome.tail));
    }
    let text = |name: &str| {
        let path = partial.join(name);
        std::fs::read_to_string(&path).map_err(Error::io("read", &path))
    };
    let (kernel_package, kernel_package_version) = match minimal {
        Some(kernel) => (kernel.package, kernel.package_version),
        None => {
            let kernel = text("kernel")?;
            let field = |name: &str| {
                let value = kernel.lines().find_map(|line| line.strip_prefix(name));
                value.unwrap_or("unknown").trim().to_owned()
            };
            (field("Package:"), field("Version:"))
        }
    };
    let built = Built {
        guest_kernel,
        kernel_release: progress.kernel_release().to_owned(),
        kernel_package,
        kernel_package_version,
        packages: text("packages")?
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect(),
    };
    unpack_kernel(partial)?;
    modules::write_archive(
        &partial.join("modules"),
        &modules::WANTED,
        &partial.join(installs::MODULES),
    )?;
    Ok(built)
}

fn unpack_kernel(partial: &Path) -> Result<()> {
    let from = partial.join(installs::KERNEL_BZIMAGE);
    let to = partial.join(installs::KERNEL);
    let image = std::fs::read(&from).map_err(Error::io("read", &from))?;
    let elf = kernel::elf(&image).map_err(|error| {
        Error::runtime("build_failed", format!("{}: {error}", from.display())).source(error)
    })?;
    std::fs::write(&to, &elf).map_err(Error::io("write", &to))
}
