//! Records of services on the host's disk.
//!
//! ```text
//! services/<name>.json                     the service, replaced whole at each change
//! services/<name>.stdout.<first byte>      parts of what it wrote (log.rs)
//! services.cleared/                        what a reset just put away
//! ```
//!
//! Owns: these names. The supervisor writes, anybody reads; one record that
//! cannot be read hides no other. Refuses: knowing whether a supervisor lives:
//! whoever has the workspace's lock ends what is left as running.

use super::log;
use super::payloads::{DamagedService, Service, ServiceState, ServiceStopReason};
use crate::error::{Error, Result};
use crate::layout::make_private_dir;
use crate::workspaces::names;
use crate::workspaces::payloads::LogStream;
use crate::workspaces::store::Folder;
use rustix::fs::{AtFlags, Mode, OFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

/// No record comes near this: a command has at most 128 KiB.
const MAX_RECORD_BYTES: u64 = 1 << 20;
const KIND: &str = ".json";

pub(super) fn services(folder: &Folder) -> PathBuf {
    folder.file("services")
}

/// The folder, open: a reset takes it away under a service that ends late.
pub struct Room {
    dir: File,
}

impl Room {
    /// # Errors
    /// `io`.
    pub fn open(folder: &Folder) -> Result<Self> {
        let path = services(folder);
        make_private_dir(&path)?;
        let dir = File::open(&path).map_err(Error::io("open", &path))?;
        Ok(Self { dir })
    }

    /// A crash leaves the old record or the new one.
    ///
    /// # Errors
    /// Why it could not be written.
    pub fn save(&self, service: &Service) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(service)?;
        let record = format!("{}{KIND}", service.service_name);
        // No service's name begins with a dot.
        let temporary = format!(".{record}");
        self.create(&temporary)?.write_all(&text)?;
        rustix::fs::renameat(&self.dir, &temporary, &self.dir, &record)?;
        Ok(())
    }

    pub(super) fn create(&self, name: &str) -> std::io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.dir, name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(File::from(file))
    }

    pub(super) fn remove(&self, name: impl AsRef<OsStr>) {
        let _ = rustix::fs::unlinkat(&self.dir, name.as_ref(), AtFlags::empty());
    }
}

/// Names of all that have a record, sorted.
pub fn all_names(folder: &Folder) -> Result<Vec<String>> {
    let path = services(folder);
    let listed = match std::fs::read_dir(&path) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", &path)(error)),
    };
    let mut found: Vec<String> = listed
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let name = name.to_str()?.strip_suffix(KIND)?;
            names::is_word(name).then(|| name.to_owned())
        })
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// One; none when there is none of this name.
///
/// # Errors
/// `damaged_record`, `io`.
pub fn load(folder: &Folder, name: &str) -> Result<Option<Service>> {
    let path = services(folder).join(format!("{name}{KIND}"));
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    let damaged = |why: String| {
        Error::runtime(
            "damaged_record",
            format!("the record {} cannot be read: {why}", path.display()),
        )
        .hint("start the service again, which replaces it; what it wrote lies beside it")
    };
    let mut text = Vec::new();
    file.take(MAX_RECORD_BYTES)
        .read_to_end(&mut text)
        .map_err(|error| damaged(error.to_string()))?;
    let service: Service =
        serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if service.service_name != name {
        return Err(damaged("it is another service's".into()));
    }
    Ok(Some(measured(folder, service)))
}

/// With the bytes it wrote until now, which the files tell.
#[must_use]
pub fn measured(folder: &Folder, mut service: Service) -> Service {
    let end = |stream| log::Kept::find(folder, &service.service_name, stream).end();
    let (stdout_bytes, stderr_bytes) = (end(LogStream::Stdout), end(LogStream::Stderr));
    service.stdout_bytes = stdout_bytes;
    service.stderr_bytes = stderr_bytes;
    service
}

/// All by name, and those that cannot be read.
///
/// # Errors
/// `io` when the folder cannot be listed.
pub fn all(folder: &Folder) -> Result<(Vec<Service>, Vec<DamagedService>)> {
    let (mut found, mut damaged) = (Vec::new(), Vec::new());
    for name in all_names(folder)? {
        match load(folder, &name) {
            Ok(service) => found.extend(service),
            Err(error) => damaged.push(DamagedService {
                service_name: name,
                reason: error.message,
            }),
        }
    }
    Ok((found, damaged))
}

/// As it is when nobody runs it: one that runs ended with its machine.
#[must_use]
pub fn at_rest(mut service: Service, now: f64) -> Service {
    if service.state == ServiceState::Running {
        service.state = ServiceState::Stopped;
        service.stop_reason = Some(ServiceStopReason::WorkspaceStopped);
        service.ended_at = Some(now);
        service.error = Some("the supervisor or the host ended while it ran".into());
        service.pid = None;
        service.healthy = None;
        service.published_ports.clear();
    }
    service
}

/// Under the workspace's lock, where nothing can run: what runs has ended.
/// What cannot be read or written is left.
pub fn end_lost(folder: &Folder, now: f64) {
    let Ok((all, _)) = all(folder) else {
        return;
    };
    let running = |service: &Service| service.state == ServiceState::Running;
    for service in all.into_iter().filter(running) {
        let name = service.service_name.clone();
        let saved = Room::open(folder)
            .map_err(|error| error.message)
            .and_then(|room| {
                room.save(&at_rest(service, now))
                    .map_err(|error| error.to_string())
            });
        if let Err(error) = saved {
            tracing::warn!("service {name} is not on record as stopped: {error}");
        }
    }
}

/// Forgets every service and what it wrote.
///
/// # Errors
/// `io`.
pub fn clear(folder: &Folder) -> Result<()> {
    let (services, cleared) = (services(folder), folder.file("services.cleared"));
    // Left by one that ended in the middle.
    let _ = std::fs::remove_dir_all(&cleared);
    match std::fs::rename(&services, &cleared) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("rename", &services)(error)),
    }
    // A service that just ends may put a file back; the next time takes it.
    let _ = std::fs::remove_dir_all(&cleared);
    Ok(())
}
