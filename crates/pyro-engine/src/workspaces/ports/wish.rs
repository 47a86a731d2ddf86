//! Which port somebody wants.
//!
//! ```text
//!   GUEST_PORT               a free port of this host
//!   HOST_PORT:GUEST_PORT     this one
//! ```
//!
//! Owns: the text and the ranges. Pure. Refuses: whether a port is free.

use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Ports of a guest.
pub const GUEST_PORT_RANGE: RangeInclusive<u16> = 1..=65535;
/// Ports of this host that may be asked for.
pub const HOST_PORT_RANGE: RangeInclusive<u16> = 1025..=65535;

/// A port of the guest, and where on this host it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortWish {
    /// Port of the guest, 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub guest_port: u16,
    /// Port of this host, 1025 to 65535; a free one unless given.
    #[serde(default)]
    #[schemars(range(min = 1025, max = 65535))]
    pub host_port: Option<u16>,
}

impl PortWish {
    /// # Errors
    /// `invalid_port`.
    pub fn check(self) -> Result<Self> {
        if !GUEST_PORT_RANGE.contains(&self.guest_port) {
            return Err(out_of_range(
                "guest port",
                self.guest_port,
                &GUEST_PORT_RANGE,
            ));
        }
        match self.host_port {
            Some(port) if !HOST_PORT_RANGE.contains(&port) => {
                Err(out_of_range("host port", port, &HOST_PORT_RANGE))
            }
            _ => Ok(self),
        }
    }
}

impl FromStr for PortWish {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (host, guest) = match text.trim().split_once(':') {
            Some((host, guest)) => (Some(host), guest),
            None => (None, text.trim()),
        };
        Ok(Self {
            guest_port: number(text, guest)?,
            host_port: host.map(|host| number(text, host)).transpose()?,
        })
    }
}

/// A port of this host.
///
/// # Errors
/// `invalid_port`.
pub fn host_port(text: &str) -> Result<u16> {
    number(text, text.trim())
}

fn number(text: &str, digits: &str) -> Result<u16> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(port) if all_digits => Ok(port),
        _ => Err(
            Error::invalid("invalid_port", format!("`{text}` is not a port"))
                .hint("give GUEST_PORT, or HOST_PORT:GUEST_PORT, for example 8080:80"),
        ),
    }
}

fn out_of_range(what: &str, port: u16, range: &RangeInclusive<u16>) -> Error {
    let (least, most) = (range.start(), range.end());
    Error::invalid("invalid_port", format!("{what} {port} is out of range"))
        .hint(format!("a {what} is {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_in_range_is_read_back_and_nothing_else_passes(host: Option<u16>, guest: u16) {
            let text = host.map_or(guest.to_string(), |host| format!("{host}:{guest}"));
            let fits = guest > 0 && host.is_none_or(|host| host > 1024);
            match text.parse::<PortWish>().and_then(PortWish::check) {
                Ok(wish) => {
                    prop_assert!(fits);
                    prop_assert_eq!(wish, PortWish { guest_port: guest, host_port: host });
                }
                Err(error) => {
                    prop_assert!(!fits, "{}", error);
                    prop_assert_eq!(error.code, "invalid_port");
                    prop_assert!(error.hint.is_some());
                }
            }
        }

        #[test]
        fn no_text_panics(text in "[0-9:+ -x]{0,12}") {
            let _ = text.parse::<PortWish>().and_then(PortWish::check);
        }
    }

    #[test]
    fn what_is_no_port_is_named() {
        for text in [
            "", ":", "80:", ":80", "x", "+80", "65536", "1:2:3", "8080:0", "80:80",
        ] {
            let error = text
                .parse::<PortWish>()
                .and_then(PortWish::check)
                .unwrap_err();
            assert_eq!(error.code, "invalid_port", "{text}");
        }
    }
}
