//! What makes a service ready, from what a caller wrote.
//!
//! Owns: which paths, addresses and URLs can be looked at, and what the agent
//! is asked. Pure. Refuses: more than one condition, names that a name server
//! would have to know, and https, whose certificates nobody here can judge.
//!
//! ```text
//!   --ready-* --parse--> Readiness (payload) --target--> probe of the agent
//! ```

use super::payloads::Readiness;
use crate::error::{Error, Result};
use crate::redact::Redactor;
use crate::vms::checks;
use pyro_proto::messages::probe::Target;
use pyro_proto::path::{PathText, WORKSPACE, beneath};
use std::net::IpAddr;

/// Longest URL, bytes.
const MAX_URL_BYTES: usize = 2048;

/// What a caller wrote; at most one of them.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A path below `/workspace`.
    pub file: Option<String>,
    /// `HOST:PORT`.
    pub tcp: Option<String>,
    /// An `http` URL.
    pub http: Option<String>,
    /// A command.
    pub command: Option<String>,
}

/// A file, a connection or a URL; none for a command.
pub enum Looked {
    /// Something the agent looks at.
    At(Target),
    /// Something it runs.
    Command(String),
}

impl Wanted {
    /// # Errors
    /// `conflict` for more than one; `invalid_readiness`.
    pub fn parse(&self) -> Result<Option<Readiness>> {
        let given = [&self.file, &self.tcp, &self.http, &self.command];
        if given.iter().filter(|one| one.is_some()).count() > 1 {
            return Err(Error::invalid(
                "conflict",
                "more than one of ready_file, ready_tcp, ready_http and ready_command is given",
            )
            .hint("give the one that is true last; a command can test several things"));
        }
        let readiness = if let Some(path) = &self.file {
            Readiness::File {
                path: inside(path, "ready_file")?,
            }
        } else if let Some(address) = &self.tcp {
            let address = address.trim();
            let (host, port) =
                host_and_port(address, None).map_err(|why| refused("ready_tcp", address, &why))?;
            Readiness::Tcp {
                address: joined(&host, port),
            }
        } else if let Some(url) = &self.http {
            let url = url.trim();
            split_url(url).map_err(|why| refused("ready_http", url, &why))?;
            Readiness::Http {
                url: url.to_owned(),
            }
        } else if let Some(command) = &self.command {
            checks::command(command)?;
            Readiness::Command {
                command: command.clone(),
            }
        } else {
            return Ok(None);
        };
        Ok(Some(readiness))
    }
}

fn refused(what: &str, given: &str, why: &str) -> Error {
    Error::invalid("invalid_readiness", format!("{what} {given:?} {why}")).hint(
        "for example --ready-file app.pid, --ready-tcp localhost:8080 or --ready-http http://localhost:8080/health",
    )
}

/// A path of a request as the guest's absolute one.
pub fn inside(path: &str, what: &str) -> Result<String> {
    let trimmed = path.trim();
    let relative = beneath(trimmed.as_bytes()).map_err(|error| {
        Error::invalid("invalid_path", format!("{what}: {error}"))
            .hint("give a path below /workspace")
    })?;
    let relative = String::from_utf8_lossy(&relative);
    Ok(match &*relative {
        "" => WORKSPACE.to_owned(),
        relative => format!("{WORKSPACE}/{relative}"),
    })
}

/// As it may be shown.
pub fn shown(readiness: &Readiness, redactor: &Redactor) -> Readiness {
    let text = |text: &String| redactor.text(text);
    match readiness {
        Readiness::File { path } => Readiness::File { path: text(path) },
        Readiness::Tcp { address } => Readiness::Tcp {
            address: text(address),
        },
        Readiness::Http { url } => Readiness::Http { url: text(url) },
        Readiness::Command { command } => Readiness::Command {
            command: text(command),
        },
    }
}

/// What there is to look at. A record that cannot be is never ready.
pub fn look(readiness: &Readiness) -> Result<Looked, String> {
    Ok(Looked::At(match readiness {
        Readiness::Command { command } => return Ok(Looked::Command(command.clone())),
        Readiness::File { path } => Target::File {
            path: PathText::from(path.as_bytes()),
        },
        Readiness::Tcp { address } => {
            let (host, port) = host_and_port(address, None)?;
            Target::Tcp { host, port }
        }
        Readiness::Http { url } => {
            let (authority, host, port, path) = split_url(url)?;
            Target::Http {
                host,
                port,
                authority,
                path,
            }
        }
    }))
}

/// `localhost:80`, `127.0.0.1:80`, `[::1]:80`.
fn host_and_port(text: &str, default_port: Option<u16>) -> Result<(String, u16), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or("is no HOST:PORT")?)),
        None => match text.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => {
                return Err("has an IPv6 address without brackets".into());
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match (port, default_port) {
        (Some(port), _) => port
            .parse()
            .ok()
            .filter(|number| *number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or("has no port from 1 to 65535")?,
        (None, Some(port)) => port,
        (None, None) => return Err("has no port".into()),
    };
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(("localhost".into(), port));
    }
    match host.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => {
            Err("is where servers listen, which is no address to ask; localhost is".into())
        }
        Ok(address) if address.is_multicast() => Err("is a multicast address".into()),
        Ok(address) => Ok((address.to_string(), port)),
        Err(_) => Err("names neither localhost nor an address of the guest".into()),
    }
}

fn joined(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Authority, host, port, path with query.
fn split_url(url: &str) -> Result<(String, String, u16, String), String> {
    if url.len() > MAX_URL_BYTES {
        return Err("is longer than 2048 bytes".into());
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has characters that no URL has".into());
    }
    let (scheme, rest) = url.split_once("://").ok_or("has no scheme")?;
    if scheme.eq_ignore_ascii_case("https") {
        return Err(
            "is https, which is not looked at: use ready_tcp, or ready_command with curl".into(),
        );
    }
    if !scheme.eq_ignore_ascii_case("http") {
        return Err("is no http URL".into());
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err("has a user in it".into());
    }
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    let (host, port) = host_and_port(authority, Some(80))?;
    Ok((authority.to_owned(), host, port, path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tcp(text: &str) -> Result<Option<Readiness>> {
        let tcp = Some(text.to_owned());
        Wanted {
            tcp,
            ..Wanted::default()
        }
        .parse()
    }

    fn http(text: &str) -> Result<Option<Readiness>> {
        let http = Some(text.to_owned());
        Wanted {
            http,
            ..Wanted::default()
        }
        .parse()
    }

    #[test]
    fn one_condition_at_most() {
        let both = Wanted {
            file: Some("a".into()),
            command: Some("true".into()),
            ..Wanted::default()
        };
        assert_eq!(both.parse().unwrap_err().code, "conflict");
        assert_eq!(Wanted::default().parse().unwrap(), None);
    }

    #[test]
    fn files_are_below_the_workspace() {
        for (given, path) in [
            ("a/./b", "/workspace/a/b"),
            ("/workspace/x", "/workspace/x"),
            (" a ", "/workspace/a"),
            (".", "/workspace"),
        ] {
            assert_eq!(inside(given, "ready_file").unwrap(), path);
        }
        for bad in ["/etc/passwd", "../x", "", "a/../../b"] {
            assert_eq!(inside(bad, "ready_file").unwrap_err().code, "invalid_path");
        }
    }

    #[test]
    fn addresses_are_the_guests_own() {
        for (given, shown) in [
            ("localhost:80", "localhost:80"),
            ("LOCALHOST:80", "localhost:80"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:65535", "[::1]:65535"),
        ] {
            let address = shown.to_owned();
            assert_eq!(
                tcp(given).unwrap(),
                Some(Readiness::Tcp { address }),
                "{given}"
            );
        }
        for bad in [
            "8080",
            ":8080",
            "localhost",
            "localhost:0",
            "localhost:65536",
            "localhost:+80",
            "::1:80",
            "[::1]80",
            "example.com:80",
            "0.0.0.0:80",
            "[::]:80",
            "224.0.0.1:80",
            "",
        ] {
            assert_eq!(tcp(bad).unwrap_err().code, "invalid_readiness", "{bad}");
        }
    }

    #[test]
    fn urls_are_taken_apart() {
        for (url, host, port, path) in [
            ("http://localhost", "localhost", 80, "/"),
            ("http://localhost:8080?x=1", "localhost", 8080, "/?x=1"),
            ("HTTP://127.0.0.1:81/a/b?c#d", "127.0.0.1", 81, "/a/b?c"),
            ("http://[::1]:82/", "::1", 82, "/"),
        ] {
            let Some(readiness) = http(url).unwrap() else {
                panic!("{url}");
            };
            let Ok(Looked::At(Target::Http {
                host: h,
                port: p,
                path: t,
                ..
            })) = look(&readiness)
            else {
                panic!("{url}");
            };
            assert_eq!((h.as_str(), p, t.as_str()), (host, port, path), "{url}");
        }
        for bad in [
            "localhost:80",
            "https://localhost/",
            "ftp://localhost/",
            "http://example.com/",
            "http://a@localhost/",
            "http://localhost/a b",
            "http://localhost/\r\nX: y",
            "http://",
        ] {
            assert_eq!(http(bad).unwrap_err().code, "invalid_readiness", "{bad}");
        }
        assert!(
            http("https://localhost/")
                .unwrap_err()
                .message
                .contains("https")
        );
    }

    proptest! {
        #[test]
        fn what_is_accepted_can_be_looked_at(text in "(http://)?[\\[\\]a-z0-9.:/?#@ -]{0,30}") {
            for parsed in [tcp(&text), http(&text)].into_iter().flatten().flatten() {
                prop_assert!(look(&parsed).is_ok());
            }
        }
    }
}
