//! Addresses that are never a host of the public network.
//!
//! Owns: the one table, for the packets' filter and for names. Refuses: an
//! opinion about any other address.

use super::Cidr;
use std::net::IpAddr;

/// Ranges and what they are. The IANA special-purpose registries, and every
/// way to write an IPv4 address inside an IPv6 one.
pub const NEVER_PUBLIC: &[(Cidr, &str)] = &[
    (Cidr::v4([0, 0, 0, 0], 8), "this network"),
    (Cidr::v4([10, 0, 0, 0], 8), "a private address"),
    (
        Cidr::v4([100, 64, 0, 0], 10),
        "an address behind a carrier's NAT",
    ),
    (Cidr::v4([127, 0, 0, 0], 8), "a loopback address"),
    (
        Cidr::v4([169, 254, 0, 0], 16),
        "a link-local address, where clouds keep their metadata",
    ),
    (Cidr::v4([172, 16, 0, 0], 12), "a private address"),
    (Cidr::v4([192, 0, 0, 0], 24), "an address of protocols"),
    (Cidr::v4([192, 0, 2, 0], 24), "an address of documentation"),
    (Cidr::v4([192, 31, 196, 0], 24), "an address of AS112"),
    (Cidr::v4([192, 52, 193, 0], 24), "an address of AMT"),
    (Cidr::v4([192, 88, 99, 0], 24), "a 6to4 relay"),
    (Cidr::v4([192, 168, 0, 0], 16), "a private address"),
    (Cidr::v4([192, 175, 48, 0], 24), "an address of AS112"),
    (Cidr::v4([198, 18, 0, 0], 15), "an address of benchmarks"),
    (
        Cidr::v4([198, 51, 100, 0], 24),
        "an address of documentation",
    ),
    (
        Cidr::v4([203, 0, 113, 0], 24),
        "an address of documentation",
    ),
    (Cidr::v4([224, 0, 0, 0], 4), "a multicast address"),
    (Cidr::v4([240, 0, 0, 0], 4), "a reserved address"),
    (
        Cidr::v4([168, 63, 129, 16], 32),
        "a cloud's metadata address",
    ),
    (
        Cidr::v6([0, 0, 0, 0], 0, 96),
        "loopback, unspecified or IPv4 in IPv6",
    ),
    (Cidr::v4_mapped(), "an IPv4 address in IPv6 form"),
    (Cidr::v6([0x64, 0xff9b, 0, 0], 0, 96), "a NAT64 address"),
    (Cidr::v6([0x64, 0xff9b, 1, 0], 0, 48), "a NAT64 address"),
    (Cidr::v6([0x100, 0, 0, 0], 0, 64), "a discard address"),
    // Teredo, ORCHID, benchmarks and documentation are in here.
    (
        Cidr::v6([0x2001, 0, 0, 0], 0, 23),
        "an address of protocols",
    ),
    (
        Cidr::v6([0x2001, 0xdb8, 0, 0], 0, 32),
        "an address of documentation",
    ),
    (Cidr::v6([0x2002, 0, 0, 0], 0, 16), "a 6to4 address"),
    (
        Cidr::v6([0x3fff, 0, 0, 0], 0, 20),
        "an address of documentation",
    ),
    (
        Cidr::v6([0x5f00, 0, 0, 0], 0, 16),
        "an address of segment routing",
    ),
    (Cidr::v6([0xfc00, 0, 0, 0], 0, 7), "a private address"),
    (Cidr::v6([0xfe80, 0, 0, 0], 0, 10), "a link-local address"),
    (Cidr::v6([0xfec0, 0, 0, 0], 0, 10), "a site-local address"),
    (Cidr::v6([0xff00, 0, 0, 0], 0, 8), "a multicast address"),
];

/// What an address is, if it is none of the public network.
#[must_use]
pub fn never_public(address: IpAddr) -> Option<&'static str> {
    let address = address.to_canonical();
    NEVER_PUBLIC
        .iter()
        .find(|(range, _)| range.contains(address))
        .map(|(_, what)| *what)
        .or_else(|| match address {
            // Only 2000::/3 was ever handed out.
            IpAddr::V6(six) if six.segments()[0] & 0xe000 != 0x2000 => Some("a reserved address"),
            _ => None,
        })
}
