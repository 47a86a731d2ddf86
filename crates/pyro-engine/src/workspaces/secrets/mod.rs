//! Secrets of a workspace: given once, at its creation, and never shown again.
//!
//! ```text
//!   NewSecret --read and checked--> Material --> <folder>/secrets/<NAME>.secret   host, 0600
//!                                                    |
//!             supervisor: Secrets::load  <-----------'
//!                |- Redactor: every text that leaves
//!                |- /run/pyro-secrets/<NAME>: at each boot, and when a call maps one
//!                `- variables of a call that maps them (SecretEnv)
//! ```
//!
//! One with hosts is brokered ([`brokered`]): the guest has a placeholder
//! wherever it would have the value, and the gateway has the value.
//!
//! Owns: what a secret may be, where it is kept on this host, and which
//! variables a call gets. Refuses: values in records and results, which have
//! names alone; changing or listing values.

mod brokered;
mod hits;
mod shown;
mod source;
mod stored;
#[cfg(test)]
mod tests;

use super::record::Record;
use super::store::Folder;
use crate::error::{Error, Result};
use crate::redact::Redactor;
use pyro_gateway::config::Brokered;
use pyro_proto::messages::secrets::is_secret_name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use brokered::check_network;
pub use hits::{FoundSecret, FoundSecrets};
pub use pyro_proto::messages::secrets::{MAX_SECRET_BYTES, MAX_SECRETS};
pub use source::{Material, NewSecret, Source, read};
pub use stored::store;

/// Most bytes of all values of a workspace.
pub const MAX_TOTAL_BYTES: usize = 512 << 10;

/// A secret as anybody may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceSecret {
    /// Its name.
    pub name: String,
    /// Where its value came from.
    pub source_kind: SourceKind,
    /// Hosts whose requests get it; its value then never is in the guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// What the guest has instead of the value; only with hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// It was given: as a word, by a variable or on standard input.
    Literal,
    /// A file of the host.
    File,
}

/// A secret that a call wants in a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretEnv {
    /// Name of the secret.
    pub secret: String,
    /// Name of the variable.
    pub env_var: String,
}

/// The secrets of one workspace with their values.
#[derive(Default)]
pub struct Secrets {
    values: BTreeMap<String, Vec<u8>>,
    /// Hosts and placeholder of those that the guest does not get.
    brokered: BTreeMap<String, (Vec<String>, String)>,
    redactor: Redactor,
}

impl Secrets {
    /// Those that a record names, from the workspace's folder.
    ///
    /// # Errors
    /// `secret_missing` naming the file that cannot be read.
    pub fn load(folder: &Folder, record: &Record) -> Result<Self> {
        let values = record
            .secrets
            .iter()
            .map(|secret| Ok((secret.name.clone(), stored::load(folder, &secret.name)?)))
            .collect::<Result<_>>()?;
        let brokered = record.secrets.iter().filter_map(|secret| {
            let placeholder = secret.placeholder.clone()?;
            Some((secret.name.clone(), (secret.hosts.clone(), placeholder)))
        });
        Ok(Self {
            brokered: brokered.collect(),
            ..Self::new(values)
        })
    }

    fn new(values: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            redactor: Redactor::new(values.values()),
            brokered: BTreeMap::new(),
            values,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What takes their values out of text.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        self.redactor.clone()
    }

    /// Names and what the guest has of each, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.values
            .iter()
            .map(|(name, value)| (name.as_str(), self.in_guest(name, value)))
    }

    fn in_guest<'a>(&'a self, name: &str, value: &'a [u8]) -> &'a [u8] {
        match self.brokered.get(name) {
            Some((_, placeholder)) => placeholder.as_bytes(),
            None => value,
        }
    }

    /// Those that the gateway puts into requests.
    #[must_use]
    pub fn brokered(&self) -> Vec<Brokered> {
        let one = |(name, (hosts, placeholder)): (&String, &(Vec<String>, String))| {
            Some(Brokered {
                name: name.clone(),
                placeholder: placeholder.clone(),
                value: self.values.get(name)?.clone(),
                hosts: hosts.clone(),
            })
        };
        self.brokered.iter().filter_map(one).collect()
    }

    /// Whether `bytes` has one of the values, or is one that is too short to be
    /// found in other bytes.
    #[must_use]
    pub fn are_in(&self, bytes: &[u8]) -> bool {
        let mut stream = self.redactor.stream();
        stream.look(bytes);
        stream.found().next().is_some() || self.values.values().any(|value| value == bytes)
    }

    /// The names of values by their index in the redactor.
    #[must_use]
    pub fn named(&self, found: impl Iterator<Item = usize>) -> Vec<String> {
        let names = self.values.keys().collect::<Vec<_>>();
        found
            .filter_map(|index| names.get(index).map(|name| (*name).clone()))
            .collect()
    }

    /// The variables of a call.
    ///
    /// # Errors
    /// `invalid_secret_env` for a bad name, or one that is named twice;
    /// `unknown_secret`; `secret_no_text` for a value that no variable can hold.
    pub fn environment(&self, wanted: &[SecretEnv]) -> Result<BTreeMap<String, String>> {
        check_mapping(wanted)?;
        wanted
            .iter()
            .map(|SecretEnv { secret, env_var }| {
                let value = self.values.get(secret).ok_or_else(|| unknown(secret))?;
                let text = String::from_utf8(self.in_guest(secret, value).to_vec())
                    .ok()
                    .filter(|text| !text.contains('\0'))
                    .ok_or_else(|| {
                        Error::invalid(
                            "secret_no_text",
                            format!("the value of secret {secret} is no text, so no variable can hold it"),
                        )
                        .hint(format!("read it in the guest from /run/pyro-secrets/{secret}"))
                    })?;
                Ok((env_var.clone(), text))
            })
            .collect()
    }
}

/// Whether a record has what a mapping names.
///
/// # Errors
/// `unknown_secret`.
pub fn known(record: &Record, wanted: &[SecretEnv]) -> Result<()> {
    let has = |name: &str| record.secrets.iter().any(|secret| secret.name == name);
    match wanted.iter().find(|one| !has(&one.secret)) {
        Some(one) => Err(unknown(&one.secret)),
        None => Ok(()),
    }
}

fn unknown(secret: &str) -> Error {
    Error::invalid(
        "unknown_secret",
        format!("the workspace has no secret {secret}"),
    )
    .hint("pyro workspace status names the secrets it has")
}

/// What can be said of a mapping without knowing the secrets.
///
/// # Errors
/// `invalid_secret_env`.
pub fn check_mapping(wanted: &[SecretEnv]) -> Result<()> {
    let refused = |why: String| {
        Err(Error::invalid("invalid_secret_env", why)
            .hint("name each secret once, and each variable as shells name theirs"))
    };
    for (at, one) in wanted.iter().enumerate() {
        for name in [&one.secret, &one.env_var] {
            if !is_secret_name(name) {
                return refused(format!("{name:?} is no name of a secret or a variable"));
            }
        }
        let before = &wanted[..at];
        if before.iter().any(|other| other.secret == one.secret) {
            return refused(format!("secret {} is named twice", one.secret));
        }
        if before.iter().any(|other| other.env_var == one.env_var) {
            return refused(format!("variable {} is named twice", one.env_var));
        }
    }
    Ok(())
}
