//! Which records of a reply reach the guest.
//!
//! Owns: following aliases from the name that was asked, taking out addresses
//! nobody may reach. Refuses: records about other names, which could only
//! mislead.

use super::message::{ipv4, text};
use crate::rules::{AddressVerdict, HostName, Policy};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, ResourceRecord, TYPE};
use std::net::IpAddr;

/// Most aliases behind one name.
const MAX_ALIASES: usize = 16;

/// Most records of an answer.
const MAX_RECORDS: usize = 64;

/// Longest that anything is kept, by the guest or here.
pub const MAX_TTL_SECONDS: u32 = 3600;

/// What is left of a reply.
#[derive(Clone, Debug, Default)]
pub struct Filtered {
    /// Records for the guest.
    pub records: Vec<ResourceRecord<'static>>,
    /// Addresses among them.
    pub addresses: Vec<IpAddr>,
    /// Addresses that were taken out, and why.
    pub removed: Vec<(IpAddr, String)>,
    /// The shortest life among the records, bounded.
    pub ttl_seconds: u32,
}

/// Filters the answers to a question.
pub fn filter(
    policy: &Policy,
    name: &HostName,
    kind: TYPE,
    answers: Vec<ResourceRecord<'static>>,
) -> Filtered {
    let mut filtered = Filtered {
        ttl_seconds: MAX_TTL_SECONDS,
        ..Filtered::default()
    };
    let mut current = name.as_str().to_owned();
    for _ in 0..MAX_ALIASES {
        let alias = (kind != TYPE::CNAME)
            .then(|| {
                answers.iter().find_map(|record| match &record.rdata {
                    RData::CNAME(to) if is_about(record, &current) => Some((record, text(to)?)),
                    _ => None,
                })
            })
            .flatten();
        let Some((record, to)) = alias else { break };
        filtered.keep(record.clone());
        current = to;
    }
    for record in answers {
        if filtered.records.len() >= MAX_RECORDS {
            break;
        }
        if !is_about(&record, &current) || record.rdata.type_code() != kind {
            continue;
        }
        if let Some(address) = ipv4(&record) {
            if let AddressVerdict::Refused(why) = policy.address(address) {
                filtered.removed.push((address, why));
                continue;
            }
            filtered.addresses.push(address);
        }
        filtered.keep(record);
    }
    filtered
}

impl Filtered {
    fn keep(&mut self, mut record: ResourceRecord<'static>) {
        record.ttl = record.ttl.min(MAX_TTL_SECONDS);
        record.cache_flush = false;
        self.ttl_seconds = self.ttl_seconds.min(record.ttl);
        self.records.push(record);
    }
}

fn is_about(record: &ResourceRecord<'_>, name: &str) -> bool {
    record.class == CLASS::IN
        && text(&record.name).is_some_and(|owner| owner.eq_ignore_ascii_case(name))
}

/// The IPv4 address a reverse name is about.
#[must_use]
pub fn reversed(name: &HostName) -> Option<IpAddr> {
    let digits = name.as_str().strip_suffix(".in-addr.arpa")?;
    let parts: Vec<u8> = digits
        .split('.')
        .rev()
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let octets: [u8; 4] = parts.try_into().ok()?;
    Some(IpAddr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rules;
    use simple_dns::Name;

    fn a(name: &str, address: &str, ttl: u32) -> ResourceRecord<'static> {
        let four: std::net::Ipv4Addr = address.parse().unwrap();
        let data = RData::A(simple_dns::rdata::A {
            address: four.into(),
        });
        ResourceRecord::new(Name::new(name).unwrap().into_owned(), CLASS::IN, ttl, data)
    }

    fn cname(name: &str, to: &str) -> ResourceRecord<'static> {
        let data = RData::CNAME(Name::new(to).unwrap().into_owned().into());
        ResourceRecord::new(Name::new(name).unwrap().into_owned(), CLASS::IN, 30, data)
    }

    fn run(answers: Vec<ResourceRecord<'static>>, ranges: &[&str]) -> Filtered {
        let rules = Rules {
            allow_domains: vec!["www.example.org".into()],
            allow_cidrs: ranges.iter().map(ToString::to_string).collect(),
        };
        let policy = Policy::new(&rules, &Default::default()).unwrap();
        filter(
            &policy,
            &HostName::parse("www.example.org").unwrap(),
            TYPE::A,
            answers,
        )
    }

    #[test]
    fn aliases_are_followed_and_strangers_left_out() {
        let filtered = run(
            vec![
                a("cdn.example.net", "1.1.1.2", 90_000),
                cname("x.example.net", "CDN.example.net"),
                cname("WWW.example.org", "x.example.net"),
                a("www.example.org", "9.9.9.9", 60),
                a("evil.example", "8.8.8.8", 60),
            ],
            &[],
        );
        let expected: Vec<IpAddr> = vec!["1.1.1.2".parse().unwrap()];
        assert_eq!(filtered.addresses, expected);
        assert_eq!(filtered.records.len(), 3);
        assert_eq!(filtered.ttl_seconds, 30);
        assert!(
            filtered
                .records
                .iter()
                .all(|record| record.ttl <= MAX_TTL_SECONDS)
        );
    }

    #[test]
    fn a_private_address_is_taken_out_unless_its_range_is_listed() {
        let answers = vec![
            a("www.example.org", "192.168.7.7", 60),
            a("www.example.org", "1.1.1.1", 60),
            a("www.example.org", "127.0.0.1", 60),
        ];
        let filtered = run(answers.clone(), &[]);
        assert_eq!(filtered.addresses.len(), 1);
        assert_eq!(filtered.removed.len(), 2);
        let listed = run(answers, &["192.168.7.0/24"]);
        assert_eq!(listed.addresses.len(), 2);
        assert_eq!(listed.removed.len(), 1);
    }

    #[test]
    fn a_circle_of_aliases_ends() {
        let filtered = run(
            vec![
                cname("www.example.org", "b.example.org"),
                cname("b.example.org", "www.example.org"),
            ],
            &[],
        );
        assert!(filtered.addresses.is_empty());
        assert!(filtered.records.len() <= MAX_ALIASES);
    }

    #[test]
    fn reverse_names() {
        let name = |text| HostName::parse(text).unwrap();
        assert_eq!(
            reversed(&name("1.0.168.192.in-addr.arpa")),
            Some("192.168.0.1".parse().unwrap())
        );
        assert_eq!(reversed(&name("0.168.192.in-addr.arpa")), None);
        assert_eq!(reversed(&name("example.org")), None);
    }
}
