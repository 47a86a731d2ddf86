//! The drive with the environments that guests in the lab use.
//!
//! Owns: which ones, and manifests that are right on the drive: an install
//! knows its images by inode and times, and on the drive those are others.
//! Refuses: hashing in the lab, where a second of it takes a minute.

use super::drive;
use crate::ext4::{self, Content};
use crate::place::Place;
use pyro_engine::{Cancel, Environments, Error, EventSink, Result};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What the tests that run in the lab need.
const NAMES: [&str; 1] = ["debian:12"];
const MANIFEST: &str = "environment.json";

struct Install {
    /// Below the cache, for example `linux-x86_64/debian_12-1.0.0`.
    folder: String,
    manifest: Value,
}

pub fn ensure(place: &Place, events: &dyn EventSink, cancel: &Cancel) -> Result<File> {
    let layout = place.environments()?;
    let environments = Environments::new(&layout);
    let mut installs = Vec::new();
    let mut content = Content::default();
    content.folder("/cache/.images");
    // They stay open, so that no prune takes the images away meanwhile.
    let mut open = Vec::new();
    for name in NAMES {
        open.push(environments.ensure(name, events, cancel)?);
        let folder = PathBuf::from(environments.inspect(name)?.install_dir);
        installs.push(install(&layout.cache, &folder)?);
    }
    for install in &installs {
        for (file, digest) in images(&install.manifest)? {
            content.file(
                &layout.images().join(&digest),
                &format!("/cache/.images/{digest}"),
            );
            content.link(
                &format!("/cache/{}/{file}", install.folder),
                &format!("../../.images/{digest}"),
            );
        }
    }
    let inputs = content.inputs()?;
    drive(place, "environments", &inputs, |path| {
        content.write(path)?;
        let folder = tempfile::tempdir().map_err(Error::io("make", Path::new("a folder")))?;
        let mut manifests = Content::default();
        for (number, install) in installs.iter_mut().enumerate() {
            restamp(path, &mut install.manifest)?;
            let file = folder.path().join(number.to_string());
            std::fs::write(&file, install.manifest.to_string())
                .map_err(Error::io("write", &file))?;
            manifests.add_file(&file, &format!("/cache/{}/{MANIFEST}", install.folder));
        }
        ext4::add(path, &manifests)
    })
}

fn install(cache: &Path, folder: &Path) -> Result<Install> {
    let path = folder.join(MANIFEST);
    let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let manifest = serde_json::from_slice(&text)
        .map_err(|error| Error::runtime("lab_image", format!("{}: {error}", path.display())))?;
    let below = folder.strip_prefix(cache).unwrap_or(folder);
    Ok(Install {
        folder: below.display().to_string(),
        manifest,
    })
}

fn images(manifest: &Value) -> Result<Vec<(String, String)>> {
    let files = manifest["files"].as_object().into_iter().flatten();
    files
        .map(|(name, stamp)| {
            let digest = stamp["digest"].as_str().map(str::to_owned);
            digest.map(|digest| (name.clone(), digest))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Error::runtime("lab_image", "a manifest names a file without a digest"))
}

fn restamp(image: &Path, manifest: &mut Value) -> Result<()> {
    for (name, digest) in images(manifest)? {
        let found = ext4::stat(image, &format!("/cache/.images/{digest}"))?;
        let stamp = &mut manifest["files"][name];
        stamp["inode"] = json!(found.inode);
        stamp["mtime_ns"] = json!(found.mtime_ns);
        stamp["ctime_ns"] = json!(found.ctime_ns);
    }
    Ok(())
}
