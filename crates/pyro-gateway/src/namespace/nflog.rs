//! What the rules write into the kernel's log.
//!
//! Owns: the netlink socket of one group, and reading its messages. Refuses:
//! to stop at a message it does not understand, or at one that was lost.

use super::packet::{Destination, destination};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use std::io;
use std::os::fd::OwnedFd;

const ULOG_PACKET: u16 = 4 << 8;
const ULOG_CONFIG: u16 = (4 << 8) | 1;
const REQUEST: u16 = 1;
const CONFIG_COMMAND: u16 = 1;
const CONFIG_MODE: u16 = 2;
const CONFIG_TIMEOUT: u16 = 4;
const BIND: u8 = 1;
const COPY_PACKET: u8 = 2;
const PAYLOAD: u16 = 9;
const PREFIX: u16 = 10;
/// The kernel waits at most so long for more messages before it sends one.
const TIMEOUT_CENTISECONDS: u32 = 10;

/// A packet that a rule logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// What the rule says.
    pub prefix: String,
    /// Where the packet was to go.
    pub to: Destination,
}

/// The socket of one group, of the namespace of the calling thread.
#[derive(Debug)]
pub struct Nflog {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Nflog {
    /// Listens to `group`; packets come with `copied` of their bytes.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(group: u16, copied: u32) -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::NETFILTER),
        )?;
        rustix::net::bind(&socket, &netlink::SocketAddrNetlink::new(0, 0))?;
        let mut mode = copied.to_be_bytes().to_vec();
        mode.extend([COPY_PACKET, 0]);
        for attribute in [
            attribute(CONFIG_COMMAND, &[BIND]),
            attribute(CONFIG_MODE, &mode),
            attribute(CONFIG_TIMEOUT, &TIMEOUT_CENTISECONDS.to_be_bytes()),
        ] {
            let message = config(group, &attribute);
            rustix::net::send(&socket, &message, SendFlags::empty())?;
        }
        Ok(Self {
            socket,
            buffer: vec![0; 128 * 1024],
        })
    }

    /// Waits for the next packets.
    ///
    /// # Errors
    /// The kernel's; messages that were lost are none.
    pub fn next(&mut self) -> io::Result<Vec<Logged>> {
        match rustix::net::recv(&self.socket, &mut self.buffer[..], RecvFlags::empty()) {
            Ok((_, length)) => Ok(packets(&self.buffer[..length.min(self.buffer.len())])),
            Err(rustix::io::Errno::NOBUFS | rustix::io::Errno::INTR) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

fn config(group: u16, attribute: &[u8]) -> Vec<u8> {
    let length = u32::try_from(20 + attribute.len()).unwrap_or_default();
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(ULOG_CONFIG.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([0, 0]);
    message.extend(group.to_be_bytes());
    message.extend(attribute);
    message
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or_default();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The parts of a buffer that each begin with their length.
fn parts(mut rest: &[u8], length: impl Fn(&[u8]) -> Option<usize>) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(size) = length(rest).filter(|size| *size >= 4) {
        let Some(part) = rest.get(..size) else { break };
        parts.push(part);
        rest = rest.get(size.next_multiple_of(4)..).unwrap_or(&[]);
    }
    parts
}

fn packets(bytes: &[u8]) -> Vec<Logged> {
    let long = |rest: &[u8]| {
        let size = u32::from_ne_bytes(rest.get(..4)?.try_into().ok()?);
        usize::try_from(size).ok()
    };
    parts(bytes, long).into_iter().filter_map(packet).collect()
}

fn packet(message: &[u8]) -> Option<Logged> {
    let short = |rest: &[u8]| {
        let size = u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?);
        Some(usize::from(size))
    };
    let kind = u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?);
    if kind != ULOG_PACKET {
        return None;
    }
    let (mut prefix, mut to) = (String::new(), None);
    for part in parts(message.get(20..)?, short) {
        let kind = u16::from_ne_bytes(part.get(2..4)?.try_into().ok()?) & 0x3fff;
        let value = part.get(4..)?;
        match kind {
            PREFIX => {
                let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
                prefix = String::from_utf8_lossy(text).into_owned();
            }
            PAYLOAD => to = destination(value),
            _ => {}
        }
    }
    Some(Logged { prefix, to: to? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_with_two_attributes_and_one_of_another_kind() {
        let mut ip = vec![0; 24];
        ip[0] = 0x45;
        ip[9] = 17;
        ip[16..20].copy_from_slice(&[10, 0, 0, 1]);
        ip[23] = 9;
        let mut body = vec![0; 4];
        body.extend(attribute(1, &[1, 2, 3]));
        body.extend(attribute(PREFIX, b"refused:private\0"));
        body.extend(attribute(PAYLOAD, &ip));
        let message = |kind: u16| {
            let length = u32::try_from(16 + body.len()).unwrap();
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([0; 10]);
            bytes.extend(&body);
            bytes
        };
        let both = [message(2), message(ULOG_PACKET)].concat();
        let found = packets(&both);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].prefix, "refused:private");
        assert_eq!((found[0].to.protocol, found[0].to.port), ("udp", Some(9)));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_or_spin(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = packets(&bytes);
        }
    }
}
