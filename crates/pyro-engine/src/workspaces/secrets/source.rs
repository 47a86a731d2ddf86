//! Where the value of a new secret comes from.
//!
//! Owns: reading every value, and every rule about them, before anything of
//! the workspace is made. Refuses: values in messages; a file is named, never
//! what is in it.

use super::brokered;
use super::{MAX_SECRET_BYTES, MAX_SECRETS, MAX_TOTAL_BYTES, SourceKind, WorkspaceSecret};
use crate::error::{Error, Result};
use crate::host_paths::HostPaths;
use crate::redact::Redactor;
use pyro_proto::messages::secrets::is_secret_name;
use std::io::Read;

/// A secret to be kept.
#[derive(Clone)]
pub struct NewSecret {
    /// Its name.
    pub name: String,
    /// Where its value is.
    pub source: Source,
    /// Hosts whose requests shall get it, instead of the guest.
    pub hosts: Vec<String>,
}

/// Where a value is.
#[derive(Clone)]
pub enum Source {
    /// Here.
    Value(Vec<u8>),
    /// In a variable of this process.
    Variable(String),
    /// In a file of this host.
    File(String),
}

/// Values are never printed, not even by a mistake.
impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewSecret({})", self.name)
    }
}

/// A secret whose value was read.
pub struct Material {
    /// Name and source, as the record has them.
    pub secret: WorkspaceSecret,
    /// The value.
    pub value: Vec<u8>,
}

impl Material {
    /// Whether text will show it.
    #[must_use]
    pub fn is_too_short(&self) -> bool {
        Redactor::new([&self.value]).is_none()
    }
}

/// Reads and checks all of them; sorted by name.
///
/// # Errors
/// `invalid_secret` naming it; `source_missing`, `source_kind`, `source_io`
/// naming its file; `path_not_allowed`.
pub fn read(host: &HostPaths, wanted: &[NewSecret]) -> Result<Vec<Material>> {
    if wanted.len() > MAX_SECRETS {
        return Err(refused(format!(
            "{} secrets were given, at most {MAX_SECRETS} are allowed",
            wanted.len()
        )));
    }
    let mut read: Vec<Material> = Vec::new();
    for new in wanted {
        if !is_secret_name(&new.name) {
            return Err(refused(format!(
                "the secret's name {:?} is not allowed",
                new.name
            )));
        }
        if read.iter().any(|other| other.secret.name == new.name) {
            return Err(refused(format!("secret {} is given twice", new.name)));
        }
        read.push(one(host, new)?);
    }
    let total: usize = read.iter().map(|material| material.value.len()).sum();
    if total > MAX_TOTAL_BYTES {
        return Err(refused(format!(
            "the secrets have {total} bytes, at most {MAX_TOTAL_BYTES} are allowed together"
        )));
    }
    read.sort_by(|one, other| one.secret.name.cmp(&other.secret.name));
    Ok(read)
}

fn refused(why: String) -> Error {
    Error::invalid("invalid_secret", why).hint(format!(
        "names have up to 64 letters, digits and underscores, no digit first; values have 1 to {MAX_SECRET_BYTES} bytes"
    ))
}

fn one(host: &HostPaths, new: &NewSecret) -> Result<Material> {
    let (value, source_kind) = match &new.source {
        Source::Value(value) => (value.clone(), SourceKind::Literal),
        Source::Variable(variable) => {
            use std::os::unix::ffi::OsStringExt;
            let value = std::env::var_os(variable).ok_or_else(|| {
                refused(format!(
                    "the variable {variable} for secret {} is not set",
                    new.name
                ))
            })?;
            (value.into_vec(), SourceKind::Literal)
        }
        Source::File(path) => (of_file(host, path)?, SourceKind::File),
    };
    if value.is_empty() {
        return Err(refused(format!(
            "the value of secret {} is empty",
            new.name
        )));
    }
    if value.len() > MAX_SECRET_BYTES {
        return Err(refused(format!(
            "the value of secret {} has more than {MAX_SECRET_BYTES} bytes",
            new.name
        )));
    }
    let placeholder = match new.hosts.is_empty() {
        true => None,
        false => Some(brokered::placeholder(&new.name, &value, &new.hosts)?),
    };
    Ok(Material {
        secret: WorkspaceSecret {
            name: new.name.clone(),
            source_kind,
            hosts: new.hosts.clone(),
            placeholder,
        },
        value,
    })
}

fn of_file(host: &HostPaths, named: &str) -> Result<Vec<u8>> {
    const HINT: &str = "name a regular file of this host with the value of the secret";
    let failed =
        |code, why: &str| Error::invalid(code, format!("cannot read {named}: {why}")).hint(HINT);
    if named.trim().is_empty() {
        return Err(failed("source_missing", "the path is blank"));
    }
    let file = host
        .open_at_once(named)
        .map_err(|error| error.or_hint(HINT))?;
    let kind = file.metadata().map(|metadata| metadata.is_file());
    if !kind.is_ok_and(|is_file| is_file) {
        return Err(failed("source_kind", "it is no regular file"));
    }
    let mut value = Vec::new();
    // One more says that there are too many.
    file.take(MAX_SECRET_BYTES as u64 + 1)
        .read_to_end(&mut value)
        .map_err(|error| failed("source_io", &error.to_string()))?;
    Ok(value)
}
