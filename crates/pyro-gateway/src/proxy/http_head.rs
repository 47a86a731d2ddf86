//! The head of one HTTP/1 request of a guest.
//!
//! Owns: which host it is for, where its body ends, how it is passed on: as
//! this reader understood it, not as it came. Refuses: everything two readers
//! could understand differently (that is how a second request is smuggled
//! behind a first), tunnels, and other protocols on the same connection.

use crate::rules::HostName;
use std::io::Write;

/// Most bytes of a head.
pub const MAX_BYTES: usize = 64 * 1024;

const MAX_HEADERS: usize = 128;

/// How the length of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// One request's head.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Bytes it took.
    pub length: usize,
    /// Whose it is.
    pub host: HostName,
    /// The port, if it was written.
    pub port: Option<u16>,
    /// Where the body ends.
    pub framing: Framing,
    /// What is sent to the server.
    pub head: Vec<u8>,
}

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// The beginning of a head.
    More,
    /// Nothing a server should be shown, and why.
    Malformed(&'static str),
    /// A head.
    Whole(Box<Request>),
}

/// Reads what has come so far.
#[must_use]
pub fn read(bytes: &[u8]) -> Read {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let head = match end {
        Some(end) if end + 4 <= MAX_BYTES => &bytes[..end + 4],
        None if bytes.len() < MAX_BYTES => {
            return match strange(bytes) {
                Some(reason) => Read::Malformed(reason),
                None => Read::More,
            };
        }
        _ => return Read::Malformed("a request head longer than 64 KiB"),
    };
    if let Some(reason) = strange(head) {
        return Read::Malformed(reason);
    }
    match request(head) {
        Ok(request) => Read::Whole(Box::new(request)),
        Err(reason) => Read::Malformed(reason),
    }
}

/// Lines end with CR LF and hold neither alone: readers differ about the rest.
fn strange(head: &[u8]) -> Option<&'static str> {
    let mut before = 0;
    for (index, byte) in head.iter().enumerate() {
        match byte {
            b'\n' if before != b'\r' => return Some("a line that ends with LF alone"),
            0 => return Some("a NUL in a request head"),
            _ if before == b'\r' && *byte != b'\n' => return Some("a CR inside a line"),
            _ if index == 0 && !byte.is_ascii_uppercase() => return Some("not an HTTP request"),
            _ => {}
        }
        before = *byte;
    }
    None
}

fn request(head: &[u8]) -> Result<Request, &'static str> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err("more than 128 headers"),
        Ok(_) | Err(_) => return Err("not an HTTP/1 request"),
    }
    let method = parsed.method.ok_or("no method")?;
    let target = parsed.path.ok_or("no target")?;
    let minor = parsed.version.ok_or("no version")?;
    if method.eq_ignore_ascii_case("CONNECT") {
        return Err("CONNECT: this is no proxy to ask for tunnels");
    }
    if !method
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'-')
    {
        return Err("a method that is none");
    }
    let (host, port) = authority(only(parsed.headers, "host")?.ok_or("no Host header")?)?;
    let path = match target.split_once("://") {
        _ if target.starts_with('/') => target,
        None if target == "*" && method == "OPTIONS" => target,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let named = authority(&rest.as_bytes()[..end])?;
            if named.0 != host || named.1.unwrap_or(80) != port.unwrap_or(80) {
                return Err("a target with another host than the Host header");
            }
            match &rest[end..] {
                "" => "/",
                path if path.starts_with('/') => path,
                _ => return Err("a target that is none"),
            }
        }
        _ => return Err("a target that is none"),
    };
    let framing = framing(parsed.headers, minor)?;
    Ok(Request {
        length: head.len(),
        head: write(method, path, minor, parsed.headers),
        host,
        port,
        framing,
    })
}

/// The one value of a header. Twice is refused, even the same.
fn only<'a>(
    headers: &[httparse::Header<'a>],
    name: &str,
) -> Result<Option<&'a [u8]>, &'static str> {
    let mut found = headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case(name));
    let first = found.next().map(|header| header.value);
    if found.next().is_some() {
        return Err("a header twice that there is one of: Host, Content-Length, Transfer-Encoding");
    }
    Ok(first)
}

fn authority(value: &[u8]) -> Result<(HostName, Option<u16>), &'static str> {
    let text = std::str::from_utf8(value).map_err(|_| "a host that is none")?;
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => {
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            let port = digits.then(|| port.parse().ok()).flatten();
            (host, Some(port.ok_or("a port that is none")?))
        }
        None => (text, None),
    };
    let host = HostName::parse(host).map_err(|_| "a host that is no name")?;
    Ok((host, port))
}

fn framing(headers: &[httparse::Header<'_>], minor: u8) -> Result<Framing, &'static str> {
    let length = only(headers, "content-length")?;
    match (only(headers, "transfer-encoding")?, length) {
        (Some(_), Some(_)) => Err("both Content-Length and Transfer-Encoding"),
        (Some(_), None) if minor == 0 => Err("Transfer-Encoding in HTTP/1.0"),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (Some(_), None) => Err("a Transfer-Encoding other than chunked"),
        (None, Some(digits)) => {
            if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
                return Err("a Content-Length that is none");
            }
            let digits =
                std::str::from_utf8(digits).map_err(|_| "a Content-Length that is none")?;
            digits
                .parse()
                .map(Framing::Length)
                .map_err(|_| "a Content-Length that is none")
        }
        (None, None) => Ok(Framing::Length(0)),
    }
}

/// Headers between a client and the next hop; those of this hop are written
/// anew. Without Upgrade nothing but HTTP/1 is spoken on the connection.
const HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "upgrade",
    "http2-settings",
    "te",
    "trailer",
];

fn write(method: &str, path: &str, minor: u8, headers: &[httparse::Header<'_>]) -> Vec<u8> {
    let mut head = Vec::new();
    let _ = write!(head, "{method} {path} HTTP/1.{minor}\r\n");
    for header in headers {
        if HOP.iter().any(|hop| header.name.eq_ignore_ascii_case(hop)) {
            continue;
        }
        head.extend_from_slice(header.name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(header.value);
        head.extend_from_slice(b"\r\n");
    }
    for option in ["close", "keep-alive"] {
        if headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case("connection"))
            .filter_map(|header| std::str::from_utf8(header.value).ok())
            .flat_map(|value| value.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(option))
        {
            let _ = write!(head, "Connection: {option}\r\n");
            break;
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests;
