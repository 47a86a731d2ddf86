//! What a gateway is told when it starts.
//!
//! Owns: the message and its version-free shape: both sides are the same
//! program. Refuses: defaults, which are the engine's.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// One JSON object on the gateway's standard input. It holds secrets, so it
/// never is an argument, a variable or a file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Config {
    /// What may be reached.
    pub rules: Rules,
    /// Resolvers to ask, as seen from the host.
    pub resolvers: Vec<SocketAddr>,
    /// Secrets that are put into requests outside the guest.
    pub brokered: Vec<Brokered>,
    /// Certificates of the authorities that brokered hosts are checked
    /// against, as DER in base64; the gateway sees no file of the host.
    #[serde(default)]
    pub authorities: Vec<String>,
}

/// What may be reached. Without any entry: every public address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Names, `*.` in front for everything below one; `name:port` for other
    /// ports than 80 and 443.
    pub allow_domains: Vec<String>,
    /// Address ranges in CIDR form, any port and protocol.
    pub allow_cidrs: Vec<String>,
}

impl Rules {
    /// Whether only what is listed may be reached.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        !self.allow_domains.is_empty() || !self.allow_cidrs.is_empty()
    }
}

/// A secret that stays outside the guest.
#[derive(Clone, Serialize, Deserialize)]
pub struct Brokered {
    /// Its name.
    pub name: String,
    /// What the guest has instead of it.
    pub placeholder: String,
    /// The secret.
    pub value: Vec<u8>,
    /// Exact names of the hosts whose requests get it.
    pub hosts: Vec<String>,
}

impl std::fmt::Debug for Brokered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Brokered")
            .field("name", &self.name)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_in_what_a_log_would_show() {
        let config = Config {
            brokered: vec![Brokered {
                name: "TOKEN".into(),
                placeholder: "p".into(),
                value: b"hunter2".to_vec(),
                hosts: vec!["example.org".into()],
            }],
            ..Config::default()
        };
        let shown = format!("{config:?}");
        assert!(
            shown.contains("TOKEN") && !shown.contains("hunter2"),
            "{shown}"
        );
        let value = format!("{:?}", config.brokered[0].value);
        assert!(!shown.contains(&value), "{shown}");
    }
}
