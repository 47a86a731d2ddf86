//! Environments: the guest's root file system, kernel and modules, built from
//! signed Debian packages and kept in a cache.
//!
//! Owns: the catalog, the cache below [`crate::layout`]'s `linux-x86_64/`,
//! `.images/` and `.locks/`, and what the doors call `env`.
//! Refuses: starting VMs and preparing templates; copying or hashing an
//! image when a VM starts ([`Environments::open`] looks at four files and
//! opens them).
//!
//! ```text
//! catalog --build--> partial folder --images, installs--> cache --open--> VM
//!                                                           |
//!                                              verify, prune, pull (repair)
//! ```

mod build;
mod catalog;
pub mod cpio;
mod guest_kernel;
mod images;
mod installs;
pub mod kernel;
mod locks;
mod minimal;
pub mod modules;
pub mod payloads;
mod prune;
#[cfg(test)]
mod tests;

pub use catalog::{CATALOG_VERSION, Recipe};
pub use guest_kernel::GuestKernel;
pub use images::Image;
pub use payloads::{
    Environment, EnvironmentList, Pruned, PulledEnvironment, Verified, VerifiedFile,
};
pub use prune::Holder;

use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::layout::{Layout, PLATFORM};
use build::Built;
use images::Stored;
use installs::{Found, Manifest};
use locks::{Lock, Partial};
use std::time::{SystemTime, UNIX_EPOCH};

/// Whether a name is in the catalog; touches no file.
///
/// # Errors
/// `unknown_environment`, listing the known ones.
pub fn known(name: &str) -> Result<()> {
    catalog::find(name).map(drop)
}

/// Installed and installable environments.
#[derive(Clone, Debug)]
pub struct Environments {
    layout: Layout,
}

/// An installed environment, open for use. While it lives, its images stay.
#[derive(Debug)]
pub struct Installed {
    /// Catalog name.
    pub name: String,
    /// Version of the environment.
    pub version: String,
    /// Root file system: ext4 without a journal, never written to.
    pub rootfs: Image,
    /// Kernel as ELF.
    pub kernel: Image,
    /// Kernel as bzImage.
    pub kernel_bzimage: Image,
    /// `mods/NNN-name.ko` in load order, uncompressed cpio.
    pub modules: Image,
    /// Release of the kernel, as `uname -r` says it.
    pub kernel_release: String,
    /// Which kernel it is.
    pub guest_kernel: GuestKernel,
}

impl Environments {
    /// The environments of this cache; touches no file.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            layout: layout.clone(),
        }
    }

    /// The catalog, with what is installed. Needs nothing to exist.
    ///
    /// # Errors
    /// None today; kept for catalogs that are files.
    pub fn list(&self) -> Result<EnvironmentList> {
        Ok(EnvironmentList {
            catalog_version: CATALOG_VERSION.to_owned(),
            environments: catalog::all()
                .iter()
                .map(|recipe| self.describe(recipe))
                .collect(),
        })
    }

    /// One environment of the catalog.
    ///
    /// # Errors
    /// `unknown_environment`.
    pub fn inspect(&self, name: &str) -> Result<Environment> {
        Ok(self.describe(catalog::find(name)?))
    }

    /// Installs the environment when it is not; repairs it when it is damaged.
    /// A valid install is not touched, so that it works on a read-only cache.
    ///
    /// # Errors
    /// `unknown_environment`, everything of a build, `read_only`, `cancelled`.
    pub fn pull(
        &self,
        name: &str,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<PulledEnvironment> {
        self.pull_recipe(catalog::find(name)?, events, cancel)
    }

    fn pull_recipe(
        &self,
        recipe: &Recipe,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<PulledEnvironment> {
        phase(events, "install", recipe);
        let source = if self.is_valid(recipe) {
            "cache"
        } else {
            self.install(recipe, None, events, cancel)?
        };
        phase(events, "ready", recipe);
        Ok(self.pulled(recipe, source))
    }

    /// Builds the environment anew, installed or not, with this kernel.
    ///
    /// # Errors
    /// As [`Self::pull`].
    pub fn build(
        &self,
        name: &str,
        guest_kernel: GuestKernel,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<PulledEnvironment> {
        let recipe = catalog::find(name)?;
        phase(events, "install", recipe);
        let source = self.install(recipe, Some(guest_kernel), events, cancel)?;
        phase(events, "ready", recipe);
        Ok(self.pulled(recipe, source))
    }

    /// Removes broken, unknown and outdated installs, what dead installs left,
    /// and images that nothing names.
    ///
    /// # Errors
    /// `images_in_use`, naming who uses them; then nothing was removed.
    pub fn prune(&self, holders: &[Holder]) -> Result<Pruned> {
        prune::prune(&self.layout, holders)
    }

    /// Reads every byte of an install.
    ///
    /// # Errors
    /// `environment_not_installed`; `damaged_environment`, naming every
    /// damaged file; `unknown_environment`.
    pub fn verify(&self, name: &str) -> Result<Verified> {
        let recipe = catalog::find(name)?;
        let manifest = match installs::find(&self.layout, recipe) {
            Found::Absent => return Err(not_installed(name)),
            Found::Valid(manifest) => manifest,
            Found::Damaged(problems) => return Err(installs::damaged(name, &problems)),
        };
        let problems = installs::check(&self.layout, &manifest, &Cancel::default())?;
        if !problems.is_empty() {
            return Err(installs::damaged(name, &problems));
        }
        let files = manifest
            .files
            .into_iter()
            .map(|(name, stamp)| VerifiedFile {
                name,
                digest: stamp.digest,
                size_bytes: stamp.size_bytes,
            });
        Ok(Verified {
            name: manifest.name,
            version: manifest.version,
            source: manifest.source,
            kernel_release: manifest.kernel_release,
            files: files.collect(),
        })
    }

    /// Opens an installed environment: stat and open, no hashing, no copying,
    /// nothing written.
    ///
    /// # Errors
    /// `environment_not_installed`, `damaged_environment`, `unknown_environment`.
    pub fn open(&self, name: &str) -> Result<Installed> {
        self.open_recipe(catalog::find(name)?)
    }

    fn open_recipe(&self, recipe: &Recipe) -> Result<Installed> {
        let manifest = match installs::find(&self.layout, recipe) {
            Found::Absent => return Err(not_installed(recipe.name)),
            Found::Valid(manifest) => manifest,
            Found::Damaged(problems) => return Err(installs::damaged(recipe.name, &problems)),
        };
        let image = |file| installs::open(&self.layout, &manifest, file);
        Ok(Installed {
            rootfs: image(installs::ROOTFS)?,
            kernel: image(installs::KERNEL)?,
            kernel_bzimage: image(installs::KERNEL_BZIMAGE)?,
            modules: image(installs::MODULES)?,
            name: manifest.name,
            version: manifest.version,
            kernel_release: manifest.kernel_release,
            guest_kernel: manifest.guest_kernel,
        })
    }

    /// Opens the environment, pulling it first when it is not installed. One
    /// that is damaged is not replaced on the way to a VM: whoever asked for
    /// it should know that something changed its images.
    ///
    /// # Errors
    /// As [`Self::pull`] and [`Self::open`].
    pub fn ensure(&self, name: &str, events: &dyn EventSink, cancel: &Cancel) -> Result<Installed> {
        self.ensure_recipe(catalog::find(name)?, events, cancel)
    }

    /// As [`Self::ensure`], for a recipe that need not be in the catalog: then
    /// `list` does not show it, and a prune of this cache removes it.
    ///
    /// # Errors
    /// As [`Self::ensure`].
    pub fn ensure_recipe(
        &self,
        recipe: &Recipe,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Installed> {
        match self.open_recipe(recipe) {
            Err(error) if error.code == "environment_not_installed" => {
                self.pull_recipe(recipe, events, cancel)?;
                self.open_recipe(recipe)
            }
            other => other,
        }
    }

    fn is_valid(&self, recipe: &Recipe) -> bool {
        matches!(installs::find(&self.layout, recipe), Found::Valid(_))
    }

    /// Says where it came from. With a kernel it is built anew; without one it
    /// is repaired, and keeps the kernel it had.
    fn install(
        &self,
        recipe: &Recipe,
        anew: Option<GuestKernel>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<&'static str> {
        let layout = &self.layout;
        let notice = format!("another pyro is installing {}; waiting for it", recipe.name);
        let waiting = Some((events, notice.as_str()));
        let _lock = Lock::take(layout, &recipe.file_name(), waiting, cancel)?;
        let guest_kernel = if let Some(guest_kernel) = anew {
            guest_kernel
        } else {
            if self.is_valid(recipe) {
                return Ok("cache");
            }
            // a copied or restored cache has new inodes and the same bytes
            let manifest = installs::read(&installs::folder(layout, recipe)).ok();
            let had = manifest.as_ref().map(|manifest| manifest.guest_kernel);
            if let Some(manifest) = manifest
                && manifest.name == recipe.name
                && manifest.version == recipe.version
                && installs::check(layout, &manifest, cancel)?.is_empty()
            {
                self.take_over(recipe, manifest, cancel)?;
                return Ok("cache");
            }
            had.unwrap_or_default()
        };
        let partial = Partial::make(layout, &recipe.file_name(), cancel)?;
        let built = build::build(layout, recipe, guest_kernel, &partial.path, events, cancel)?;
        self.keep(recipe, built, &partial, cancel)?;
        build::finished(recipe, events);
        Ok("mmdebstrap")
    }

    fn take_over(&self, recipe: &Recipe, mut manifest: Manifest, cancel: &Cancel) -> Result<()> {
        let partial = Partial::make(&self.layout, &recipe.file_name(), cancel)?;
        let _store = Lock::store(&self.layout, cancel)?;
        for stamp in manifest.files.values_mut() {
            *stamp = images::stamp(&self.layout, &stamp.digest)?;
        }
        installs::publish(&self.layout, recipe, &manifest, &partial.path)
    }

    fn keep(
        &self,
        recipe: &Recipe,
        built: Built,
        partial: &Partial,
        cancel: &Cancel,
    ) -> Result<()> {
        let layout = &self.layout;
        let mut manifest = Manifest {
            catalog_version: CATALOG_VERSION.to_owned(),
            name: recipe.name.to_owned(),
            version: recipe.version.to_owned(),
            source: "mmdebstrap".to_owned(),
            source_digest: Some(recipe.digest()),
            installed_at: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0.0, |time| time.as_secs_f64()),
            guest_kernel: built.guest_kernel,
            kernel_release: built.kernel_release,
            kernel_package: built.kernel_package,
            kernel_package_version: built.kernel_package_version,
            packages: built.packages,
            files: std::collections::BTreeMap::new(),
        };
        // the long part, before anybody else has to wait
        let mut digests = Vec::new();
        for name in installs::FILES {
            let path = partial.path.join(name);
            digests.push((name, images::digest(&path, cancel)?, path));
        }
        let _store = Lock::store(layout, cancel)?;
        for (name, digest, path) in digests {
            let Stored { stamp, replaced } = images::store(layout, &path, digest, cancel)?;
            if replaced {
                installs::restamp(layout, catalog::all(), &stamp)?;
            }
            manifest.files.insert(name.to_owned(), stamp);
        }
        installs::publish(layout, recipe, &manifest, &partial.path)
    }

    fn describe(&self, recipe: &Recipe) -> Environment {
        let folder = installs::folder(&self.layout, recipe);
        let guest_kernel = match installs::find(&self.layout, recipe) {
            Found::Valid(manifest) => Some(manifest.guest_kernel),
            Found::Absent | Found::Damaged(_) => None,
        };
        let installed = guest_kernel.is_some();
        let manifest = folder.join(installs::MANIFEST).display().to_string();
        Environment {
            name: recipe.name.to_owned(),
            version: recipe.version.to_owned(),
            description: recipe.description.to_owned(),
            distribution: recipe.distribution.to_owned(),
            distribution_version: recipe.distribution_version.to_owned(),
            platform: PLATFORM.to_owned(),
            default_packages: recipe
                .default_packages
                .iter()
                .map(|&p| p.to_owned())
                .collect(),
            oci_registry: None,
            oci_repository: None,
            oci_reference: None,
            source_digest: Some(recipe.digest()),
            compatibility: recipe.compatibility.to_owned(),
            catalog_version: CATALOG_VERSION.to_owned(),
            installed,
            guest_kernel,
            cache_dir: self.layout.cache.display().to_string(),
            install_dir: folder.display().to_string(),
            install_manifest: installed.then_some(manifest),
        }
    }

    fn pulled(&self, recipe: &Recipe, source: &str) -> PulledEnvironment {
        let folder = installs::folder(&self.layout, recipe);
        PulledEnvironment {
            environment: self.describe(recipe),
            kernel_image: folder.join(installs::KERNEL).display().to_string(),
            rootfs_image: folder.join(installs::ROOTFS).display().to_string(),
            source: source.to_owned(),
        }
    }
}

fn phase(events: &dyn EventSink, name: &'static str, recipe: &Recipe) {
    events.event(Event::Phase {
        prefix: "pull",
        name,
        fields: vec![("environment", recipe.name.to_owned())],
    });
}

fn not_installed(name: &str) -> Error {
    Error::runtime(
        "environment_not_installed",
        format!("environment {name} is not installed"),
    )
    .hint(format!("`pyro env pull {name}` installs it"))
}

fn cancelled() -> Error {
    Error::runtime("cancelled", "cancelled; nothing was left behind")
}
