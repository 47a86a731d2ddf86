//! The headers of a logged packet.
//!
//! Owns: reading protocol, address and port from bytes a guest made. Pure.
//! Refuses: looking further than the ports.

use std::net::IpAddr;

/// Where a packet was to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    /// `tcp`, `udp`, `icmp` or `other`.
    pub protocol: &'static str,
    /// Its address.
    pub address: IpAddr,
    /// Its port, where the protocol has one and the packet shows it.
    pub port: Option<u16>,
}

/// None for what is no IP packet.
#[must_use]
pub fn destination(bytes: &[u8]) -> Option<Destination> {
    let (address, protocol, rest): (IpAddr, u8, &[u8]) = match bytes.first()? >> 4 {
        4 => {
            let header = usize::from(bytes.first()? & 0xf) * 4;
            let to: [u8; 4] = bytes.get(16..20)?.try_into().ok()?;
            // Only the first fragment has ports.
            let offset = u16::from_be_bytes(bytes.get(6..8)?.try_into().ok()?) & 0x1fff;
            let rest = if offset == 0 {
                bytes.get(header.max(20)..)
            } else {
                None
            };
            (to.into(), *bytes.get(9)?, rest.unwrap_or(&[]))
        }
        6 => {
            let to: [u8; 16] = bytes.get(24..40)?.try_into().ok()?;
            (to.into(), *bytes.get(6)?, bytes.get(40..).unwrap_or(&[]))
        }
        _ => return None,
    };
    let port = || Some(u16::from_be_bytes(rest.get(2..4)?.try_into().ok()?));
    let (protocol, port) = match protocol {
        6 => ("tcp", port()),
        17 => ("udp", port()),
        1 | 58 => ("icmp", None),
        _ => ("other", None),
    };
    Some(Destination {
        protocol,
        address,
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(protocol: u8, header: u8, offset: u16) -> Vec<u8> {
        let mut bytes = vec![0; usize::from(header) * 4];
        bytes[0] = 0x40 | header;
        bytes[6..8].copy_from_slice(&offset.to_be_bytes());
        bytes[9] = protocol;
        bytes[16..20].copy_from_slice(&[192, 0, 2, 1]);
        bytes.extend([0x30, 0x39, 0x01, 0xbb, 0, 0]);
        bytes
    }

    #[test]
    fn protocols_ports_options_and_fragments() {
        for (bytes, protocol, port) in [
            (packet(6, 5, 0), "tcp", Some(443)),
            (packet(17, 8, 0), "udp", Some(443)),
            (packet(17, 5, 9), "udp", None),
            (packet(1, 5, 0), "icmp", None),
            (packet(47, 5, 0), "other", None),
            // A length of header that lies.
            (packet(6, 5, 0)[..21].to_vec(), "tcp", None),
        ] {
            let found = destination(&bytes).unwrap();
            assert_eq!((found.protocol, found.port), (protocol, port));
            assert_eq!(found.address.to_string(), "192.0.2.1");
        }
        let mut six = vec![0; 44];
        six[0] = 0x60;
        six[6] = 6;
        six[39] = 1;
        six[43] = 80;
        let found = destination(&six).unwrap();
        assert_eq!(
            (found.address.to_string().as_str(), found.port),
            ("::1", Some(80))
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = destination(&bytes);
        }
    }
}
