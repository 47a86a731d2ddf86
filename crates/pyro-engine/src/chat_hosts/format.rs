//! The formats of hosts' configurations, behind one pair of functions.
//!
//! Owns: which there are, the byte-order mark. Refuses: files, and formats that
//! cannot be changed in place (Goose's YAML).

use super::entry::Entry;
use super::fault::Fault;
use super::jsonc::{self, Dialect};
use super::splice::apply;
use super::toml;
use serde_json::Value;

/// How a configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json(Dialect),
    /// TOML.
    Toml,
}

const MARK: &str = "\u{feff}";

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
        Fault::at(&valid, valid.len(), "not UTF-8")
    })?;
    Ok(text.strip_prefix(MARK).unwrap_or(text))
}

impl Format {
    /// The value at a path of keys.
    pub fn find(self, bytes: &[u8], path: &[String]) -> Result<Option<Value>, Fault> {
        let text = text(bytes)?;
        match self {
            Self::Json(dialect) => jsonc::find(text, dialect, path),
            Self::Toml => toml::find(text, path),
        }
    }

    /// The document with the entry in it; the same bytes when it has it.
    /// With `replace`, values that stand in the way are replaced.
    pub fn set(
        self,
        bytes: &[u8],
        path: &[String],
        entry: &Entry,
        replace: bool,
    ) -> Result<Vec<u8>, Fault> {
        let text = text(bytes)?;
        let mark = &bytes[..bytes.len() - text.len()];
        let splices = match self {
            Self::Json(dialect) => jsonc::set(text, dialect, path, entry, replace)?,
            Self::Toml => toml::set(text, path, entry, replace)?,
        };
        let after = apply(text, splices);
        // What is written has been read: no splice can break a document.
        let written = match self {
            Self::Json(dialect) => jsonc::find(&after, dialect, path),
            Self::Toml => toml::find(&after, path),
        };
        match written {
            Ok(Some(found)) if entry.drift(&found).is_empty() => {
                Ok([mark, after.as_bytes()].concat())
            }
            _ => Err(Fault::at(
                text,
                0,
                format!("{} is written in a way pyro cannot change", path.join(".")),
            )),
        }
    }
}
