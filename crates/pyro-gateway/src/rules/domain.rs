//! Names of hosts, and rules about them.
//!
//! Owns: what a name looks like, `*.`, `:port`. Refuses: letters outside
//! ASCII (their punycode is unambiguous, they are not), addresses, whole
//! top levels.

use super::RuleError;
use std::fmt;

/// A name as DNS compares it: lower case, no dot at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

/// What is wrong, and what to do.
type Refusal = (&'static str, &'static str);

impl HostName {
    /// Reads a name. Underscores are let through: they do occur.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if !text.is_ascii() {
            return Err((
                "has letters outside ASCII",
                "write its punycode, xn--..., which is the same to everybody",
            ));
        }
        if text.is_empty() {
            return Err(("is empty", "write a name, such as api.example.org"));
        }
        if text.len() > 253 {
            return Err(("is longer than 253 characters", "write the whole name only"));
        }
        for label in text.split('.') {
            if label.is_empty() || label.len() > 63 {
                return Err((
                    "has an empty part, or one longer than 63 characters",
                    "separate the parts by single dots",
                ));
            }
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if !label.bytes().all(plain) {
                return Err((
                    "has a character no host's name has",
                    "write the host's name only: no scheme, path or user",
                ));
            }
            if label.starts_with('-') || label.ends_with('-') {
                return Err(("has a part with - at an end", "check the spelling"));
            }
        }
        if is_number(text.rsplit('.').next().unwrap_or(text)) {
            return Err(("is an address", "use --allow-cidr for addresses"));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a URL's reader would take a name ending in it for an IPv4 address.
fn is_number(label: &str) -> bool {
    let hex = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// One entry of the list of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainRule {
    name: HostName,
    below: bool,
    port: Option<u16>,
}

impl DomainRule {
    /// Reads `name`, `*.name`, either with `:port`.
    pub fn parse(entry: &str) -> Result<Self, RuleError> {
        let error = |(reason, next)| RuleError::Domain {
            entry: entry.to_owned(),
            reason,
            next,
        };
        if entry.starts_with('[') || entry.parse::<std::net::IpAddr>().is_ok() {
            return Err(error(("is an address", "use --allow-cidr for addresses")));
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((_, port)) if port.starts_with("//") => {
                return Err(error(("is a URL", "write the host's name only")));
            }
            Some((name, port)) => (name, Some(port)),
            None => (entry, None),
        };
        let port = match port {
            None => None,
            Some(text) => match text.parse::<u16>() {
                Ok(port) if port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    Some(port)
                }
                _ => {
                    return Err(error((
                        "has a port that is none",
                        "write a number from 1 to 65535 after the colon",
                    )));
                }
            },
        };
        let (name, below) = match name.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (name, false),
        };
        if name == "*" || name.is_empty() && below {
            return Err(error((
                "allows everything",
                "leave --allow-domain out for every public host",
            )));
        }
        if name.contains('*') {
            return Err(error((
                "has a * that is not a whole first part",
                "write *.example.org for everything below example.org",
            )));
        }
        let name = HostName::parse(name).map_err(error)?;
        if below && !name.as_str().contains('.') {
            return Err(error((
                "is a whole top level",
                "write the whole name, such as *.example.org",
            )));
        }
        Ok(Self { name, below, port })
    }

    /// Whether a name falls under the rule. `*.name` is what is below it, not
    /// itself.
    #[must_use]
    pub fn covers(&self, name: &HostName) -> bool {
        if !self.below {
            return self.name == *name;
        }
        name.as_str()
            .strip_suffix(self.name.as_str())
            .is_some_and(|front| front.len() > 1 && front.ends_with('.'))
    }

    /// Whether the rule is about this port.
    #[must_use]
    pub fn has_port(&self, port: u16) -> bool {
        match self.port {
            Some(own) => own == port,
            None => port == 80 || port == 443,
        }
    }
}

impl fmt::Display for DomainRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = if self.below { "*." } else { "" };
        write!(formatter, "{below}{}", self.name)?;
        match self.port {
            Some(port) => write!(formatter, ":{port}"),
            None => Ok(()),
        }
    }
}
