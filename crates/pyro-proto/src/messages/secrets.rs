//! Putting a workspace's secrets into its guest.
//!
//! Owns: the request and its bounds. The values never stand in a message:
//! they follow on the stream, one after the other, in the order of the files.

use serde::{Deserialize, Serialize};

/// Where they are in the guest.
pub const SECRETS_FOLDER: &str = "/run/pyro-secrets";
/// Most secrets of a workspace.
pub const MAX_SECRETS: usize = 64;
/// Most bytes of one value.
pub const MAX_SECRET_BYTES: usize = 64 << 10;
/// Longest name, bytes.
const MAX_NAME_BYTES: usize = 64;

/// Makes [`SECRETS_FOLDER`] hold exactly these files.
///
/// The values follow on [`super::channel::STDIN`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallSecrets {
    /// Each file, named as the secret.
    pub files: Vec<SecretFile>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFile {
    /// As [`is_secret_name`] wants it.
    pub name: String,
    /// Bytes of the value, at most [`MAX_SECRET_BYTES`].
    pub size: u64,
}

/// Whether `text` is `^[A-Za-z_][A-Za-z0-9_]{0,63}$`, so that it can be the
/// name of a variable and of a file.
#[must_use]
pub fn is_secret_name(text: &str) -> bool {
    text.len() <= MAX_NAME_BYTES
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
