//! What a guest may reach, decided without touching anything.
//!
//! Owns: reading the two lists, what each name, address and port gets.
//! Refuses: resolving, connecting, logging; what has no written rule.
//!
//! ```text
//!              neither list        a list of names            ranges only
//!  names       all                 those listed               none
//!  addresses   public              those a listed name has    those listed
//!              + ranges listed     + ranges listed
//!  never       what is closed ([`crate::namespace::ranges`]), unless a range
//!              opens it; the same table as the packets' filter
//! ```

mod domain;

pub use domain::{DomainRule, HostName};

use crate::config::{Brokered, Rules};
use crate::namespace::ranges::{Closed, Host, Range, closed, why_closed};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// Most entries of one list. Each connection walks them.
pub const MAX_ENTRIES: usize = 512;

/// Why a rule is not one. Says the entry and what to write instead.
#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum RuleError {
    /// An entry of the list of names.
    #[error("--allow-domain {entry}: {reason}; {next}")]
    Domain {
        /// As it was written.
        entry: String,
        /// What is wrong.
        reason: &'static str,
        /// What to do.
        next: &'static str,
    },
    /// An entry of the list of ranges.
    #[error("--allow-cidr {entry}: {reason}; {next}")]
    Cidr {
        /// As it was written.
        entry: String,
        /// What is wrong.
        reason: String,
        /// What to do.
        next: &'static str,
    },
    /// A list nobody wrote by hand.
    #[error(
        "{flag}: {count} entries; at most {MAX_ENTRIES} are kept, use *.name for many names of one domain"
    )]
    TooMany {
        /// The flag.
        flag: &'static str,
        /// How many there were.
        count: usize,
    },
    /// A secret for a host that could never be reached.
    #[error(
        "secret {secret} is for {host}, which --allow-domain does not allow; add --allow-domain {host}"
    )]
    BrokeredHost {
        /// The secret's name.
        secret: String,
        /// The host.
        host: String,
    },
    /// A secret's host that is not the name of one.
    #[error("secret {secret}: host {host}: {reason}; {next}")]
    BrokeredName {
        /// The secret's name.
        secret: String,
        /// As it was written.
        host: String,
        /// What is wrong.
        reason: &'static str,
        /// What to do.
        next: &'static str,
    },
}

/// What is done with a name somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameVerdict {
    /// It is answered, by this rule.
    Allowed(String),
    /// It is not, for this reason.
    Refused(&'static str),
}

/// What is done with an address, before any name is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressVerdict {
    /// A public address: names decide.
    Public,
    /// A range the operator listed, as written.
    Listed(String),
    /// Never, for this reason.
    Refused(String),
}

/// What is done with a connection to an address that a name was resolved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortVerdict {
    /// The name is read from the TLS handshake.
    Tls,
    /// The name is read from each HTTP request.
    Http,
    /// A rule names the port; what is said there is not looked at.
    Unseen,
}

/// The rules, read once. Cheap to clone; clones see the same host.
#[derive(Clone, Debug)]
pub struct Policy {
    domains: Arc<[DomainRule]>,
    ranges: Arc<[Range]>,
    closed: Arc<RwLock<Vec<Closed>>>,
}

impl Policy {
    /// Reads the two lists.
    pub fn new(rules: &Rules, host: &Host) -> Result<Self, RuleError> {
        few("--allow-domain", rules.allow_domains.len())?;
        few("--allow-cidr", rules.allow_cidrs.len())?;
        let domains: Result<Vec<_>, _> = rules
            .allow_domains
            .iter()
            .map(|entry| DomainRule::parse(entry))
            .collect();
        let range = |entry: &String| {
            entry.parse::<Range>().map_err(|reason| RuleError::Cidr {
                entry: entry.clone(),
                reason,
                next: "write IPv4 in CIDR form; names go to --allow-domain",
            })
        };
        let ranges: Result<Vec<_>, _> = rules.allow_cidrs.iter().map(range).collect();
        let policy = Self {
            domains: domains?.into(),
            ranges: ranges?.into(),
            closed: Arc::default(),
        };
        policy.see_host(host);
        Ok(policy)
    }

    /// The host has other addresses now.
    pub fn see_host(&self, host: &Host) {
        let now = closed(host, &self.ranges);
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Whether only what is listed may be reached.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        !self.domains.is_empty() || !self.ranges.is_empty()
    }

    /// Whether a name is answered.
    #[must_use]
    pub fn name(&self, name: &HostName) -> NameVerdict {
        if !self.is_limited() {
            return NameVerdict::Allowed("every public name".into());
        }
        match self.domains.iter().find(|rule| rule.covers(name)) {
            Some(rule) => NameVerdict::Allowed(format!("--allow-domain {rule}")),
            None if self.domains.is_empty() => {
                NameVerdict::Refused("no name is allowed; see --allow-domain")
            }
            None => NameVerdict::Refused("not in --allow-domain"),
        }
    }

    /// What an address is, whoever it was named by.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> AddressVerdict {
        let IpAddr::V4(four) = address.to_canonical() else {
            return AddressVerdict::Refused("an IPv6 address, which guests do not reach".into());
        };
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = why_closed(&closed, four) {
            return AddressVerdict::Refused(format!("{}; see --allow-cidr", why.reason()));
        }
        let one = Range::around(four, 32);
        match self.ranges.iter().find(|range| range.contains(&one)) {
            Some(range) => AddressVerdict::Listed(format!("--allow-cidr {range}")),
            None => AddressVerdict::Public,
        }
    }

    /// How a connection to `port` of an address of `name` is let through.
    /// None: it is not.
    #[must_use]
    pub fn port(&self, name: &HostName, port: u16) -> Option<(PortVerdict, String)> {
        if !self.is_limited() {
            return match port {
                443 => Some((PortVerdict::Tls, "every public name".into())),
                80 => Some((PortVerdict::Http, "every public name".into())),
                _ => None,
            };
        }
        let rule = self
            .domains
            .iter()
            .find(|rule| rule.covers(name) && rule.has_port(port))?;
        let seen = match port {
            443 => PortVerdict::Tls,
            80 => PortVerdict::Http,
            _ => PortVerdict::Unseen,
        };
        Some((seen, format!("--allow-domain {rule}")))
    }
}

fn few(flag: &'static str, count: usize) -> Result<(), RuleError> {
    if count > MAX_ENTRIES {
        return Err(RuleError::TooMany { flag, count });
    }
    Ok(())
}

/// The hosts of a brokered secret, each reachable under the rules. Hosts do
/// not widen the rules: a secret is no permission.
pub fn brokered_hosts(policy: &Policy, secret: &Brokered) -> Result<Vec<HostName>, RuleError> {
    let host = |written: &String| {
        let name = HostName::parse(written).map_err(|(reason, next)| RuleError::BrokeredName {
            secret: secret.name.clone(),
            host: written.clone(),
            reason,
            next,
        })?;
        if policy.port(&name, 443).is_none() {
            return Err(RuleError::BrokeredHost {
                secret: secret.name.clone(),
                host: written.clone(),
            });
        }
        Ok(name)
    };
    if secret.hosts.is_empty() {
        return Err(RuleError::BrokeredName {
            secret: secret.name.clone(),
            host: String::new(),
            reason: "there is none",
            next: "name at least one host",
        });
    }
    secret.hosts.iter().map(host).collect()
}

#[cfg(test)]
mod tests;
