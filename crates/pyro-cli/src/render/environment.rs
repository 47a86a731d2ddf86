//! Environments as text (contract: `cli.md` §3).

use super::{text, yes};
use serde_json::Value;
use std::fmt::Write;

fn items<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object[field].as_array().map_or(&[], Vec::as_slice)
}

fn words(values: &[Value]) -> Vec<&str> {
    values.iter().filter_map(Value::as_str).collect()
}

pub fn list(response: &Value) -> String {
    let mut out = format!("Catalog version: {}\n", text(response, "catalog_version"));
    let environments = items(response, "environments");
    if environments.is_empty() {
        out.push_str("No environments found.\n");
    }
    for environment in environments {
        let installed = if environment["installed"] == true {
            "installed"
        } else {
            "not installed"
        };
        let (name, description) = (text(environment, "name"), text(environment, "description"));
        let _ = writeln!(out, "{name} [{installed}] {description}");
    }
    out
}

pub fn detail(title: &str, environment: &Value) -> String {
    let field = |name: &str| text(environment, name);
    let mut out = format!("{title}: {}\n", field("name"));
    let mut line = |label: &str, value: String| {
        let _ = writeln!(out, "{label}: {value}");
    };
    line("Version", field("version"));
    let release = field("distribution_version");
    line(
        "Distribution",
        format!("{} {release}", field("distribution")),
    );
    line("Installed", yes(&environment["installed"]).to_owned());
    line("Cache dir", field("cache_dir"));
    line(
        "Default packages",
        words(items(environment, "default_packages")).join(", "),
    );
    line("Description", field("description"));
    if environment["installed"] == true {
        for (label, name) in [
            ("Install dir", "install_dir"),
            ("Install manifest", "install_manifest"),
            ("Kernel image", "kernel_image"),
            ("Rootfs image", "rootfs_image"),
            ("Guest kernel", "guest_kernel"),
        ] {
            if environment[name].is_string() {
                line(label, field(name));
            }
        }
    }
    if environment["oci_repository"].is_string() {
        let [registry, repository, reference] =
            ["oci_registry", "oci_repository", "oci_reference"].map(field);
        line("OCI source", format!("{registry}/{repository}:{reference}"));
    }
    out
}

pub fn pruned(response: &Value) -> String {
    let count = response["count"].as_u64().unwrap_or(0);
    let entries = if count == 1 { "entry" } else { "entries" };
    let mut out = format!("Deleted {count} cached environment {entries}.\n");
    for folder in words(items(response, "deleted_environment_dirs")) {
        let _ = writeln!(out, "- {folder}");
    }
    match response["freed_bytes"].as_u64() {
        Some(bytes) if bytes > 0 => {
            let _ = writeln!(out, "Freed: {} MiB", bytes >> 20);
        }
        _ => {}
    }
    out
}

pub fn verified(response: &Value) -> String {
    let field = |name: &str| text(response, name);
    let mut out = format!(
        "Verified: {}\nVersion: {}\n",
        field("name"),
        field("version")
    );
    let _ = writeln!(out, "Kernel release: {}", field("kernel_release"));
    for file in items(response, "files") {
        let [name, digest, size] = ["name", "digest", "size_bytes"].map(|name| text(file, name));
        let _ = writeln!(out, "- {name} sha256={digest} size={size}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_entry_is_singular() {
        let response = json!({"count": 1, "deleted_environment_dirs": ["/c/a"], "freed_bytes": 0});
        assert_eq!(
            pruned(&response),
            "Deleted 1 cached environment entry.\n- /c/a\n"
        );
    }

    #[test]
    fn an_empty_catalog_says_so() {
        let response = json!({"catalog_version": "5.0.0", "environments": []});
        assert_eq!(
            list(&response),
            "Catalog version: 5.0.0\nNo environments found.\n"
        );
    }

    #[test]
    fn the_detail_block_keeps_its_order() {
        let environment = json!({"name": "debian:12", "version": "1.0.0", "distribution": "debian",
            "distribution_version": "12", "installed": true, "cache_dir": "/c",
            "default_packages": ["bash", "git"], "description": "d", "install_dir": "/c/i",
            "kernel_image": "/c/i/vmlinux", "guest_kernel": "minimal", "oci_repository": null});
        assert_eq!(
            detail("Pulled", &environment),
            "Pulled: debian:12\nVersion: 1.0.0\nDistribution: debian 12\nInstalled: yes\n\
             Cache dir: /c\nDefault packages: bash, git\nDescription: d\nInstall dir: /c/i\n\
             Kernel image: /c/i/vmlinux\nGuest kernel: minimal\n"
        );
    }
}
