//! Whether the first command of the day starts at once.
//!
//! ```text
//!   (no manifest) ------------------> cold
//!   manifest of this very install --> warm
//!   any other manifest -------------> stale
//! ```
//!
//! Owns: the manifest file `<cache>/.prepare/<platform>/<name>.json`, read and
//! written. Refuses: running anything.

use crate::environments::Environment;
use crate::layout::{PLATFORM, make_private_dir};
use crate::{Error, Layout, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::PathBuf;

const LAYOUT_VERSION: u32 = 1;

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
    /// Digest of the install; absent in manifests of other programs.
    #[serde(default)]
    source_digest: Option<String>,
    prepared_at: f64,
    #[serde(default)]
    network_prepared: bool,
    #[serde(default)]
    last_prepare_duration_ms: u64,
}

impl Manifest {
    /// The first difference to what is there now.
    fn difference(&self, environment: &Environment) -> Option<String> {
        let now = Self::of(environment, false, 0);
        let pairs = [
            (
                "layout version",
                self.layout_version.to_string(),
                now.layout_version.to_string(),
            ),
            ("environment", self.environment.clone(), now.environment),
            (
                "environment version",
                self.environment_version.clone(),
                now.environment_version,
            ),
            ("platform", self.platform.clone(), now.platform),
            (
                "catalog version",
                self.catalog_version.clone(),
                now.catalog_version,
            ),
            (
                "pyro version",
                self.bundle_version.clone().unwrap_or_default(),
                now.bundle_version.unwrap_or_default(),
            ),
            (
                "digest",
                self.source_digest.clone().unwrap_or_default(),
                now.source_digest.unwrap_or_default(),
            ),
        ];
        pairs
            .into_iter()
            .find(|(_, then, now)| then != now)
            .map(|(name, then, now)| format!("the {name} was {then:?} and is {now:?}"))
    }

    fn of(environment: &Environment, network_prepared: bool, duration_ms: u64) -> Self {
        Self {
            layout_version: LAYOUT_VERSION,
            environment: environment.name.clone(),
            environment_version: environment.version.clone(),
            platform: PLATFORM.to_owned(),
            catalog_version: environment.catalog_version.clone(),
            bundle_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            source_digest: environment.source_digest.clone(),
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

/// Reads the manifest and compares it with what is installed.
#[must_use]
pub fn status(layout: &Layout, environment: &Environment) -> DailyLoop {
    let path = manifest_path(layout, &environment.name);
    let manifest = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice::<Manifest>(&bytes)
            .map(Some)
            .map_err(|error| format!("{} is damaged: {error}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    };
    let (status, reason) = match &manifest {
        Err(reason) => (Status::Stale, Some(reason.clone())),
        Ok(None) if !environment.installed => (
            Status::Cold,
            Some("the environment is not installed".to_owned()),
        ),
        Ok(None) => (
            Status::Cold,
            Some("the environment was never prepared".to_owned()),
        ),
        Ok(Some(_)) if !environment.installed => (
            Status::Stale,
            Some("the environment is no longer installed".to_owned()),
        ),
        Ok(Some(manifest)) => match manifest.difference(environment) {
            Some(reason) => (Status::Stale, Some(reason)),
            None => (Status::Warm, None),
        },
    };
    let manifest = manifest.ok().flatten();
    DailyLoop {
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
    }
}

/// Writes the manifest of a proof that just succeeded; the file is replaced
/// whole or not at all.
///
/// # Errors
/// Names the file that could not be written.
pub fn record(
    layout: &Layout,
    environment: &Environment,
    network_prepared: bool,
    duration_ms: u64,
) -> Result<()> {
    let path = manifest_path(layout, &environment.name);
    let folder = layout.prepare();
    make_private_dir(&folder)?;
    let manifest = Manifest::of(environment, network_prepared, duration_ms);
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
    use super::{Manifest, Status, manifest_path, record, status};
    use crate::{Environments, Layout};

    fn layout(folder: &std::path::Path) -> Layout {
        Layout {
            cache: folder.join("cache"),
            state: folder.join("state"),
        }
    }

    #[test]
    fn each_condition_has_its_status() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(folder.path());
        let mut environment = Environments::new(&layout).inspect("debian:12").unwrap();
        environment.installed = false;
        assert_eq!(status(&layout, &environment).status, Status::Cold);
        environment.installed = true;
        assert_eq!(status(&layout, &environment).status, Status::Cold);

        record(&layout, &environment, true, 12).unwrap();
        let warm = status(&layout, &environment);
        assert_eq!((warm.status, warm.reason), (Status::Warm, None));
        assert!(warm.network_prepared && warm.last_prepare_duration_ms == 12);

        environment.installed = false;
        assert_eq!(status(&layout, &environment).status, Status::Stale);
        environment.installed = true;
        environment.source_digest = Some("sha256:other".to_owned());
        let stale = status(&layout, &environment);
        assert_eq!(stale.status, Status::Stale);
        assert!(stale.reason.unwrap().contains("digest"));

        let path = manifest_path(&layout, "debian:12");
        std::fs::write(&path, "{").unwrap();
        assert_eq!(status(&layout, &environment).status, Status::Stale);
    }

    #[test]
    fn a_manifest_without_the_optional_fields_is_read() {
        let text = r#"{"layout_version": 1, "environment": "debian:12",
            "environment_version": "1.0.0", "platform": "linux-x86_64",
            "catalog_version": "4.5.0", "bundle_version": null, "prepared_at": 1.5}"#;
        let manifest: Manifest = serde_json::from_str(text).unwrap();
        assert!(!manifest.network_prepared && manifest.last_prepare_duration_ms == 0);
    }
}
