//! The table of attempts: what a guest may try, and what is said about it.

use crate::resolver::pins::Pins;
use crate::rules::HostName;
use crate::testbench::{Bench, PATIENCE, Setting, exchange, talk};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

fn hello(name: &str) -> Vec<u8> {
    hello_with(name, true)
}

fn hello_with(name: &str, sni: bool) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.enable_sni = sni;
    let name = name.to_owned().try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn get(host: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

/// a.example and b.example at an address each, cdn.example at that of
/// a.example but not allowed, evil names at addresses nobody may have.
fn bench() -> Bench {
    let bench = Bench::new(Setting {
        domains: &[
            "a.example",
            "b.example",
            "c.example:5432",
            "lan.example",
            "me.example",
            "gone.example",
        ],
        own: &["203.0.114.9"],
        names: &[
            ("a.example", "1.2.3.4"),
            ("b.example", "1.2.3.5"),
            ("c.example", "1.2.3.6"),
            ("cdn.example", "1.2.3.4"),
            ("lan.example", "192.168.1.1"),
            ("me.example", "203.0.114.9"),
        ],
        ..Setting::default()
    });
    for name in ["a.example", "b.example", "c.example"] {
        assert_eq!(bench.resolve(name), 1, "{name}");
    }
    bench
}

#[test]
fn the_table_of_attempts_is_refused_and_told() {
    let bench = bench();
    let past = Instant::now()
        .checked_sub(Duration::from_secs(400))
        .unwrap();
    let gone = HostName::parse("gone.example").unwrap();
    bench
        .pins
        .pin(&gone, &["1.2.3.9".parse().unwrap()], 1, past);
    for name in ["cdn.example", "lan.example", "me.example"] {
        assert_eq!(bench.resolve(name), 0, "{name}");
    }
    let mut servers = Vec::new();
    for at in [
        "1.2.3.4:443",
        "1.2.3.4:80",
        "1.2.3.4:22",
        "1.2.3.5:443",
        "1.2.3.5:80",
        "1.2.3.6:443",
        "1.2.3.9:443",
        "9.9.9.9:443",
        "9.9.9.9:80",
        "192.168.1.1:80",
        "203.0.114.9:80",
        "127.0.0.1:80",
        "169.254.169.254:80",
    ] {
        servers.push((at, bench.server(at, OK)));
    }
    let host = "Host: a.example\r\n";
    let text = |text: String| text.into_bytes();
    // What is tried, where, what is said, part of the reason.
    let table: Vec<(&str, &str, Vec<u8>, &str)> = vec![
        (
            "direct address, TLS",
            "9.9.9.9:443",
            hello("a.example"),
            "no allowed name was resolved",
        ),
        (
            "direct address, HTTP",
            "9.9.9.9:80",
            get("a.example"),
            "no allowed name was resolved",
        ),
        (
            "rebinding to the network of the host",
            "192.168.1.1:80",
            get("lan.example"),
            "a private address",
        ),
        (
            "a public name of the host itself",
            "203.0.114.9:80",
            get("me.example"),
            "an address of the host",
        ),
        ("loopback", "127.0.0.1:80", get("a.example"), "loopback"),
        (
            "metadata",
            "169.254.169.254:80",
            get("a.example"),
            "link-local",
        ),
        (
            "an old answer",
            "1.2.3.9:443",
            hello("gone.example"),
            "too old",
        ),
        (
            "another port",
            "1.2.3.4:22",
            b"SSH-2.0".to_vec(),
            "port 22 of a.example",
        ),
        (
            "443 of a name for 5432",
            "1.2.3.6:443",
            hello("c.example"),
            "port 443 of c.example",
        ),
        (
            "wrong server name",
            "1.2.3.4:443",
            hello("evil.example"),
            "not in --allow-domain",
        ),
        (
            "a neighbour at the same address",
            "1.2.3.4:443",
            hello("cdn.example"),
            "not in --allow-domain",
        ),
        (
            "an allowed name elsewhere",
            "1.2.3.4:443",
            hello("b.example"),
            "not resolved to this address",
        ),
        (
            "no server name",
            "1.2.3.4:443",
            hello_with("a.example", false),
            "without a server name",
        ),
        (
            "an address as server name",
            "1.2.3.4:443",
            hello("1.2.3.4"),
            "without a server name",
        ),
        ("no TLS on 443", "1.2.3.4:443", get("a.example"), "not TLS"),
        (
            "wrong Host",
            "1.2.3.4:80",
            get("evil.example"),
            "not in --allow-domain",
        ),
        (
            "Host of an allowed name elsewhere",
            "1.2.3.4:80",
            get("b.example"),
            "not resolved to this address",
        ),
        (
            "Host with another port",
            "1.2.3.4:80",
            get("a.example:22"),
            "another port",
        ),
        (
            "an address as Host",
            "1.2.3.4:80",
            get("1.2.3.4"),
            "a host that is no name",
        ),
        (
            "CONNECT",
            "1.2.3.4:80",
            text(format!("CONNECT evil.example:443 HTTP/1.1\r\n{host}\r\n")),
            "CONNECT",
        ),
        (
            "a whole URL with another host",
            "1.2.3.4:80",
            text(format!("GET http://evil.example/ HTTP/1.1\r\n{host}\r\n")),
            "another host",
        ),
        (
            "two Hosts",
            "1.2.3.4:80",
            text(format!(
                "GET / HTTP/1.1\r\n{host}Host: evil.example\r\n\r\n"
            )),
            "twice",
        ),
        (
            "both lengths",
            "1.2.3.4:80",
            text(format!(
                "POST / HTTP/1.1\r\n{host}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            )),
            "both Content-Length",
        ),
        (
            "another protocol",
            "1.2.3.4:80",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            "not an HTTP/1",
        ),
        (
            "IPv6",
            "[2606:4700::1]:443",
            hello("a.example"),
            "guests do not reach",
        ),
    ];
    for (what, to, say, reason) in table {
        let reply = talk(bench.connect(to), &say);
        let http = to.ends_with(":80") && !reply.is_empty();
        assert!(
            reply.is_empty() || reply[0] == 21 || http && reply.starts_with(b"HTTP/1.1 403"),
            "{what}: {:?}",
            String::from_utf8_lossy(&reply)
        );
        let port: u16 = to.rsplit(':').next().unwrap().parse().unwrap();
        bench.wait_told(|attempt| {
            !attempt.allowed && attempt.port == Some(port) && attempt.reason.contains(reason)
        });
    }
    for (at, got) in servers {
        assert!(got.lock().unwrap().is_empty(), "{at} got something");
    }
    let dns = |part: &str| {
        bench.wait_told(|attempt| attempt.protocol == "dns" && attempt.reason.contains(part))
    };
    assert_eq!(
        dns("names a private").address.as_deref(),
        Some("192.168.1.1")
    );
    assert_eq!(
        dns("an address of the host").name.as_deref(),
        Some("me.example")
    );
    assert_eq!(
        dns("not in --allow-domain").name.as_deref(),
        Some("cdn.example")
    );
}

#[test]
fn a_refused_request_explains_itself() {
    let bench = bench();
    let reply = talk(bench.connect("1.2.3.4:80"), &get("evil.example"));
    let reply = String::from_utf8(reply).unwrap();
    for part in [
        "403 Forbidden",
        "evil.example",
        "--allow-domain",
        "workspace network log",
    ] {
        assert!(reply.contains(part), "{reply}");
    }
    let reply = talk(bench.connect("1.2.3.4:443"), &hello("evil.example"));
    assert_eq!(reply, [21, 3, 3, 0, 2, 2, 112], "a fatal alert");
}

#[test]
fn what_is_allowed_arrives() {
    let bench = bench();
    let got = bench.server("1.2.3.4:80", OK);
    let reply = exchange(bench.connect("1.2.3.4:80"), &get("A.example:80"), OK.len());
    assert_eq!(reply, OK);
    assert_eq!(
        String::from_utf8(got.lock().unwrap().clone()).unwrap(),
        "GET / HTTP/1.1\r\nHost: A.example:80\r\n\r\n"
    );
    let got = bench.server("1.2.3.4:443", b"server's bytes");
    let said = hello("a.example");
    let mut stream = bench.connect("1.2.3.4:443");
    for part in said.chunks(50) {
        stream.write_all(part).unwrap();
    }
    let mut reply = [0; 14];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"server's bytes");
    bench.wait_told(|attempt| attempt.allowed && attempt.port == Some(443));
    assert!(said.starts_with(&got.lock().unwrap()[..]));
    let got = bench.server("1.2.3.6:5432", b"hello");
    let mut stream = bench.connect("1.2.3.6:5432");
    stream.write_all(b"any protocol").unwrap();
    let mut reply = [0; 5];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&got.lock().unwrap()[..], b"any protocol");
    let told = bench.wait_told(|attempt| attempt.port == Some(5432));
    assert!(
        told.allowed && told.reason.contains("not looked into"),
        "{told:?}"
    );
}

#[test]
fn a_second_request_for_another_host_is_not_passed_on() {
    let bench = bench();
    let got = bench.server(
        "1.2.3.4:80",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    for second in [
        "GET /evil HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET http://evil.example/evil HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET /evil HTTP/1.1\nHost: evil.example\n\n",
    ] {
        for first in [
            "POST /1 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\nbody",
            "POST /1 HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
            "GET /1 HTTP/1.1\r\nHost: a.example\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        ] {
            let both = format!("{first}{second}");
            let reply = talk(bench.connect("1.2.3.4:80"), both.as_bytes());
            assert!(
                !reply.windows(3).any(|three| three == b"403"),
                "the first one's reply stands"
            );
        }
    }
    let refused = |attempt: &crate::log::Attempt| !attempt.allowed && attempt.port == Some(80);
    bench.wait_told(refused);
    let got = String::from_utf8(got.lock().unwrap().clone()).unwrap();
    assert_eq!(got.matches("/1 HTTP/1.1").count(), 12, "{got}");
    assert!(!got.contains("evil") && !got.contains("Upgrade"), "{got}");
}

#[test]
fn pipelined_requests_for_the_same_host_all_arrive() {
    let bench = bench();
    let got = bench.server("1.2.3.4:80", OK);
    let mut stream = bench.connect("1.2.3.4:80");
    let many = get("a.example").repeat(20);
    stream.write_all(&many).unwrap();
    let end = Instant::now() + PATIENCE;
    while got.lock().unwrap().len() < many.len() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(*got.lock().unwrap(), many);
}

#[test]
fn five_hundred_silent_connections_hold_little_and_stop_nobody() {
    let bench = bench();
    bench.server("1.2.3.4:80", OK);
    bench.server("1.2.3.6:5432", b"");
    let before = resident_kib();
    let silent: Vec<_> = (0..500)
        .map(|number| {
            let to = ["1.2.3.4:443", "1.2.3.4:80", "1.2.3.6:5432"][number % 3];
            let mut stream = bench.connect(to);
            if number % 2 == 0 {
                // The beginning of something.
                stream.write_all(&hello("a.example")[..9]).unwrap();
            }
            stream
        })
        .collect();
    let reply = exchange(bench.connect("1.2.3.4:80"), &get("a.example"), OK.len());
    assert_eq!(reply, OK);
    let used = resident_kib().saturating_sub(before);
    assert!(
        used < 48 * 1024,
        "{used} KiB for 500 connections and their servers' threads"
    );
    drop(silent);
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let bench = bench();
    let reply = talk(bench.connect("1.2.3.4:443"), b"");
    assert!(reply.is_empty());
    bench.wait_told(|attempt| attempt.reason.contains("nothing said"));
}

#[test]
fn nobody_listening_is_told_apart_from_refused() {
    let bench = bench();
    assert!(talk(bench.connect("1.2.3.4:80"), &get("a.example")).is_empty());
    let told = bench.wait_told(|attempt| attempt.port == Some(80));
    assert!(
        told.allowed && told.reason.contains("not reached"),
        "{told:?}"
    );
}

#[test]
fn pins_are_the_resolvers() {
    let bench = bench();
    let pinned = Pins::of(&bench.pins, "1.2.3.4".parse().unwrap(), Instant::now());
    assert_eq!(pinned.names, [HostName::parse("a.example").unwrap()]);
}
