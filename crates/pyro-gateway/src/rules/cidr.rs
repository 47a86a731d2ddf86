//! Ranges of addresses.
//!
//! Owns: `address/bits`, v4 and v6. Refuses: bits behind the prefix, since
//! what was meant cannot be told.

use super::RuleError;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// A v4 range of the program's own.
    pub(super) const fn v4(address: [u8; 4], bits: u8) -> Self {
        let [a, b, c, d] = address;
        Self {
            address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            bits,
        }
    }

    /// A v6 range of the program's own, by its first two groups of four.
    pub(super) const fn v6(front: [u16; 4], last: u32, bits: u8) -> Self {
        let [a, b, c, d] = front;
        Self {
            address: IpAddr::V6(Ipv6Addr::new(
                a,
                b,
                c,
                d,
                0,
                0,
                (last >> 16) as u16,
                (last & 0xffff) as u16,
            )),
            bits,
        }
    }

    /// `::ffff:0:0/96`.
    pub(super) const fn v4_mapped() -> Self {
        Self {
            address: IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0)),
            bits: 96,
        }
    }

    /// Reads an entry. A bare address is a range of one.
    pub fn parse(entry: &str) -> Result<Self, RuleError> {
        let error = |reason, next| RuleError::Cidr {
            entry: entry.to_owned(),
            reason,
            next,
        };
        let (address, bits) = match entry.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (entry, None),
        };
        let address: IpAddr = address.parse().map_err(|_| {
            error(
                "is not a range of addresses",
                "write 203.0.113.0/24 or 2001:db8::/32; names go to --allow-domain",
            )
        })?;
        if let IpAddr::V6(six) = address
            && six.to_ipv4_mapped().is_some()
        {
            return Err(error("is an IPv4 address in IPv6 form", "write it as IPv4"));
        }
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(text) => text
                .parse::<u8>()
                .ok()
                .filter(|bits| *bits <= most && text.bytes().all(|byte| byte.is_ascii_digit()))
                .ok_or_else(|| {
                    error(
                        "has a prefix length that is none",
                        "write 0 to 32 for IPv4, 0 to 128 for IPv6",
                    )
                })?,
        };
        let range = Self { address, bits };
        if range.masked(address) != number(address) {
            return Err(error(
                "has bits set behind its prefix",
                "clear them, or write /32 (IPv6: /128) for one address",
            ));
        }
        Ok(range)
    }

    /// Whether an address is inside.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && self.masked(address) == number(self.address)
    }

    /// Whether it is about IPv4.
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    fn masked(&self, address: IpAddr) -> u128 {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let host = u32::from(most - self.bits.min(most));
        number(address)
            .checked_shr(host)
            .and_then(|front| front.checked_shl(host))
            .unwrap_or(0)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(four) => u128::from(u32::from(four)),
        IpAddr::V6(six) => u128::from(six),
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.bits)
    }
}
