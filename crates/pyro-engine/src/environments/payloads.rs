//! What the environment operations return, as the contract's payloads.md §4
//! says. The doc comments become the descriptions of the JSON schemas.
//!
//! Owns: the fields. Refuses: finding their values.

use super::guest_kernel::GuestKernel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One environment of the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Catalog name, for example `debian:12`.
    pub name: String,
    /// Version of the environment.
    pub version: String,
    /// What it is for.
    pub description: String,
    /// Distribution of the guest.
    pub distribution: String,
    /// Version of the distribution.
    pub distribution_version: String,
    /// Platform of the guest.
    pub platform: String,
    /// Packages that are promised to be installed.
    pub default_packages: Vec<String>,
    /// OCI registry to pull from, when one is configured.
    pub oci_registry: Option<String>,
    /// OCI repository to pull from, when one is configured.
    pub oci_repository: Option<String>,
    /// OCI tag to pull, when one is configured.
    pub oci_reference: Option<String>,
    /// Digest of the recipe it is built from.
    pub source_digest: Option<String>,
    /// Versions of pyro it works with.
    pub compatibility: String,
    /// Version of the catalog that names it.
    pub catalog_version: String,
    /// Whether it is in the cache, complete and unaltered.
    pub installed: bool,
    /// Kernel it boots; only when installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_kernel: Option<GuestKernel>,
    /// Root of the environment cache.
    pub cache_dir: String,
    /// Folder it is, or would be, installed in.
    pub install_dir: String,
    /// Path of the install manifest; only when installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install_manifest: Option<String>,
}

/// The catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentList {
    /// Version of the catalog.
    pub catalog_version: String,
    /// Every environment, installed or not.
    pub environments: Vec<Environment>,
}

/// An environment that is installed now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PulledEnvironment {
    /// The environment.
    #[serde(flatten)]
    pub environment: Environment,
    /// Path of its kernel.
    pub kernel_image: String,
    /// Path of its root file system.
    pub rootfs_image: String,
    /// Where it came from: `cache` when nothing had to be done, `mmdebstrap`
    /// when it was built from Debian packages.
    pub source: String,
}

/// What pruning removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pruned {
    /// Environment folders removed, sorted.
    pub deleted_environment_dirs: Vec<String>,
    /// Digests of the images removed, sorted.
    pub deleted_images: Vec<String>,
    /// Disk space given back.
    pub freed_bytes: u64,
    /// Number of environment folders removed.
    pub count: usize,
}

/// An environment whose every byte is what its manifest says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verified {
    /// Catalog name.
    pub name: String,
    /// Version of the environment.
    pub version: String,
    /// Where it came from when it was installed.
    pub source: String,
    /// Release of its kernel.
    pub kernel_release: String,
    /// Its files, sorted by name.
    pub files: Vec<VerifiedFile>,
}

/// One file that was read in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerifiedFile {
    /// Name in the install folder.
    pub name: String,
    /// SHA-256 in lowercase hex.
    pub digest: String,
    /// Size in bytes.
    pub size_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(manifest: Option<&str>) -> Environment {
        let text = String::new;
        Environment {
            name: text(),
            version: text(),
            description: text(),
            distribution: text(),
            distribution_version: text(),
            platform: text(),
            default_packages: Vec::new(),
            oci_registry: None,
            oci_repository: None,
            oci_reference: None,
            source_digest: None,
            compatibility: text(),
            catalog_version: text(),
            installed: manifest.is_some(),
            guest_kernel: manifest.map(|_| GuestKernel::Minimal),
            cache_dir: text(),
            install_dir: text(),
            install_manifest: manifest.map(str::to_owned),
        }
    }

    #[test]
    fn fields_are_the_contracts_and_the_guest_kernel() {
        let pulled = PulledEnvironment {
            environment: environment(Some("m")),
            kernel_image: String::new(),
            rootfs_image: String::new(),
            source: "cache".to_owned(),
        };
        let json = serde_json::to_value(&pulled).expect("serializes");
        let fields: Vec<&String> = json.as_object().expect("object").keys().collect();
        assert_eq!(
            fields.iter().map(|f| f.as_str()).collect::<Vec<_>>(),
            [
                "cache_dir",
                "catalog_version",
                "compatibility",
                "default_packages",
                "description",
                "distribution",
                "distribution_version",
                "guest_kernel",
                "install_dir",
                "install_manifest",
                "installed",
                "kernel_image",
                "name",
                "oci_reference",
                "oci_registry",
                "oci_repository",
                "platform",
                "rootfs_image",
                "source",
                "source_digest",
                "version",
            ]
        );
        let back: PulledEnvironment = serde_json::from_value(json).expect("parses");
        assert_eq!(back, pulled);
        let bare = serde_json::to_value(environment(None)).expect("serializes");
        for field in ["guest_kernel", "install_manifest"] {
            assert!(bare.get(field).is_none(), "{field} only when installed");
        }
        assert!(bare["oci_registry"].is_null(), "present, null");
    }
}
