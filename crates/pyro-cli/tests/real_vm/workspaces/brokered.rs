//! Names and brokered secrets, from a real guest to a real server.
//!
//! Owns: a resolver and an HTTPS server of this host that the guest may
//! reach, and what each side of them has of a secret. Refuses: the outside.

use super::Desk;
use super::network::own_address;
use super::secrets::files_with;
use crate::machine::text;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HOST: &str = "api.pyro.test";
const VALUE: &str = "zq-Br0kered+With/Marks=9xK7vQ2&more";

type Got = Arc<Mutex<Vec<String>>>;

/// Answers every question for an address with `address`, on a loopback
/// address of this test's own.
fn resolver(address: Ipv4Addr) -> Option<Ipv4Addr> {
    let [.., high, low] = std::process::id().to_be_bytes();
    let at = Ipv4Addr::new(127, 77, high, low.max(1));
    let socket = UdpSocket::bind((at, 53)).ok()?;
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let name = buffer[12..length]
                .iter()
                .position(|byte| *byte == 0)
                .unwrap();
            let mut reply = buffer[..12 + name + 5].to_vec();
            reply[2] |= 0x80;
            reply[7] = 1;
            // One answer, nothing else.
            reply[8..12].fill(0);
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            reply.extend(address.octets());
            let _ = socket.send_to(&reply, from);
        }
    });
    Some(at)
}

/// Shows each request its own head; returns its authority as PEM.
fn server(listener: TcpListener, got: &Got) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let (config, got) = (Arc::new(config), Arc::clone(got));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, got) = (Arc::clone(&config), Arc::clone(&got));
            std::thread::spawn(move || answer(stream, config, &got));
        }
    });
    authority
}

fn answer(stream: TcpStream, config: Arc<ServerConfig>, got: &Got) {
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => head.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.len();
    let reply =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{head}");
    got.lock().unwrap().push(head);
    let _ = stream.write_all(reply.as_bytes());
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

struct Site {
    desk: Desk,
    own: Ipv4Addr,
    got: Got,
    line: String,
}

/// None, with the reason printed, where it cannot be.
fn site() -> Option<Site> {
    let skipped = |why: &str| {
        eprintln!("skipped: {why}");
        None
    };
    let desk = Desk::new();
    let output = desk.place.pyro(&["doctor", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    if report["networking"]["usable"] != true {
        return skipped(&report["networking"]["reason"].to_string());
    }
    let Some(own) = own_address() else {
        return skipped("the host has no route of IPv4");
    };
    let Ok(listener) = TcpListener::bind((own, 443)) else {
        return skipped("port 443 of this host is taken, or only root may have it");
    };
    let Some(resolver) = resolver(own) else {
        return skipped("no port 53 on loopback");
    };
    let got = Got::default();
    let folder = desk.place.folder.path().to_owned();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let authorities = write("authorities.pem", &server(listener, &got));
    let resolvers = write("resolv.conf", &format!("nameserver {resolver}\n"));
    // The gateway reads the file of whoever started the workspace.
    let line = format!(
        "mount --bind {resolvers} /etc/resolv.conf && export SSL_CERT_FILE={authorities} TOKEN='{VALUE}' && \
         exec \"$P\" workspace create debian:12 --name b --mem-mib 512 --json --network-policy egress \
         --allow-cidr {own}/32 --allow-domain {HOST} --secret TOKEN@{HOST}"
    );
    Some(Site {
        desk,
        own,
        got,
        line,
    })
}

#[test]
fn a_brokered_secret_is_at_its_host_and_never_in_the_guest() {
    let Some(site) = site() else { return };
    let Some(output) = site.desk.place.in_mount_namespace(&site.line) else {
        return;
    };
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said} {}", text(&output.stderr));
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(made["secrets"][0]["hosts"][0], HOST, "{made}");
    let desk = &site.desk;
    let has = |command: &str| {
        let words = [
            "exec",
            "b",
            "--timeout-seconds",
            "60",
            "--secret-env",
            "TOKEN",
        ];
        let words = [&words[..], &["--", "bash", "-c", command]].concat();
        desk.done(&words)["stdout"].as_str().unwrap().to_owned()
    };
    let shown = has("echo $TOKEN; cat /run/pyro-secrets/TOKEN; echo; echo $SSL_CERT_FILE");
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[0].starts_with("pyro-secret-"), "{shown}");
    assert_eq!(
        (lines[1], lines[2]),
        (lines[0], "/run/pyro-trust/ca-certificates.crt")
    );
    let asked = format!(
        "printf 'GET /x HTTP/1.1\\r\\nHost: {HOST}\\r\\nAuthorization: Bearer %s\\r\\nConnection: close\\r\\n\\r\\n' \"$TOKEN\" \
         | timeout 40 openssl s_client -quiet -verify_return_error -verify_hostname {HOST} -connect {HOST}:443 -servername {HOST} 2>/run/said || cat /run/said"
    );
    let reply = has(&asked);
    assert!(
        reply.contains("200 OK"),
        "{reply} {:#}",
        desk.done(&["network", "log", "b"])
    );
    assert!(
        !reply.contains("REDACTED"),
        "masked before it came here: {reply}"
    );
    assert!(
        reply.contains("Bearer pyro-secret-") || reply.contains("bearer pyro-secret-"),
        "{reply}"
    );
    let expected = format!("Bearer {VALUE}");
    assert!(
        site.got.lock().unwrap()[0].contains(&expected),
        "{:?}",
        site.got
    );
    // A program that knows nothing of all this, and one without variables.
    has(&format!(
        "git -c http.extraHeader=\"Authorization: Bearer $TOKEN\" ls-remote https://{HOST}/y.git; \
         env -i PATH=$PATH git -c http.extraHeader=\"X-Key: $TOKEN\" ls-remote https://{HOST}/z.git; true"
    ));
    let got = site.got.lock().unwrap().clone();
    assert!(
        got.iter()
            .any(|head| head.contains("/y.git") && head.contains(&expected)),
        "{got:#?}"
    );
    assert!(
        got.iter()
            .any(|head| head.contains("/z.git") && head.contains(VALUE)),
        "{got:#?}"
    );
    let holders = files_with(&desk.place.state(), &[VALUE]);
    assert!(
        holders.len() == 1 && holders[0].ends_with("/TOKEN.secret"),
        "{holders:?}"
    );
    // Names: what is listed, and nothing else.
    let own = site.own;
    let tries = format!(
        "getent ahostsv4 {HOST} | head -n1 | cut -d' ' -f1; getent hosts other.pyro.test\n\
         timeout 8 bash -c 'exec 3<>/dev/tcp/9.9.9.9/443 && head -c1 <&3'\n\
         timeout 8 openssl s_client -connect {own}:443 -servername other.pyro.test </dev/null 2>&1 | grep -c pyro; true"
    );
    let said = desk.sh_within("b", 60, &tries);
    assert_eq!(
        said.lines().next(),
        Some(own.to_string().as_str()),
        "{said}"
    );
    let log = desk.done(&["network", "log", "b"]);
    let has = |name: &str, allowed: bool, part: &str| {
        log["entries"].as_array().unwrap().iter().any(|entry| {
            let is_one = entry["name"] == name || entry["address"] == name;
            let reason = entry["reason"].as_str().unwrap();
            is_one && entry["allowed"] == allowed && reason.contains(part)
        })
    };
    assert!(has(HOST, true, "--allow-domain"), "{log:#}");
    assert!(has(HOST, true, "brokered: TOKEN"), "{log:#}");
    assert!(
        has("other.pyro.test", false, "not in --allow-domain"),
        "{log:#}"
    );
    assert!(has("9.9.9.9", false, "no allowed name"), "{log:#}");
    assert!(!log.to_string().contains(VALUE));
}
