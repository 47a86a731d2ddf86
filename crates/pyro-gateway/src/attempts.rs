//! What the resolver, the proxy and the broker have to tell.
//!
//! Owns: how a question and a connection become an entry. Refuses: counting
//! repeats, which the namespace's tally does for all entries.

use crate::log::Attempt;
use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `dns` or `tcp`.
    pub protocol: &'static str,
    /// The name, when one is known.
    pub name: Option<String>,
    /// The address, when there is one.
    pub address: Option<IpAddr>,
    /// The port, when there is one.
    pub port: Option<u16>,
    /// Whether it was let through.
    pub allowed: bool,
    /// Why not, or by which rule.
    pub reason: String,
}

impl Asked {
    /// A question for a name.
    #[must_use]
    pub fn dns(name: Option<&str>, allowed: bool, reason: impl Into<String>) -> Self {
        Self {
            protocol: "dns",
            name: name.map(String::from),
            address: None,
            port: None,
            allowed,
            reason: reason.into(),
        }
    }

    /// A connection.
    #[must_use]
    pub fn tcp(
        name: Option<&str>,
        to: SocketAddr,
        allowed: bool,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            protocol: "tcp",
            name: name.map(String::from),
            address: Some(to.ip()),
            port: Some(to.port()),
            allowed,
            reason: reason.into(),
        }
    }

    fn entry(self) -> Attempt {
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64());
        Attempt {
            at,
            protocol: self.protocol.into(),
            name: self.name,
            address: self.address.map(|address| address.to_string()),
            port: self.port,
            allowed: self.allowed,
            reason: self.reason,
            count: 1,
        }
    }
}

/// Where the parts of the gateway say what was asked.
pub struct Attempts {
    log: Box<dyn Fn(Attempt) + Send + Sync>,
}

impl Attempts {
    /// Tells `log`, which must not wait.
    pub fn new(log: impl Fn(Attempt) + Send + Sync + 'static) -> Self {
        Self { log: Box::new(log) }
    }

    /// One attempt.
    pub fn note(&self, asked: Asked) {
        (self.log)(asked.entry());
    }
}
