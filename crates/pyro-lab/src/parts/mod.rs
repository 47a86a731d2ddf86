//! What a lab is booted from, made when it is missing or what it is made of changed.
//!
//! Owns: the lock around making, and when a drive is made anew. Refuses:
//! touching a drive that a running lab has open; a new one takes its name.

mod environments;
mod programs;

use crate::ext4::Content;
use crate::output::{Sink, say};
use crate::place::{Place, workspace};
use crate::recipe::LAB;
use pyro_engine::environments::Installed;
use pyro_engine::{Cancel, Environments, Error, Result};
use pyro_vmm::qemu::QemuBinary;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Everything on disk, open.
pub struct Parts {
    pub qemu: QemuBinary,
    pub root: Installed,
    pub environments: File,
    pub programs: File,
}

/// A file of this host that goes into the lab.
#[derive(Clone, Debug)]
pub struct Extra {
    pub host: PathBuf,
    /// Absolute path on the drive of programs.
    pub path: String,
}

/// Makes what is missing, opens all.
pub fn ensure(place: &Place, extra: &[Extra]) -> Result<Parts> {
    let lock = place.file("build.lock");
    let lock = File::create(&lock)
        .and_then(|file| file.lock().map(|()| file))
        .map_err(Error::io("lock", &lock))?;
    let sink = Sink::own().map_err(|error| Error::runtime("io", error.to_string()))?;
    let cancel = Cancel::default();
    let root = Environments::new(&place.layout()).ensure_recipe(&LAB, &sink, &cancel)?;
    let parts = Parts {
        qemu: qemu(place)?,
        root,
        environments: environments::ensure(place, &sink, &cancel)?,
        programs: programs::ensure(place, extra)?,
    };
    drop(lock);
    Ok(parts)
}

/// Opens the drive `name`, written by `write` when `inputs` are not those it
/// was made of.
fn drive(
    place: &Place,
    name: &str,
    inputs: &str,
    write: impl FnOnce(&Path) -> Result<()>,
) -> Result<File> {
    let path = place.file(&format!("{name}.ext4"));
    let stamp = place.file(&format!("{name}.inputs"));
    let digest = hex::encode(Sha256::digest(inputs));
    let known = std::fs::read_to_string(&stamp).is_ok_and(|known| known == digest);
    if !known || !path.is_file() {
        let began = Instant::now();
        // First the stamp goes, last it comes: a half-made drive has none.
        let _ = std::fs::remove_file(&stamp);
        let folder = tempfile::tempdir_in(place.folder())
            .map_err(Error::io("make a folder in", place.folder()))?;
        let made = folder.path().join(name);
        write(&made)?;
        std::fs::rename(&made, &path).map_err(Error::io("create", &path))?;
        std::fs::write(&stamp, digest).map_err(Error::io("write", &stamp))?;
        say(&format!(
            "made {} in {:.1} s",
            path.display(),
            began.elapsed().as_secs_f64()
        ));
    }
    File::open(&path).map_err(Error::io("open", &path))
}

/// The system's, unless its emulated SVM is not to be trusted.
fn qemu(place: &Place) -> Result<QemuBinary> {
    let named = std::env::var_os("PYRO_QEMU_BIN").is_some_and(|value| !value.is_empty());
    let folder = place.file("qemu");
    if !named {
        script("install-lab-qemu", &folder)?;
    }
    let own = folder.join("usr/bin/qemu-system-x86_64");
    if !named && own.is_file() {
        return Ok(QemuBinary::at(&own)?);
    }
    Ok(QemuBinary::find()?)
}

/// Runs a script of `ci/` that fills `folder` unless it is full.
fn script(name: &str, folder: &Path) -> Result<()> {
    let script = workspace().join("ci").join(name);
    let status = Command::new(&script)
        .arg(folder)
        .stdin(Stdio::null())
        .status()
        .map_err(Error::io("run", &script))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::runtime(
        "lab_parts",
        format!("{} failed ({status})", script.display()),
    )
    .hint(format!("what it fetches belongs into {}", folder.display())))
}

fn simple(place: &Place, name: &str, content: &Content) -> Result<File> {
    drive(place, name, &content.inputs()?, |path| content.write(path))
}
