//! The first message of a TLS handshake.
//!
//! Owns: the name in it and whether it hides another one. Refuses: two names,
//! an address as name, lengths that do not add up: a server might read such a
//! message in another way.

use crate::rules::HostName;

/// Most bytes of it. With post-quantum keys it has about 2000.
pub const MAX_BYTES: usize = 16 * 1024;

const RECORD_HANDSHAKE: u8 = 22;
const RECORD_HEADER_BYTES: usize = 5;
const MESSAGE_CLIENT_HELLO: u8 = 1;
const EXTENSION_SERVER_NAME: u16 = 0;
const EXTENSION_PROTOCOLS: u16 = 16;
const EXTENSION_ENCRYPTED_HELLO: u16 = 0xfe0d;
/// Its drafts, and the extension it was before.
const EXTENSION_ENCRYPTED_NAME: u16 = 0xffce;

/// What it says.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct ClientHello {
    /// The server's name.
    pub name: Option<HostName>,
    /// Application protocols, in the client's order.
    pub protocols: Vec<Vec<u8>>,
    /// Whether there is a second, encrypted one inside.
    pub has_encrypted: bool,
}

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Its beginning.
    More,
    /// Something else.
    NotTls,
    /// Nothing a server should be shown, and why.
    Malformed(&'static str),
    /// It.
    Whole(ClientHello),
}

/// Reads what has come so far.
#[must_use]
pub fn read(bytes: &[u8]) -> Read {
    match bytes {
        [] => return Read::More,
        [RECORD_HANDSHAKE] | [RECORD_HANDSHAKE, 3, ..] => {}
        _ => return Read::NotTls,
    }
    // A message may be spread over several records.
    let mut message = Vec::new();
    let mut rest = bytes;
    while let Some((header, body)) = rest.split_at_checked(RECORD_HEADER_BYTES) {
        if header[0] != RECORD_HANDSHAKE || header[1] != 3 {
            return Read::Malformed("another record inside the handshake's first message");
        }
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if length == 0 || length > 16 * 1024 {
            return Read::Malformed("a record of an impossible length");
        }
        let taken = length.min(body.len());
        message.extend_from_slice(&body[..taken]);
        rest = &body[taken..];
        if let Some(whole) = whole(&message) {
            return whole;
        }
        if taken < length {
            break;
        }
    }
    if bytes.len() >= MAX_BYTES {
        return Read::Malformed("longer than any first message of a handshake");
    }
    Read::More
}

/// The message once it is complete.
fn whole(message: &[u8]) -> Option<Read> {
    let kind = *message.first()?;
    if kind != MESSAGE_CLIENT_HELLO {
        return Some(Read::Malformed("not the first message of a handshake"));
    }
    let length = usize::from(*message.get(1)?) << 16
        | usize::from(*message.get(2)?) << 8
        | usize::from(*message.get(3)?);
    if length > MAX_BYTES {
        return Some(Read::Malformed(
            "longer than any first message of a handshake",
        ));
    }
    let body = message.get(4..4 + length)?;
    Some(match hello(body) {
        Ok(hello) => Read::Whole(hello),
        Err(reason) => Read::Malformed(reason),
    })
}

const CUT: &str = "lengths that do not add up";

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (front, rest) = self.0.split_at_checked(count).ok_or(CUT)?;
        self.0 = rest;
        Ok(front)
    }

    fn u8(&mut self) -> Result<usize, &'static str> {
        Ok(usize::from(self.take(1)?[0]))
    }

    fn u16(&mut self) -> Result<u16, &'static str> {
        let two = self.take(2)?;
        Ok(u16::from_be_bytes([two[0], two[1]]))
    }

    fn by_u8(&mut self) -> Result<Self, &'static str> {
        let length = self.u8()?;
        Ok(Self(self.take(length)?))
    }

    fn by_u16(&mut self) -> Result<Self, &'static str> {
        let length = usize::from(self.u16()?);
        Ok(Self(self.take(length)?))
    }

    fn end(&self) -> Result<(), &'static str> {
        if self.0.is_empty() { Ok(()) } else { Err(CUT) }
    }
}

fn hello(body: &[u8]) -> Result<ClientHello, &'static str> {
    let mut cursor = Cursor(body);
    let mut hello = ClientHello::default();
    // Version and random.
    cursor.take(2 + 32)?;
    let _session = cursor.by_u8()?;
    let _suites = cursor.by_u16()?;
    let _compressions = cursor.by_u8()?;
    if cursor.0.is_empty() {
        return Ok(hello);
    }
    let mut extensions = cursor.by_u16()?;
    cursor.end()?;
    let mut seen = Vec::new();
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let mut content = extensions.by_u16()?;
        if seen.contains(&kind) {
            return Err("an extension twice");
        }
        seen.push(kind);
        match kind {
            EXTENSION_SERVER_NAME => hello.name = Some(server_name(&mut content)?),
            EXTENSION_PROTOCOLS => {
                let mut list = content.by_u16()?;
                content.end()?;
                while !list.0.is_empty() {
                    hello.protocols.push(list.by_u8()?.0.to_vec());
                }
            }
            EXTENSION_ENCRYPTED_HELLO | EXTENSION_ENCRYPTED_NAME => hello.has_encrypted = true,
            _ => {}
        }
    }
    Ok(hello)
}

fn server_name(content: &mut Cursor<'_>) -> Result<HostName, &'static str> {
    let mut list = content.by_u16()?;
    content.end()?;
    if list.u8()? != 0 {
        return Err("a server name of an unknown kind");
    }
    let name = list.by_u16()?.0;
    if !list.0.is_empty() {
        return Err("two server names");
    }
    let name = std::str::from_utf8(name).map_err(|_| "a server name that is none")?;
    if name.ends_with('.') {
        return Err("a server name with a dot at its end");
    }
    HostName::parse(name).map_err(|_| "a server name that is none")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// What rustls sends.
    fn real(name: &str, protocols: &[&[u8]]) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
        let name = name.to_owned().try_into().unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// One made by hand: extensions as given.
    fn made(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut list = Vec::new();
        for (kind, content) in extensions {
            list.extend(kind.to_be_bytes());
            list.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
            list.extend(content);
        }
        let mut body = vec![3; 34];
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        body.extend(u16::try_from(list.len()).unwrap().to_be_bytes());
        body.extend(list);
        let mut message = vec![1, 0];
        message.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        message.extend(body);
        let mut record = vec![22, 3, 1];
        record.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        record.extend(message);
        record
    }

    fn sni(name: &[u8]) -> Vec<u8> {
        let length = u16::try_from(name.len()).unwrap();
        let mut content = (length + 3).to_be_bytes().to_vec();
        content.push(0);
        content.extend(length.to_be_bytes());
        content.extend(name);
        content
    }

    #[test]
    fn a_real_one_is_read_in_any_pieces() {
        let bytes = real("API.example.org", &[b"h2", b"http/1.1"]);
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Read::More, "{cut}");
        }
        let Read::Whole(hello) = read(&bytes) else {
            panic!("{:?}", read(&bytes))
        };
        assert_eq!(hello.name, HostName::parse("api.example.org").ok());
        assert_eq!(hello.protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert!(!hello.has_encrypted);
    }

    #[test]
    fn a_message_over_two_records_is_one_message() {
        let bytes = made(&[(0, sni(b"a.example"))]);
        let (front, back) = bytes[5..].split_at(20);
        let mut two = Vec::new();
        for part in [front, back] {
            two.extend([22, 3, 1]);
            two.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
            two.extend(part);
        }
        let Read::Whole(hello) = read(&two) else {
            panic!("{:?}", read(&two))
        };
        assert_eq!(hello.name, HostName::parse("a.example").ok());
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let twice = made(&[(0, sni(b"a.example")), (0, sni(b"b.example"))]);
        let mut two = sni(b"a.example");
        two.extend(&sni(b"b.example")[2..]);
        let length = u16::try_from(two.len() - 2).unwrap();
        two[..2].copy_from_slice(&length.to_be_bytes());
        for bytes in [
            twice,
            made(&[(0, two)]),
            made(&[(0, sni(b"1.2.3.4"))]),
            made(&[(0, sni(b"a.example\0.b"))]),
            made(&[(0, sni(b"a.example."))]),
            made(&[(0, sni("ä.example".as_bytes()))]),
            made(&[(0, vec![0, 9, 0])]),
            made(&[(0, vec![])]),
            vec![22, 3, 1, 0, 0],
            vec![22, 3, 1, 0, 1, 2],
            vec![22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff],
        ] {
            assert!(matches!(read(&bytes), Read::Malformed(_)), "{bytes:?}");
        }
        assert_eq!(read(b"GET / HTTP/1.1"), Read::NotTls);
        assert_eq!(read(b"SSH-2.0"), Read::NotTls);
    }

    #[test]
    fn a_hidden_one_and_a_missing_name_are_seen() {
        let Read::Whole(hello) = read(&made(&[(0, sni(b"a.example")), (0xfe0d, vec![0; 9])]))
        else {
            panic!()
        };
        assert!(hello.has_encrypted);
        let Read::Whole(hello) = read(&made(&[(43, vec![2, 3, 4])])) else {
            panic!()
        };
        assert_eq!(hello.name, None);
    }

    #[test]
    fn it_ends_somewhere() {
        let mut bytes = vec![22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xf0];
        bytes.resize(MAX_BYTES, 0);
        assert!(matches!(read(&bytes), Read::Malformed(_)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_something(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
            let mut framed = vec![22, 3, 1, 0, 200, 1, 0, 0, 196];
            framed.extend(&bytes);
            let _ = read(&framed);
        }

        #[test]
        fn a_damaged_one_is_no_panic(at in 0usize..600, value: u8) {
            let mut bytes = made(&[
                (0, sni(b"some.example.org")), (16, vec![0, 3, 2, b'h', b'2']), (43, vec![2, 3, 4]),
            ]);
            let length = bytes.len();
            bytes[at % length] = value;
            let _ = read(&bytes);
        }
    }
}
