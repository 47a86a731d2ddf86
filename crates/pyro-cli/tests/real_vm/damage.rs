//! Images and templates that were changed, and templates of another VMM.

use crate::machine::{Place, product_error, text};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A cache of its own with the one environment of the shared one.
fn own_cache() -> Place {
    let shared = Place::new();
    let place = Place::empty();
    let install = |place: &Place| place.cache.join("linux-x86_64/debian_12-1.0.0");
    for folder in ["linux-x86_64/debian_12-1.0.0", ".images"] {
        std::fs::create_dir_all(place.cache.join(folder)).unwrap();
    }
    for entry in std::fs::read_dir(install(&shared)).unwrap().flatten() {
        let to = install(&place).join(entry.file_name());
        match std::fs::read_link(entry.path()) {
            Ok(target) => {
                let image = entry.path().canonicalize().unwrap();
                std::fs::copy(
                    &image,
                    place.cache.join(".images").join(image.file_name().unwrap()),
                )
                .unwrap();
                std::os::unix::fs::symlink(target, to).unwrap();
            }
            Err(_) => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
    // Copies have other inodes: a pull compares digests and takes them over.
    place.install("debian:12");
    place
}

fn image(place: &Place, name: &str) -> PathBuf {
    place
        .cache
        .join("linux-x86_64/debian_12-1.0.0")
        .join(name)
        .canonicalize()
        .unwrap()
}

fn alter(path: &Path) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(b"damaged", 4096).unwrap();
}

#[test]
fn a_damaged_image_or_kernel_is_named_and_a_pull_repairs_it() {
    let place = own_cache();
    for name in ["vmlinux", "vmlinuz"] {
        alter(&image(&place, name));
        let error = product_error(&place.run_with(&["--json"], "true").output().unwrap());
        assert_eq!(error["error_kind"], "damaged_environment", "{error}");
        assert!(
            error["hint"].as_str().unwrap().contains("env pull"),
            "{error}"
        );
        let verify = product_error(
            &place
                .pyro(&["env", "verify", "debian:12", "--json"])
                .output()
                .unwrap(),
        );
        assert_eq!(verify["error_kind"], "damaged_environment", "{verify}");
        // Without this the next round would find the first damage again.
        restore(&place, name);
    }
    alter(&image(&place, "rootfs.ext4"));
    let error = product_error(&place.run_with(&["--json"], "true").output().unwrap());
    assert!(
        error["error"].as_str().unwrap().contains("rootfs"),
        "{error}"
    );
    place.install("debian:12");
    assert_eq!(place.json(&[], "echo mended")["stdout"], "mended\n");
}

fn restore(place: &Place, name: &str) {
    let intact = image(&Place::new(), name);
    std::fs::copy(intact, image(place, name)).unwrap();
    place.install("debian:12");
}

#[test]
fn a_template_that_was_changed_is_refused_and_made_anew() {
    let place = own_cache();
    assert_eq!(place.json(&[], "true")["start_kind"], "template");
    let templates = || -> Vec<PathBuf> {
        std::fs::read_dir(place.cache.join(".templates"))
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.join("memory").exists())
            .collect()
    };
    let first = templates();
    assert_eq!(first.len(), 1);
    for name in ["memory", "state"] {
        let file = std::fs::File::options()
            .write(true)
            .open(first[0].join(name))
            .unwrap();
        file.write_all_at(b"poison", 8192).unwrap();
        let result = place.json(&[], "echo clean");
        assert_eq!(
            (result["stdout"].as_str(), result["start_kind"].as_str()),
            (Some("clean\n"), Some("template")),
            "{name}"
        );
    }
    assert_eq!(templates(), first, "the same key, made anew");
    a_state_that_qemu_refuses_is_made_anew(&place);
    another_qemu_gets_a_template_of_its_own(&place);
}

fn a_state_that_qemu_refuses_is_made_anew(place: &Place) {
    // Sealed again after the change: only QEMU itself can refuse it now.
    let folder = std::fs::read_dir(place.cache.join(".templates"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.join("state").exists())
        .unwrap();
    std::fs::File::options()
        .write(true)
        .open(folder.join("state"))
        .unwrap()
        .set_len(5000)
        .unwrap();
    reseal(&folder);
    let output = place.run("echo still here").output().unwrap();
    assert_eq!(text(&output.stdout), "still here\n");
    assert!(
        text(&output.stderr).contains("template was refused"),
        "{}",
        text(&output.stderr)
    );
}

fn reseal(folder: &Path) {
    use std::os::unix::fs::MetadataExt;
    let path = folder.join("manifest.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for file in manifest["files"].as_array_mut().unwrap() {
        let metadata = folder
            .join(file["name"].as_str().unwrap())
            .metadata()
            .unwrap();
        file["size_bytes"] = metadata.size().into();
        file["mtime_ns"] =
            serde_json::json!(metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec());
        file["ctime_ns"] =
            serde_json::json!(metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec());
    }
    std::fs::write(path, manifest.to_string()).unwrap();
}

fn another_qemu_gets_a_template_of_its_own(place: &Place) {
    let qemu = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("qemu-system-x86_64"))
        .find(|path| path.exists())
        .unwrap();
    // In /usr, so that its data files are found beside it as for the real one.
    let copy = tempfile::Builder::new()
        .prefix("qemu-system-x86_64-copy-")
        .tempfile_in("/usr/bin");
    let Ok(copy) = copy else {
        eprintln!("skipped: only root can put another QEMU into /usr/bin");
        return;
    };
    std::fs::copy(&qemu, copy.path()).unwrap();
    std::fs::set_permissions(
        copy.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let path = copy.into_temp_path();
    let output = place
        .run_with(&["--json"], "echo other")
        .env("PYRO_QEMU_BIN", &*path)
        .output()
        .unwrap();
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (result["stdout"].as_str(), result["start_kind"].as_str()),
        (Some("other\n"), Some("template"))
    );
    let templates = std::fs::read_dir(place.cache.join(".templates"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().join("memory").exists())
        .count();
    assert_eq!(templates, 2);
}
