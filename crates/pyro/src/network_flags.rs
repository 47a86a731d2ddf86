//! The flags about what a guest may reach.
//!
//! Owns: the policy's parser. Refuses: checking the entries,
//! which the engine does for every door.

use crate::network::{NetworkPolicy, NetworkSpec, rules};
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// `--network` of one-shot VMs, with its lists.
pub fn one_shot(
    network: bool,
    allow_domains: Vec<String>,
    allow_cidrs: Vec<String>,
) -> NetworkSpec {
    NetworkSpec {
        policy: if network {
            NetworkPolicy::Egress
        } else {
            NetworkPolicy::Off
        },
        rules: rules(allow_domains, allow_cidrs),
    }
}

/// `--network-policy` of workspaces.
pub fn policy_parser() -> impl TypedValueParser<Value = NetworkPolicy> {
    // The possible values are the names of these, so one always matches.
    PossibleValuesParser::new(NetworkPolicy::ALL.map(NetworkPolicy::as_str)).map(|name| {
        NetworkPolicy::ALL
            .into_iter()
            .find(|policy| policy.as_str() == name)
            .unwrap_or_default()
    })
}
