//! What a client is told when it is refused.
//!
//! Owns: the bytes. Refuses: to say what is behind the refusal; the log does.

use std::io::Write;

/// The handshake was not understood.
pub const DECODE_ERROR: u8 = 50;
/// Not with these rules.
pub const ACCESS_DENIED: u8 = 49;
/// Not this name.
pub const UNRECOGNIZED_NAME: u8 = 112;

/// A fatal alert, before any handshake.
#[must_use]
pub fn alert(description: u8) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, description]
}

/// A reply to a request, with an explanation for a person.
#[must_use]
pub fn forbidden(name: Option<&str>, reason: &str) -> Vec<u8> {
    reply("403 Forbidden", name, reason)
}

fn reply(status: &str, name: Option<&str>, reason: &str) -> Vec<u8> {
    let name = name.unwrap_or("this request");
    let text = format!(
        "pyro refused {name}: {reason}.\n\
         The workspace was made with a network policy; a host is allowed with --allow-domain,\n\
         a range of addresses with --allow-cidr. `pyro workspace network log` lists what was refused.\n"
    );
    let mut bytes = Vec::new();
    let _ = write!(
        bytes,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    bytes
}
