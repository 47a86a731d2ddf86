//! Secrets that never enter the guest.
//!
//! Owns: what the guest has instead, and whether a value can be brokered at
//! all. Refuses: the rules themselves, which are the gateway's, as are the
//! requests.
//!
//! ```text
//!   guest: pyro-secret-4f1c... --request--> gateway: the value --TLS--> host
//! ```

use super::Material;
use crate::error::{Error, Result};
use crate::network::NetworkSpec;
use pyro_gateway::config::{Brokered, Config, Rules};
use pyro_gateway::names;

const PREFIX: &str = "pyro-secret-";
/// Enough that nobody writes one by accident, and a host sees whose it is.
const SHORTEST: usize = PREFIX.len() + 32;
/// Some clients look at a token's length, none at that of a long one.
const LONGEST: usize = 256;

/// A new placeholder, as long as the value where that is possible.
///
/// # Errors
/// `invalid_secret` for a value or host that cannot be brokered; `entropy`.
pub(super) fn placeholder(name: &str, value: &[u8], hosts: &[String]) -> Result<String> {
    let length = value.len().clamp(SHORTEST, LONGEST);
    let mut random = [0; LONGEST / 2];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).map_err(
        |error| {
            Error::runtime(
                "entropy",
                format!("the host gives no random bytes: {error}"),
            )
        },
    )?;
    let mut placeholder = PREFIX.to_owned() + &hex::encode(random);
    placeholder.truncate(length);
    check(&Rules::default(), name, &placeholder, value, hosts)?;
    Ok(placeholder)
}

/// Whether a workspace with this network can have these secrets.
///
/// # Errors
/// `invalid_secret` naming the secret and what to do.
pub fn check_network(network: &NetworkSpec, materials: &[Material]) -> Result<()> {
    for Material { secret, value } in materials {
        let Some(placeholder) = &secret.placeholder else {
            continue;
        };
        if !network.policy.has_card() {
            let name = &secret.name;
            let why =
                format!("secret {name} is for requests to hosts, and the guest has no network");
            return Err(Error::invalid("invalid_secret", why)
                .hint("give --network-policy egress as well, or leave the hosts out"));
        }
        check(
            &network.rules,
            &secret.name,
            placeholder,
            value,
            &secret.hosts,
        )?;
    }
    Ok(())
}

fn check(
    rules: &Rules,
    name: &str,
    placeholder: &str,
    value: &[u8],
    hosts: &[String],
) -> Result<()> {
    let secret = Brokered {
        name: name.to_owned(),
        placeholder: placeholder.to_owned(),
        value: value.to_vec(),
        hosts: hosts.to_vec(),
    };
    let config = Config {
        rules: rules.clone(),
        brokered: vec![secret],
        ..Config::default()
    };
    names::check(&config).map_err(|error| {
        Error::invalid("invalid_secret", error.to_string()).hint(
            "a secret with hosts is one line of 8 or more ASCII characters; \
             each host is a whole name, such as api.example.org",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn placeholders_are_new_each_time_and_as_long_as_the_value() {
        for (value, length) in [(8, 44), (44, 44), (100, 100), (5000, 256)] {
            let value = vec![b'v'; value];
            let one = placeholder("TOKEN", &value, &hosts(&["api.example.org"])).unwrap();
            let other = placeholder("TOKEN", &value, &hosts(&["api.example.org"])).unwrap();
            assert_ne!(one, other);
            assert!(one.starts_with(PREFIX) && one.len() == length, "{one}");
        }
    }

    #[test]
    fn hosts_need_a_network_that_lets_them_through() {
        let secret = super::super::WorkspaceSecret {
            name: "TOKEN".into(),
            source_kind: super::super::SourceKind::Literal,
            hosts: hosts(&["api.example.org"]),
            placeholder: Some(format!("{PREFIX}0123456789")),
        };
        let material = [Material {
            secret,
            value: b"hunter2hunter2".to_vec(),
        }];
        let spec = |policy, domains: &[&str]| NetworkSpec {
            policy,
            rules: Rules {
                allow_domains: hosts(domains),
                ..Rules::default()
            },
        };
        use crate::network::NetworkPolicy::{Egress, Off};
        assert!(check_network(&spec(Egress, &[]), &material).is_ok());
        assert!(check_network(&spec(Egress, &["*.example.org"]), &material).is_ok());
        let error = check_network(&spec(Off, &[]), &material).unwrap_err();
        assert!(error.hint.unwrap().contains("--network-policy egress"));
        let error = check_network(&spec(Egress, &["b.example"]), &material).unwrap_err();
        assert!(
            error.message.contains("add --allow-domain api.example.org"),
            "{error}"
        );
    }

    #[test]
    fn what_cannot_be_brokered_is_refused_and_never_shown() {
        for (value, names) in [
            (&b"hunter2"[..], &["api.example.org"][..]),
            (b"hunter2\nhunter2", &["api.example.org"]),
            (b"hunter2hunter2", &["*.example.org"]),
            (b"hunter2hunter2", &["1.2.3.4"]),
        ] {
            let error = placeholder("TOKEN", value, &hosts(names)).unwrap_err();
            assert_eq!(error.code, "invalid_secret");
            assert!(error.message.contains("TOKEN"), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
