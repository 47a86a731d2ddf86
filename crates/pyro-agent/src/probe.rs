//! Looks for what makes a service ready.
//!
//! Owns: one look at a file, a port or a URL of this guest, within its time.
//! Refuses: failing (what is not there is not ready, with the reason), asking a
//! name server, following redirects, and addresses that are not the guest's
//! own: a probe is no way out.
//!
//! ```text
//!   localhost --> 127.0.0.1, ::1     an address --bind(address, 0)--> is it ours?
//!   GET path --> "HTTP/1.x NNN" --> 200..=399
//! ```

use crate::files;
use crate::machine::Machine;
use crate::reply::answer;
use pyro_proto::Stream;
use pyro_proto::messages::Reply;
use pyro_proto::messages::probe::{MAX_WHY_BYTES, PROBE_HTTP, PROBE_TCP, Probe, Probed, Target};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// A status line is shorter.
const MAX_STATUS_BYTES: usize = 1024;

/// Looks once and answers.
pub fn run(machine: &Machine, probe: &Probe, stream: Stream) {
    let found = match &probe.target {
        Target::File { path } => match files::is_there(machine, path) {
            Ok(true) => Ok(()),
            Ok(false) => Err("the file does not exist".into()),
            Err(error) => Err(error.message),
        },
        Target::Tcp { host, port } => connect(host, *port, PROBE_TCP).map(drop),
        Target::Http {
            host,
            port,
            authority,
            path,
        } => get(host, *port, authority, path),
    };
    let why = found.err().map(short);
    let ready = why.is_none();
    answer(stream, &Reply::Probed(Probed { ready, why }));
}

fn short(why: String) -> String {
    let mut end = why.len().min(MAX_WHY_BYTES);
    while !why.is_char_boundary(end) {
        end -= 1;
    }
    why[..end].to_owned()
}

fn addresses(host: &str) -> Result<Vec<IpAddr>, String> {
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let address: IpAddr = host
        .parse()
        .map_err(|_| format!("{host} is neither localhost nor an address"))?;
    // Only an address of its own can be bound to.
    if address.is_loopback() || UdpSocket::bind((address, 0)).is_ok() {
        Ok(vec![address])
    } else {
        Err(format!("{address} is no address of this guest"))
    }
}

fn connect(host: &str, port: u16, most: Duration) -> Result<TcpStream, String> {
    let until = Instant::now() + most;
    let mut why = String::new();
    for address in addresses(host)? {
        let left = until.saturating_duration_since(Instant::now());
        // One that does not answer must not take the other's time.
        let left = left.min(most / 2).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&SocketAddr::new(address, port), left) {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                if !why.is_empty() {
                    why.push_str(", ");
                }
                why.push_str(&format!("{}: {error}", SocketAddr::new(address, port)));
            }
        }
    }
    Err(why)
}

fn get(host: &str, port: u16, authority: &str, path: &str) -> Result<(), String> {
    let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if !printable(authority) || !printable(path) {
        return Err("the URL has characters that no request can have".into());
    }
    let until = Instant::now() + PROBE_HTTP;
    let mut stream = connect(host, port, PROBE_TCP)?;
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
            "no answer in time".to_owned()
        }
        _ => format!("no answer: {error}"),
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: pyro\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream
        .set_write_timeout(Some(PROBE_HTTP))
        .and_then(|()| stream.write_all(request.as_bytes()))
        .map_err(failed)?;
    let mut line = Vec::new();
    while !line.contains(&b'\n') && line.len() < MAX_STATUS_BYTES {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("no answer in time".into());
        }
        stream.set_read_timeout(Some(left)).map_err(failed)?;
        let mut piece = [0; 256];
        match stream.read(&mut piece).map_err(failed)? {
            0 => break,
            count => line.extend_from_slice(&piece[..count]),
        }
    }
    match status(&line) {
        Some(200..=399) => Ok(()),
        Some(code) => Err(format!("it answered with status {code}")),
        None => Err("its answer is no HTTP".into()),
    }
}

/// The code of `HTTP/1.1 200 OK`.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line.get(..12)?).ok()?;
    let (version, code) = line.split_once(' ')?;
    if !version.starts_with("HTTP/1.") {
        return None;
    }
    code.parse().ok().filter(|code| (100..=599).contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers once on `address` with `answer`; the port.
    fn server(address: &str, answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 512];
            let count = stream.read(&mut asked).unwrap();
            assert!(asked[..count].starts_with(b"GET /a?b HTTP/1.1\r\nHost: x:1\r\n"));
            stream.write_all(answer).unwrap();
        });
        port
    }

    #[test]
    fn a_status_between_200_and_399_is_ready_and_no_redirect_is_followed() {
        for (answer, ready) in [
            (&b"HTTP/1.1 200 OK\r\n\r\n"[..], true),
            (
                b"HTTP/1.0 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n",
                true,
            ),
            (b"HTTP/1.1 404 Not Found\r\n\r\n", false),
            (b"HTTP/1.1 500 Oops\r\n\r\n", false),
            (b"SSH-2.0-OpenSSH_9.2\r\n", false),
            (b"HTTP/1.1 2\xff0 OK\r\n", false),
            (b"", false),
        ] {
            let port = server("127.0.0.1", answer);
            let got = get("127.0.0.1", port, "x:1", "/a?b");
            assert_eq!(got.is_ok(), ready, "{got:?}");
        }
    }

    #[test]
    fn localhost_finds_what_listens_on_one_family_only() {
        for address in ["127.0.0.1", "::1"] {
            // A host without IPv6 has nothing to find.
            let Ok(listener) = TcpListener::bind((address, 0)) else {
                eprintln!("skipped: no {address} here");
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            assert!(connect("localhost", port, PROBE_TCP).is_ok(), "{address}");
            drop(listener);
            assert!(connect("localhost", port, PROBE_TCP).is_err(), "{address}");
        }
    }

    #[test]
    fn only_addresses_of_its_own_are_looked_at() {
        for host in ["192.0.2.1", "2001:db8::1", "example.com", ""] {
            assert!(addresses(host).is_err(), "{host}");
        }
        assert_eq!(addresses("127.0.0.9").unwrap().len(), 1);
    }

    #[test]
    fn a_header_cannot_be_smuggled_in() {
        let got = get("127.0.0.1", 1, "x\r\nEvil: 1", "/");
        assert!(got.unwrap_err().contains("characters"));
    }

    #[test]
    fn a_server_that_says_nothing_is_given_up_in_time() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let began = Instant::now();
        assert_eq!(
            get("127.0.0.1", port, "x", "/").unwrap_err(),
            "no answer in time"
        );
        assert!(began.elapsed() >= Duration::from_secs(1));
    }
}
