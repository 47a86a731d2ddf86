//! The host's own addresses, networks and routers.
//!
//! Owns: finding them, seen from a thread in the host's network namespace.
//! They change while a guest runs (a VPN comes up), so they are looked at
//! again and again.

use super::ranges::{Host, Range};
use super::sys;
use std::io;
use std::net::Ipv4Addr;

/// A network with a shorter prefix is somebody's way to the outside (a VPN that
/// routes half of all addresses), not the host's own.
const SHORTEST_PREFIX: u8 = 8;

/// All of them.
///
/// # Errors
/// The kernel's.
pub fn find() -> io::Result<Host> {
    let mut host = routes(&std::fs::read_to_string("/proc/thread-self/net/route")?);
    for (address, length) in sys::addresses()? {
        host.addresses.push(Range::around(address, 32));
        if length >= SHORTEST_PREFIX {
            host.networks.push(Range::around(address, length));
        }
    }
    for ranges in [&mut host.addresses, &mut host.networks] {
        ranges.sort();
        ranges.dedup();
    }
    Ok(host)
}

/// Routers, and networks that are reached without one.
fn routes(table: &str) -> Host {
    let number = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::from_be);
    let mut host = Host::default();
    for line in table.lines().skip(1) {
        let words: Vec<_> = line.split_whitespace().collect();
        let &[_, network, router, _, _, _, _, mask, ..] = words.as_slice() else {
            continue;
        };
        let (Some(network), Some(router), Some(mask)) =
            (number(network), number(router), number(mask))
        else {
            continue;
        };
        let length = u8::try_from(mask.leading_ones()).unwrap_or(32);
        if router != 0 {
            host.addresses
                .push(Range::around(Ipv4Addr::from(router), 32));
        } else if length >= SHORTEST_PREFIX {
            host.networks
                .push(Range::around(Ipv4Addr::from(network), length));
        }
    }
    host
}

/// Whether the table has a default route.
pub(super) fn has_default_route(table: &str, interface: &str) -> bool {
    table.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(interface) && words.next() == Some("00000000")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n\
        broken\n";

    #[test]
    fn routers_and_networks_but_no_default_route() {
        let text = |ranges: &[Range]| ranges.iter().map(Range::to_string).collect::<Vec<_>>();
        let found = routes(TABLE);
        assert_eq!(text(&found.addresses), ["192.0.2.1/32"]);
        assert_eq!(text(&found.networks), ["192.0.2.0/24"]);
        assert!(has_default_route(TABLE, "eth0") && !has_default_route(TABLE, "eth1"));
    }

    #[test]
    fn loopback_is_always_one_of_the_hosts() {
        let found = find().unwrap();
        assert!(
            found.networks.contains(&"127.0.0.0/8".parse().unwrap()),
            "{found:?}"
        );
    }
}
