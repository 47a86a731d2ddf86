//! The proof that a guest reaches the outside.
//!
//! Owns: what it is made of: a guest that may reach the mirror of its own
//! packages and nothing else gets an answer from there. Refuses: any other
//! host; preparing must not call strangers.

use crate::error::{Error, Result};
use pyro_gateway::config::Rules;
use std::net::{IpAddr, ToSocketAddrs};

/// Prints the guest's package sources; the image may have either form.
pub const SOURCES: &str = "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null; true";
/// Most of them are looked at.
const MOST_WORDS: usize = 1000;
/// Longest name there is.
const MOST_NAME_BYTES: usize = 253;

/// A host with packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// The first source's.
///
/// # Errors
/// `prepare_failed`: the environment has none.
pub fn mirror(sources: &str) -> Result<Mirror> {
    sources
        .split_whitespace()
        .take(MOST_WORDS)
        .find_map(url)
        .ok_or_else(|| {
            Error::runtime(
                "prepare_failed",
                "the environment names no package source that a guest could reach",
            )
            .hint("without --network, prepare proves everything else")
        })
}

fn url(word: &str) -> Option<Mirror> {
    let (rest, usual) = match word.strip_prefix("http://") {
        Some(rest) => (rest, 80),
        None => (word.strip_prefix("https://")?, 443),
    };
    let authority = rest.split('/').next()?;
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, usual),
    };
    // It becomes a part of a command.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let fits = !host.is_empty() && host.len() <= MOST_NAME_BYTES && host.bytes().all(plain);
    fits.then(|| Mirror {
        host: host.to_owned(),
        port,
    })
}

impl Mirror {
    /// It and nothing else. Its addresses are listed as the host knows them:
    /// a mirror of the operator's own may be at a private one.
    ///
    /// # Errors
    /// `prepare_failed` when the host does not know it either.
    pub fn rules(&self) -> Result<Rules> {
        let found = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(|error| {
                Error::runtime(
                    "prepare_failed",
                    format!("this host does not find {}: {error}", self.host),
                )
                .hint("the packages' mirror is what the proof asks; look at the host's own network")
            })?;
        let allow_cidrs = found
            .filter_map(|address| match address.ip() {
                IpAddr::V4(address) => Some(format!("{address}/32")),
                IpAddr::V6(_) => None,
            })
            .collect();
        let is_address = self.host.parse::<IpAddr>().is_ok();
        let name = match self.port {
            80 | 443 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        };
        Ok(Rules {
            allow_domains: if is_address { Vec::new() } else { vec![name] },
            allow_cidrs,
        })
    }

    /// A command that prints `reached` once something answered there.
    #[must_use]
    pub fn command(&self) -> String {
        let Self { host, port } = self;
        // A TLS server waits for the client's word, so its handshake has to do.
        let answer = if *port == 443 {
            "true".to_owned()
        } else {
            format!(
                "printf 'HEAD / HTTP/1.0\\r\\nHost: {host}\\r\\n\\r\\n' >&3 && read -r -t 20 line <&3 && test \"${{line#HTTP/}}\" != \"$line\""
            )
        };
        format!(
            "exec bash -c 'exec 3<>/dev/tcp/{host}/{port} && {} && echo reached'",
            answer.replace('\'', "'\\''")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_source_that_can_be_asked_is_taken() {
        for (sources, host, port) in [
            (
                "# x\ndeb http://mirror.example/debian bookworm main",
                "mirror.example",
                80,
            ),
            (
                "Types: deb\nURIs: https://mirror.example:8443/debian\n",
                "mirror.example",
                8443,
            ),
            (
                "deb [signed-by=/k] https://192.0.2.1/debian x",
                "192.0.2.1",
                443,
            ),
            (
                "deb http://a'b/ x\ndeb http://c.example/ x",
                "c.example",
                80,
            ),
        ] {
            let found = mirror(sources).unwrap();
            assert_eq!((found.host.as_str(), found.port), (host, port), "{sources}");
        }
        for none in ["", "deb file:///srv x", "deb http://$(reboot)/ x"] {
            assert_eq!(mirror(none).unwrap_err().code, "prepare_failed");
        }
    }

    #[test]
    fn only_the_mirror_may_be_reached() {
        let mirror = mirror("http://127.0.0.1:8080/debian").unwrap();
        let rules = mirror.rules().unwrap();
        assert_eq!(rules.allow_cidrs, ["127.0.0.1/32"]);
        assert!(rules.allow_domains.is_empty() && rules.is_limited());
        assert!(mirror.command().contains("/dev/tcp/127.0.0.1/8080"));
    }
}
