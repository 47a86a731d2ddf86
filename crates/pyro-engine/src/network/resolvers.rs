//! Which resolvers the host asks.
//!
//! Owns: reading `/etc/resolv.conf`. Refuses: search lists; a guest asks for
//! whole names.

use std::net::{IpAddr, SocketAddr};

/// As the C library: the first three.
const MOST: usize = 3;

/// The host's, in its order; without any, the one on its loopback, as the C
/// library has it.
pub fn of_host() -> Vec<SocketAddr> {
    parse(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let mut found: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("nameserver")).then_some(())?;
            // An address of a link needs its number, which is the host's own.
            let address: IpAddr = words.next()?.parse().ok()?;
            Some(SocketAddr::new(address, 53))
        })
        .take(MOST)
        .collect();
    if found.is_empty() {
        found.push(SocketAddr::from(([127, 0, 0, 1], 53)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_and_loopback_without_any() {
        let text = "# nameserver 9.9.9.9\nnameserver 192.0.2.1\noptions ndots:2\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n";
        let found: Vec<_> = parse(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1:53", "[::1]:53", "192.0.2.3:53"]);
        assert_eq!(parse("search x\n")[0].to_string(), "127.0.0.1:53");
    }
}
