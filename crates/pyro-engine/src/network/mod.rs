//! A guest's way out, as the engine sees it.
//!
//! Owns: the policy and its check ([`NetworkSpec`]), the gateway's process
//! ([`Gateway`]), its log on disk ([`log`]), what a host has for it
//! ([`survey`]). Refuses: packets and names; they are pyro-gateway's.
//!
//! ```text
//!   policy off        no gateway, no card, the same frozen machine as ever
//!   any other         Gateway::start --nic--> machine --configure--> address, route, resolver
//!                       `-- attempts --> <workspace>/network.jsonl
//! ```

mod gateway;
pub mod log;
mod resolvers;
mod survey;
mod within;

pub use gateway::{Gateway, UplinkState};
pub use pyro_gateway::namespace::run as gateway_process;
pub use survey::{NetworkPrograms, Obstacle, survey};

use crate::error::{Error, Result};
use pyro_gateway::config::{Config, Rules};
use pyro_gateway::names;
use pyro_gateway::namespace::order;
use pyro_gateway::registries::{self, Surroundings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a guest may do with the network.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum NetworkPolicy {
    /// It has no network card.
    #[default]
    #[serde(rename = "off")]
    Off,
    /// It reaches the outside, as far as the rules go.
    #[serde(rename = "egress")]
    Egress,
    /// The same, and services in it may be published on this host.
    #[serde(rename = "egress+published-ports")]
    EgressAndPublishedPorts,
}

impl NetworkPolicy {
    /// All, the least first.
    pub const ALL: [Self; 3] = [Self::Off, Self::Egress, Self::EgressAndPublishedPorts];

    /// Its name, on every door.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Egress => "egress",
            Self::EgressAndPublishedPorts => "egress+published-ports",
        }
    }

    /// Whether the guest has a network card.
    #[must_use]
    pub fn has_card(self) -> bool {
        self != Self::Off
    }
}

/// What a guest may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// The policy.
    #[serde(default)]
    pub policy: NetworkPolicy,
    /// Only these, when there are any.
    #[serde(default)]
    pub rules: Rules,
}

impl NetworkSpec {
    /// Refuses rules that are none, or that no policy carries out; the word
    /// `registries` is replaced by hosts, so that a record says which.
    ///
    /// # Errors
    /// `invalid_network_rule`.
    pub fn checked(mut self) -> Result<Self> {
        let wrong = |message: String, hint: &str| {
            Err(Error::invalid("invalid_network_rule", message).hint(hint))
        };
        if self.rules.is_limited() && !self.policy.has_card() {
            return wrong(
                "names and ranges are listed for a guest without a network".into(),
                "give --network-policy egress as well (pyro run: --network)",
            );
        }
        let variable = |name: &str| std::env::var(name).ok();
        let surroundings = Surroundings {
            home: std::env::home_dir(),
            root: Path::new("/"),
            variable: &variable,
        };
        self.rules.allow_domains = registries::expand(&self.rules.allow_domains, &surroundings)
            .map_err(|error| Error::invalid("invalid_network_rule", error.to_string()))?;
        let config = Config {
            rules: self.rules.clone(),
            ..Config::default()
        };
        if let Err(error) = names::check(&config) {
            return wrong(
                error.to_string(),
                "names go to --allow-domain, ranges of IPv4 to --allow-cidr",
            );
        }
        Ok(self)
    }
}

/// Rules of two lists.
#[must_use]
pub fn rules(allow_domains: Vec<String>, allow_cidrs: Vec<String>) -> Rules {
    Rules {
        allow_domains,
        allow_cidrs,
    }
}

/// The addresses of every guest with a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The guest's.
    pub guest_ip: String,
    /// Its router's and resolver's.
    pub gateway_ip: String,
    /// The network of both.
    pub subnet_cidr: &'static str,
    /// Of the guest's card.
    pub mac_address: &'static str,
    /// Of the host's side, in its namespace.
    pub tap_name: &'static str,
}

/// They are the same for each, because each has a namespace of its own.
#[must_use]
pub fn addresses() -> Addresses {
    Addresses {
        guest_ip: order::GUEST.to_string(),
        gateway_ip: order::GATEWAY.to_string(),
        subnet_cidr: order::SUBNET,
        mac_address: order::GUEST_MAC,
        tap_name: order::TAP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(policy: NetworkPolicy, cidrs: &[&str]) -> NetworkSpec {
        NetworkSpec {
            policy,
            rules: Rules {
                allow_cidrs: cidrs.iter().map(|text| (*text).to_owned()).collect(),
                ..Rules::default()
            },
        }
    }

    #[test]
    fn rules_need_a_network_and_have_to_be_rules() {
        assert!(spec(NetworkPolicy::Off, &[]).checked().is_ok());
        assert!(
            spec(NetworkPolicy::Egress, &["10.0.0.0/8"])
                .checked()
                .is_ok()
        );
        for bad in [
            spec(NetworkPolicy::Off, &["10.0.0.0/8"]),
            spec(NetworkPolicy::Egress, &["10.0.0.0/99"]),
            spec(NetworkPolicy::Egress, &["localhost"]),
        ] {
            let error = bad.checked().unwrap_err();
            assert_eq!(error.code, "invalid_network_rule");
            assert!(error.hint.is_some());
        }
    }

    #[test]
    fn the_names_are_those_of_the_contract() {
        for policy in NetworkPolicy::ALL {
            let text = serde_json::to_value(policy).unwrap();
            assert_eq!(text, policy.as_str());
        }
    }
}
