//! What happens to a connection, before its first byte.
//!
//! Owns: the verdict from an address, its pins and a port. Refuses: reading
//! anything; the names inside come next.

use crate::resolver::pins::Pinned;
use crate::rules::{AddressVerdict, HostName, Policy, PortVerdict};
use std::net::SocketAddr;

/// What happens to a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is ended, for this reason.
    Refuse(String),
    /// Bytes are passed on unseen, by this rule.
    Pass(String),
    /// The name in it decides.
    Inspect {
        /// Where the name stands.
        seen: Seen,
        /// The rule that lets everything else through, when only brokered
        /// hosts are looked for. None: only a name that is allowed and pinned.
        otherwise: Option<String>,
    },
}

/// Where a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// In a TLS handshake.
    Tls,
    /// In HTTP requests.
    Http,
}

/// Decides about a connection to `to`.
pub fn decide(
    policy: &Policy,
    pinned: &Pinned,
    is_brokered: impl Fn(&HostName) -> bool,
    has_broker: bool,
    to: SocketAddr,
) -> Decision {
    let port = to.port();
    let for_broker = has_broker && pinned.names.iter().any(&is_brokered);
    let broker = match port {
        443 if has_broker && (for_broker || !policy.is_limited()) => Some(Seen::Tls),
        80 if for_broker => Some(Seen::Http),
        _ => None,
    };
    let unless_brokered = |rule: String| match broker {
        Some(seen) => Decision::Inspect {
            seen,
            otherwise: Some(rule),
        },
        None => Decision::Pass(rule),
    };
    match policy.address(to.ip()) {
        AddressVerdict::Refused(why) => return Decision::Refuse(why),
        AddressVerdict::Listed(rule) => return unless_brokered(rule),
        AddressVerdict::Public if !policy.is_limited() => {
            return unless_brokered("every public address".into());
        }
        AddressVerdict::Public => {}
    }
    if pinned.names.is_empty() {
        return Decision::Refuse(if pinned.had_expired {
            "the name's answer is too old; ask for the name again".into()
        } else {
            "an address no allowed name was resolved to; see --allow-domain and --allow-cidr".into()
        });
    }
    let mut seen = None;
    for name in &pinned.names {
        match policy.port(name, port) {
            Some((PortVerdict::Unseen, rule)) => {
                return Decision::Pass(format!("{rule}, not looked into"));
            }
            Some((PortVerdict::Tls, _)) => seen = Some(Seen::Tls),
            Some((PortVerdict::Http, _)) => seen = Some(Seen::Http),
            None => {}
        }
    }
    match seen {
        Some(seen) => Decision::Inspect {
            seen,
            otherwise: None,
        },
        None => Decision::Refuse(format!(
            "port {port} of {name}; see --allow-domain {name}:{port}",
            name = pinned.names[0]
        )),
    }
}

/// Whether a connection with `name` inside may go to `to`, by which rule.
pub fn named(
    policy: &Policy,
    pinned: &Pinned,
    otherwise: Option<&str>,
    name: &HostName,
    to: SocketAddr,
) -> Result<String, String> {
    let is_pinned = pinned.names.contains(name);
    if let Some(rule) = otherwise {
        return Ok(rule.into());
    }
    match policy.port(name, to.port()) {
        None => Err("the name inside is not in --allow-domain".into()),
        Some(_) if !is_pinned => Err("the name inside was not resolved to this address".into()),
        Some((_, rule)) => Ok(rule),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rules;

    fn decision(
        domains: &[&str],
        ranges: &[&str],
        pins: &[&str],
        broker: &str,
        to: &str,
    ) -> Decision {
        let rules = Rules {
            allow_domains: domains.iter().map(ToString::to_string).collect(),
            allow_cidrs: ranges.iter().map(ToString::to_string).collect(),
        };
        let policy = Policy::new(&rules, &Default::default()).unwrap();
        let pinned = Pinned {
            names: pins
                .iter()
                .map(|name| HostName::parse(name).unwrap())
                .collect(),
            had_expired: false,
        };
        let brokered = |name: &HostName| name.as_str() == broker;
        decide(
            &policy,
            &pinned,
            brokered,
            !broker.is_empty(),
            to.parse().unwrap(),
        )
    }

    fn inspect(seen: Seen, rule: Option<&str>) -> Decision {
        Decision::Inspect {
            seen,
            otherwise: rule.map(String::from),
        }
    }

    #[test]
    fn a_list_of_names_needs_a_pin_and_a_port() {
        let rules = ["a.example", "b.example:5432"];
        let run = |pins: &[&str], to| decision(&rules, &[], pins, "", to);
        assert_eq!(run(&["a.example"], "1.1.1.1:443"), inspect(Seen::Tls, None));
        assert_eq!(run(&["a.example"], "1.1.1.1:80"), inspect(Seen::Http, None));
        for (pins, to) in [
            (vec![], "1.1.1.1:443"),
            (vec!["a.example"], "1.1.1.1:22"),
            (vec!["a.example"], "1.1.1.1:5432"),
            (vec!["b.example"], "1.1.1.1:443"),
            (vec!["a.example"], "10.0.0.1:443"),
            (vec!["a.example"], "127.0.0.1:443"),
            (vec!["a.example"], "[::1]:443"),
        ] {
            assert!(
                matches!(run(&pins, to), Decision::Refuse(_)),
                "{pins:?} {to}"
            );
        }
        assert!(matches!(
            run(&["b.example"], "1.1.1.1:5432"),
            Decision::Pass(_)
        ));
    }

    #[test]
    fn a_listed_range_passes_except_to_a_brokered_host() {
        let run = |pins: &[&str], broker, to| decision(&[], &["10.0.0.0/8"], pins, broker, to);
        assert!(matches!(run(&[], "", "10.1.1.1:22"), Decision::Pass(_)));
        assert!(matches!(
            run(&[], "a.example", "10.1.1.1:443"),
            Decision::Pass(_)
        ));
        assert_eq!(
            run(&["a.example"], "a.example", "10.1.1.1:443"),
            inspect(Seen::Tls, Some("--allow-cidr 10.0.0.0/8"))
        );
        assert_eq!(
            run(&["a.example"], "a.example", "10.1.1.1:80"),
            inspect(Seen::Http, Some("--allow-cidr 10.0.0.0/8"))
        );
        assert!(matches!(run(&[], "", "1.1.1.1:443"), Decision::Refuse(_)));
    }

    #[test]
    fn without_a_list_only_brokered_hosts_are_looked_for() {
        let run = |pins: &[&str], to| decision(&[], &[], pins, "a.example", to);
        assert_eq!(
            run(&[], "1.1.1.1:443"),
            inspect(Seen::Tls, Some("every public address"))
        );
        assert_eq!(
            run(&["a.example"], "1.1.1.1:80"),
            inspect(Seen::Http, Some("every public address"))
        );
        assert!(matches!(
            run(&["b.example"], "1.1.1.1:80"),
            Decision::Pass(_)
        ));
        assert!(matches!(run(&[], "1.1.1.1:22"), Decision::Pass(_)));
        assert!(matches!(run(&[], "192.168.0.1:22"), Decision::Refuse(_)));
    }
}
