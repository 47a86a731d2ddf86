//! What was proven, and whether it still holds.
//!
//! ```text
//!   (no manifest) ------------------> cold
//!   manifest of these very images, agent and VMM, with a template --> warm
//!   any other manifest -------------> stale
//! ```
//!
//! Owns: the manifest file `<cache>/.prepare/<platform>/<name>.json`, read and
//! written. Refuses: running anything.

use crate::environments::{Environment, Environments, Installed};
use crate::layout::{PLATFORM, make_private_dir};
use crate::start::Templates;
use crate::{Error, Layout, Result};
use pyro_vmm::firecracker::FirecrackerBinary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

const LAYOUT_VERSION: u32 = 1;
/// A proof this old says little about today's machine.
const MAX_AGE_SECONDS: f64 = 30.0 * 86_400.0;

/// How ready an environment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Never prepared.
    Cold,
    /// Prepared, and nothing changed since.
    Warm,
    /// Prepared, but something changed since.
    Stale,
}

/// Readiness of one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DailyLoop {
    /// Catalog name.
    pub environment: String,
    /// How ready it is.
    pub status: Status,
    /// Whether the environment is installed.
    pub installed: bool,
    /// Whether guest networking was proven too.
    pub network_prepared: bool,
    /// Unix time in seconds of the last proof.
    pub prepared_at: Option<f64>,
    /// The manifest file, whether or not it exists.
    pub manifest_path: String,
    /// Why it is not warm.
    pub reason: Option<String>,
    /// Folder of the cache.
    pub cache_dir: String,
    /// Milliseconds the last proof took; 0 without one.
    #[serde(default, skip_serializing)]
    #[schemars(skip)]
    pub last_prepare_duration_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    layout_version: u32,
    environment: String,
    environment_version: String,
    platform: String,
    catalog_version: String,
    bundle_version: Option<String>,
    /// Of everything a warm start rests on, by what it is; absent in
    /// manifests of other programs.
    #[serde(default)]
    digests: BTreeMap<String, String>,
    prepared_at: f64,
    #[serde(default)]
    network_prepared: bool,
    #[serde(default)]
    last_prepare_duration_ms: u64,
}

impl Manifest {
    /// The first difference to what is there now.
    fn difference(&self, now: &Self) -> Option<String> {
        let none = String::new;
        let mut pairs = vec![
            (
                "layout version",
                self.layout_version.to_string(),
                now.layout_version.to_string(),
            ),
            (
                "environment",
                self.environment.clone(),
                now.environment.clone(),
            ),
            (
                "environment version",
                self.environment_version.clone(),
                now.environment_version.clone(),
            ),
            ("platform", self.platform.clone(), now.platform.clone()),
            (
                "catalog version",
                self.catalog_version.clone(),
                now.catalog_version.clone(),
            ),
            (
                "pyro version",
                self.bundle_version.clone().unwrap_or_default(),
                now.bundle_version.clone().unwrap_or_default(),
            ),
        ];
        for (name, digest) in &now.digests {
            pairs.push((
                name,
                self.digests.get(name).cloned().unwrap_or_else(none),
                digest.clone(),
            ));
        }
        if now.prepared_at - self.prepared_at > MAX_AGE_SECONDS {
            return Some("it was prepared more than 30 days ago".to_owned());
        }
        pairs
            .into_iter()
            .find(|(_, then, now)| then != now)
            .map(|(name, then, now)| format!("the {name} was {then:?} and is {now:?}"))
    }

    fn of(
        layout: &Layout,
        environment: &Environment,
        installed: &Installed,
        duration_ms: u64,
        network_prepared: bool,
    ) -> Self {
        let mut digests: BTreeMap<String, String> = [
            ("rootfs", &installed.rootfs),
            ("kernel", &installed.kernel),
            ("modules", &installed.modules),
        ]
        .into_iter()
        .map(|(name, image)| (name.to_owned(), image.digest.clone()))
        .collect();
        digests.insert("agent".into(), pyro_vmm::agent::SHA256.to_owned());
        if let Ok(binary) = pyro_vmm::qemu::QemuBinary::find() {
            digests.insert("qemu".into(), binary.identity);
        }
        if let Ok(binary) = FirecrackerBinary::find(&layout.cache) {
            digests.insert("firecracker".into(), binary.identity);
        }
        Self {
            layout_version: LAYOUT_VERSION,
            environment: environment.name.clone(),
            environment_version: environment.version.clone(),
            platform: PLATFORM.to_owned(),
            catalog_version: environment.catalog_version.clone(),
            bundle_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            digests,
            prepared_at: now(),
            network_prepared,
            last_prepare_duration_ms: duration_ms,
        }
    }
}

fn now() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

fn manifest_path(layout: &Layout, environment: &str) -> PathBuf {
    let name = environment.replace([':', '/'], "_");
    layout.prepare().join(format!("{name}.json"))
}

/// Reads the manifest and compares it with what is there.
///
/// # Errors
/// `unknown_environment`; everything else is a status with its reason.
pub fn status(layout: &Layout, environments: &Environments, name: &str) -> Result<DailyLoop> {
    let environment = environments.inspect(name)?;
    let path = manifest_path(layout, &environment.name);
    let manifest = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice::<Manifest>(&bytes)
            .map(Some)
            .map_err(|error| format!("{} is damaged: {error}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    };
    let (status, reason) = judge(layout, environments, &environment, &manifest);
    let manifest = manifest.ok().flatten();
    Ok(DailyLoop {
        environment: environment.name.clone(),
        status,
        installed: environment.installed,
        network_prepared: manifest
            .as_ref()
            .is_some_and(|manifest| manifest.network_prepared),
        prepared_at: manifest.as_ref().map(|manifest| manifest.prepared_at),
        manifest_path: path.display().to_string(),
        reason,
        cache_dir: layout.cache.display().to_string(),
        last_prepare_duration_ms: manifest.map_or(0, |manifest| manifest.last_prepare_duration_ms),
    })
}

fn judge(
    layout: &Layout,
    environments: &Environments,
    environment: &Environment,
    manifest: &Result<Option<Manifest>, String>,
) -> (Status, Option<String>) {
    let because = |status, reason: &str| (status, Some(reason.to_owned()));
    let manifest = match manifest {
        Err(reason) => return because(Status::Stale, reason),
        Ok(None) if !environment.installed => {
            return because(Status::Cold, "the environment is not installed");
        }
        Ok(None) => return because(Status::Cold, "the environment was never prepared"),
        Ok(Some(_)) if !environment.installed => {
            return because(Status::Stale, "the environment is no longer installed");
        }
        Ok(Some(manifest)) => manifest,
    };
    let installed = match environments.open(&environment.name) {
        Ok(installed) => installed,
        Err(error) => return because(Status::Stale, &error.message),
    };
    if let Some(reason) =
        manifest.difference(&Manifest::of(layout, environment, &installed, 0, false))
    {
        return because(Status::Stale, &reason);
    }
    let images = [&installed.rootfs, &installed.kernel, &installed.modules];
    let has_template = Templates::new(layout).list().iter().any(|info| {
        images
            .iter()
            .all(|image| info.images.contains(&image.digest))
    });
    if !has_template {
        return because(Status::Stale, "its template is gone");
    }
    (Status::Warm, None)
}

/// Writes the manifest of a proof that just succeeded; the file is replaced
/// whole or not at all.
///
/// # Errors
/// Names the file that could not be written.
pub(super) fn record(
    layout: &Layout,
    environment: &Environment,
    installed: &Installed,
    duration_ms: u64,
    network_prepared: bool,
) -> Result<()> {
    let path = manifest_path(layout, &environment.name);
    let folder = layout.prepare();
    make_private_dir(&folder)?;
    let manifest = Manifest::of(
        layout,
        environment,
        installed,
        duration_ms,
        network_prepared,
    );
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        serde_json::to_writer_pretty(&mut file, &manifest)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        std::fs::File::open(&folder)?.sync_all()
    };
    write().map_err(Error::io("write", &path))
}

#[cfg(test)]
mod tests {
    use super::{MAX_AGE_SECONDS, Manifest, Status, manifest_path, status};
    use crate::{Environments, Layout};

    fn manifest() -> Manifest {
        let text = r#"{"layout_version": 1, "environment": "debian:12",
            "environment_version": "1.0.0", "platform": "linux-x86_64",
            "catalog_version": "4.5.0", "bundle_version": null, "prepared_at": 1.5}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_manifest_without_the_optional_fields_is_read() {
        let manifest = manifest();
        assert!(!manifest.network_prepared);
        assert_eq!(manifest.last_prepare_duration_ms, 0);
    }

    #[test]
    fn every_difference_is_named() {
        let (then, mut now) = (manifest(), manifest());
        assert_eq!(then.difference(&now), None);
        now.digests.insert("agent".into(), "new".into());
        assert!(then.difference(&now).unwrap().contains("the agent was"));
        let mut now = manifest();
        now.prepared_at += MAX_AGE_SECONDS + 1.0;
        assert!(then.difference(&now).unwrap().contains("30 days"));
    }

    #[test]
    fn without_an_install_it_is_cold_or_stale() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout {
            cache: folder.path().join("cache"),
            state: folder.path().join("state"),
        };
        let environments = Environments::new(&layout);
        let now = || status(&layout, &environments, "debian:12").unwrap();
        assert_eq!(now().status, Status::Cold);
        let path = manifest_path(&layout, "debian:12");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "{").unwrap();
        assert_eq!(now().status, Status::Stale);
        std::fs::write(&path, serde_json::to_vec(&manifest()).unwrap()).unwrap();
        assert!(now().reason.unwrap().contains("no longer installed"));
    }
}
