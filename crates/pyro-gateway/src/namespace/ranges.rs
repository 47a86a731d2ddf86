//! Which addresses are nobody's business of a guest.
//!
//! Owns: the ranges, each with the word for the log; what an operator's own
//! range opens. Pure. Refuses: names; they are resolved before.
//!
//! ```text
//!   host       every address of the host, and its routers
//!   network    the networks it is attached to
//!   metadata   what clouds answer configuration and credentials at
//!   private, link_local, loopback, multicast, reserved
//! ```
//!
//! A range of the operator opens a closed one only when it lies wholly inside:
//! `10.1.0.0/16` opens this part of the private range, `0.0.0.0/0` opens no
//! closed range, and an address of the host opens by exactly that address.
//! Documentation ranges stay open: no network is theirs, and where one uses
//! them its own are closed as the host's networks.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A network in CIDR form, host bits cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    first: u32,
    length: u8,
}

impl Range {
    /// The network of that length around an address.
    #[must_use]
    pub fn around(address: Ipv4Addr, length: u8) -> Self {
        let length = length.min(32);
        Self {
            first: u32::from(address) & mask(length),
            length,
        }
    }

    /// Whether the whole of `other` is in it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.length <= other.length && other.first & mask(self.length) == self.first
    }

    /// Whether they share an address.
    fn touches(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }
}

const fn mask(length: u8) -> u32 {
    match u32::MAX.checked_shl(32 - length as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", Ipv4Addr::from(self.first), self.length)
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, length) = text.split_once('/').unwrap_or((text, "32"));
        let wrong = || format!("`{text}` is no IPv4 range such as 10.1.0.0/16");
        let address = address.parse().map_err(|_| wrong())?;
        // No sign, no zero in front: one way to write each.
        let length = (0..=32u8)
            .find(|number| number.to_string() == length)
            .ok_or_else(wrong)?;
        Ok(Self::around(address, length))
    }
}

/// Why a range is closed; the order is that of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The host's own addresses, and its routers.
    Host,
    /// The networks the host is attached to.
    Network,
    /// Cloud metadata at addresses that look public or private.
    Metadata,
    /// 169.254.0.0/16, where clouds answer as well.
    LinkLocal,
    /// Private use and carriers.
    Private,
    /// This machine, as seen from itself.
    Loopback,
    /// Many at once.
    Multicast,
    /// Nobody's.
    Reserved,
}

impl Why {
    /// In rules and their log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Network => "network",
            Self::Metadata => "metadata",
            Self::LinkLocal => "link_local",
            Self::Private => "private",
            Self::Loopback => "loopback",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        }
    }

    /// In the log a person reads.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Host => "an address of the host or its router",
            Self::Network => "a network of the host",
            Self::Metadata => "a cloud's metadata address",
            Self::LinkLocal => "a link-local address",
            Self::Private => "a private address",
            Self::Loopback => "a loopback address",
            Self::Multicast => "a multicast address",
            Self::Reserved => "a reserved address",
        }
    }
}

const FIXED: [(Why, &[&str]); 6] = [
    (
        Why::Metadata,
        &["100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"],
    ),
    (Why::LinkLocal, &["169.254.0.0/16"]),
    (
        Why::Private,
        &[
            "10.0.0.0/8",
            "100.64.0.0/10",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "198.18.0.0/15",
        ],
    ),
    (Why::Loopback, &["127.0.0.0/8"]),
    (Why::Multicast, &["224.0.0.0/4"]),
    (Why::Reserved, &["0.0.0.0/8", "192.0.0.0/24", "240.0.0.0/4"]),
];

/// A reason, what it closes, and what the operator opened of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Why.
    pub why: Why,
    /// The ranges, none inside another.
    pub ranges: Vec<Range>,
    /// The operator's, each inside one of them.
    pub opened: Vec<Range>,
}

/// What is the host's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Its addresses, and its routers.
    pub addresses: Vec<Range>,
    /// The networks it is attached to.
    pub networks: Vec<Range>,
}

/// Everything closed on a host.
#[must_use]
pub fn closed(host: &Host, allowed: &[Range]) -> Vec<Closed> {
    let fixed = FIXED.iter().map(|(why, ranges)| {
        let ranges = ranges.iter().filter_map(|range| range.parse().ok());
        (*why, ranges.collect::<Vec<Range>>())
    });
    let own = [
        (Why::Host, host.addresses.clone()),
        (Why::Network, host.networks.clone()),
    ];
    own.into_iter()
        .chain(fixed)
        .map(|(why, ranges)| Closed {
            why,
            opened: opened(&ranges, allowed),
            ranges: outermost(ranges),
        })
        .collect()
}

/// The operator's ranges that lie in a closed one.
fn opened(ranges: &[Range], allowed: &[Range]) -> Vec<Range> {
    let inside = |entry: &&Range| ranges.iter().any(|range| range.contains(entry));
    outermost(allowed.iter().filter(inside).copied().collect())
}

/// Without those that lie in another: sets of the kernel take no overlap.
#[must_use]
pub fn outermost(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort();
    ranges.dedup();
    let all = ranges.clone();
    ranges.retain(|range| {
        !all.iter()
            .any(|other| other != range && other.contains(range))
    });
    debug_assert!(
        ranges
            .iter()
            .enumerate()
            .all(|(at, one)| ranges[at + 1..].iter().all(|other| !one.touches(other)))
    );
    ranges
}

/// Why an address is closed; none when it is not.
#[must_use]
pub fn why_closed(closed: &[Closed], address: Ipv4Addr) -> Option<Why> {
    let one = Range::around(address, 32);
    let any = |ranges: &[Range]| ranges.iter().any(|range| range.contains(&one));
    closed
        .iter()
        .find(|closed| any(&closed.ranges) && !any(&closed.opened))
        .map(|closed| closed.why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(texts: &[&str]) -> Vec<Range> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn why(host: &Host, allowed: &[&str], address: &str) -> Option<Why> {
        why_closed(&closed(host, &ranges(allowed)), address.parse().unwrap())
    }

    fn host(addresses: &[&str], networks: &[&str]) -> Host {
        Host {
            addresses: ranges(addresses),
            networks: ranges(networks),
        }
    }

    #[test]
    fn the_table() {
        let host = host(&["203.0.113.7", "9.9.9.1"], &["203.0.113.0/24"]);
        for (address, expected) in [
            ("203.0.113.7", Some(Why::Host)),
            ("203.0.113.1", Some(Why::Network)),
            ("9.9.9.1", Some(Why::Host)),
            ("169.254.169.254", Some(Why::LinkLocal)),
            ("168.63.129.16", Some(Why::Metadata)),
            ("100.100.100.200", Some(Why::Metadata)),
            ("10.0.0.1", Some(Why::Private)),
            ("100.64.0.1", Some(Why::Private)),
            ("172.31.255.255", Some(Why::Private)),
            ("192.168.1.1", Some(Why::Private)),
            ("127.0.0.1", Some(Why::Loopback)),
            ("224.0.0.251", Some(Why::Multicast)),
            ("255.255.255.255", Some(Why::Reserved)),
            ("0.0.0.0", Some(Why::Reserved)),
            ("9.9.9.9", None),
            ("172.32.0.1", None),
            ("203.0.114.1", None),
        ] {
            assert_eq!(why(&host, &[], address), expected, "{address}");
        }
    }

    #[test]
    fn an_operators_range_opens_only_what_it_lies_in() {
        let host = host(&["10.0.0.5", "10.0.0.1"], &["10.0.0.0/24"]);
        for (allowed, address, expected) in [
            ("0.0.0.0/0", "10.1.1.1", Some(Why::Private)),
            ("0.0.0.0/0", "169.254.169.254", Some(Why::LinkLocal)),
            ("10.0.0.0/8", "10.1.1.1", None),
            ("10.0.0.0/8", "10.0.0.5", Some(Why::Host)),
            ("10.0.0.0/8", "10.0.0.7", Some(Why::Network)),
            // The network of the host, but not the host in it.
            ("10.0.0.0/24", "10.0.0.7", None),
            ("10.0.0.0/24", "10.0.0.5", Some(Why::Host)),
            ("10.0.0.7/32", "10.0.0.7", None),
            ("10.0.0.5/32", "10.0.0.5", None),
            ("169.254.0.0/16", "169.254.169.254", None),
        ] {
            assert_eq!(
                why(&host, &[allowed], address),
                expected,
                "{allowed} {address}"
            );
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "10",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "::1/128",
            "a/8",
            "10.0.0.0/8/8",
        ] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
        assert_eq!(
            "10.1.2.3/8".parse::<Range>().unwrap().to_string(),
            "10.0.0.0/8"
        );
        assert_eq!(
            "1.2.3.4".parse::<Range>().unwrap().to_string(),
            "1.2.3.4/32"
        );
        assert_eq!(
            "0.0.0.0/0".parse::<Range>().unwrap().to_string(),
            "0.0.0.0/0"
        );
    }

    proptest! {
        #[test]
        fn nothing_of_the_fixed_ranges_opens_by_itself(
            address in any::<u32>(),
            host in proptest::collection::vec((any::<u32>(), 0u8..=32), 0..6),
        ) {
            let networks: Vec<_> = host.into_iter().map(|(at, length)| Range::around(at.into(), length)).collect();
            let host = Host { addresses: Vec::new(), networks };
            let address = Ipv4Addr::from(address);
            let is_closed = why_closed(&closed(&host, &[]), address).is_some();
            let fixed = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_unspecified();
            let one = Range::around(address, 32);
            prop_assert!(is_closed || !fixed);
            prop_assert!(is_closed || !host.networks.iter().any(|range| range.contains(&one)));
        }

        #[test]
        fn sets_never_overlap(all in proptest::collection::vec((any::<u32>(), 0u8..=32), 0..20)) {
            let all: Vec<_> = all.into_iter().map(|(at, length)| Range::around(at.into(), length)).collect();
            let kept = outermost(all.clone());
            for (at, one) in kept.iter().enumerate() {
                for other in &kept[at + 1..] {
                    prop_assert!(!one.touches(other));
                }
            }
            for range in &all {
                prop_assert!(kept.iter().any(|kept| kept.contains(range)));
            }
        }
    }
}
