//! Both sides of a broker: real clients, real servers, real certificates.

mod host;

use crate::config::Brokered;
use crate::testbench::{Bench, Setting, talk};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use host::{World, serve};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

const PLACEHOLDER: &str = "pyro-secret-0123456789abcdef";
const VALUE: &str = "s3cr3t/+=value&more";
const HOST: &str = "api.example.org";

fn brokered() -> Vec<Brokered> {
    vec![Brokered {
        name: "TOKEN".into(),
        placeholder: PLACEHOLDER.into(),
        value: VALUE.into(),
        hosts: vec![HOST.into()],
    }]
}

fn client_config(roots: RootCertStore, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
    Arc::new(config)
}

fn guest_roots(bench: &Bench) -> RootCertStore {
    let pem = bench.ca_certificate_pem.as_ref().unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    roots
}

type Tls = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

async fn shake(
    bench: &Bench,
    to: &str,
    name: &str,
    config: Arc<ClientConfig>,
) -> std::io::Result<Tls> {
    let stream = bench.connect(to);
    stream.set_nonblocking(true).unwrap();
    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    tokio_rustls::TlsConnector::from(config)
        .connect(name, stream)
        .await
}

struct Answer {
    status: u16,
    headers: String,
    body: String,
}

async fn read(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    Answer {
        status: head.status.as_u16(),
        headers: format!("{:?}", head.headers),
        body: String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap(),
    }
}

async fn http1(stream: Tls, requests: Vec<Request<Full<Bytes>>>) -> Vec<Answer> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut answers = Vec::new();
    for request in requests {
        sender.ready().await.unwrap();
        answers.push(read(sender.send_request(request).await.unwrap()).await);
    }
    answers
}

fn request(uri: &str, headers: &[(&str, &str)], body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::post(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap()
}

fn world_and_bench(domains: &[&str]) -> (World, Bench) {
    let world = World::new();
    let bench = Bench::new(Setting {
        domains,
        names: &[(HOST, "1.2.3.4"), ("other.example.org", "1.2.3.5")],
        brokered: brokered(),
        authorities: vec![world.authority.clone()],
        ..Setting::default()
    });
    assert_eq!(bench.resolve(HOST), 1);
    (world, bench)
}

/// The guest never has it, the host does; what is asserted of both versions.
fn assert_swapped(answer: &Answer, got: &str) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    for guest in [&answer.headers, &answer.body] {
        assert!(
            !guest.contains(VALUE) && !guest.contains(&STANDARD.encode(VALUE)),
            "{guest}"
        );
        assert!(
            !guest.contains(&super::swap::percent(VALUE.as_bytes())),
            "{guest}"
        );
    }
    let decoded: Vec<_> = answer
        .body
        .split(' ')
        .filter_map(|word| STANDARD.decode(word).ok())
        .collect();
    for bytes in decoded {
        assert!(super::swap::find(&bytes, &VALUE.as_bytes()[2..16], 0).is_none());
    }
    assert!(answer.headers.contains("identity"), "{}", answer.headers);
    assert!(
        got.contains(&super::swap::percent(VALUE.as_bytes())),
        "{got}"
    );
    assert!(
        answer.body.contains(PLACEHOLDER),
        "a body is passed on as it is: {}",
        answer.body
    );
}

#[tokio::test]
async fn http1_requests_get_the_secret_and_replies_lose_it() {
    let (world, bench) = world_and_bench(&[]);
    let got = serve(
        &bench,
        "1.2.3.4:443",
        world.server_config(HOST, &[b"h2", b"http/1.1"]),
    )
    .await;
    let stream = shake(
        &bench,
        "1.2.3.4:443",
        HOST,
        client_config(guest_roots(&bench), &[b"http/1.1"]),
    )
    .await
    .unwrap();
    let bearer = format!("Bearer {PLACEHOLDER}");
    let basic = format!("Basic {}", STANDARD.encode(format!("me:{PLACEHOLDER}")));
    let uri = format!("/close?key={PLACEHOLDER}");
    let requests = vec![
        request(
            &uri,
            &[
                ("host", HOST),
                ("authorization", &bearer),
                ("accept-encoding", "gzip"),
                ("range", "bytes=0-4"),
            ],
            PLACEHOLDER,
        ),
        request(
            &uri,
            &[("host", HOST), ("authorization", &basic)],
            PLACEHOLDER,
        ),
        request(
            "/x",
            &[("host", "other.example.org"), ("authorization", &bearer)],
            "",
        ),
        request("/gzip", &[("host", HOST)], ""),
        request("/last", &[("host", HOST)], "z"),
    ];
    let answers = http1(stream, requests).await;
    let got = got.lock().unwrap().clone();
    assert_swapped(&answers[0], &got[0]);
    assert_swapped(&answers[1], &got[1]);
    assert!(
        got[0].contains("HTTP/1.1") && !got[0].contains("range"),
        "{}",
        got[0]
    );
    assert!(
        answers[0].headers.contains("content-length"),
        "{}",
        answers[0].headers
    );
    assert_eq!(answers[2].status, 421);
    assert_eq!(
        answers[3].status, 502,
        "compressed replies are not passed on"
    );
    assert_eq!(
        answers[4].body, "/last z",
        "though the host had closed the first connection"
    );
    assert_eq!(got.len(), 4);
    for part in ["another host inside", "compressed its reply"] {
        bench.wait_told(|attempt| !attempt.allowed && attempt.reason.contains(part));
    }
    let told = bench.wait_told(|attempt| attempt.reason == "brokered: TOKEN");
    assert_eq!((told.name.as_deref(), told.allowed), (Some(HOST), true));
    assert!(!format!("{:?}", bench.told()).contains(VALUE));
}

#[tokio::test]
async fn http2_requests_at_once_get_the_secret_and_replies_lose_it() {
    let (world, bench) = world_and_bench(&[HOST]);
    let got = serve(
        &bench,
        "1.2.3.4:443",
        world.server_config(HOST, &[b"h2", b"http/1.1"]),
    )
    .await;
    let config = client_config(guest_roots(&bench), &[b"h2", b"http/1.1"]);
    let stream = shake(&bench, "1.2.3.4:443", HOST, config).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let bearer = format!("Bearer {PLACEHOLDER}");
    let mut asked = Vec::new();
    for number in 0..20 {
        let uri = format!("https://{HOST}/{number}?key={PLACEHOLDER}");
        let request = request(
            &uri,
            &[("authorization", &bearer), ("te", "trailers")],
            PLACEHOLDER,
        );
        let mut sender = sender.clone();
        asked.push(tokio::spawn(async move {
            read(sender.send_request(request).await.unwrap()).await
        }));
    }
    for one in asked {
        let answer = one.await.unwrap();
        assert_swapped(&answer, &got.lock().unwrap()[0]);
    }
    assert!(got.lock().unwrap()[0].contains("HTTP/2"));
    let other = request("https://other.example.org/", &[], "");
    let answer = read(sender.clone().send_request(other).await.unwrap()).await;
    assert_eq!(answer.status, 421);
    assert_eq!(got.lock().unwrap().len(), 20);
}

#[tokio::test]
async fn a_host_with_one_version_only_decides() {
    let (world, bench) = world_and_bench(&[]);
    serve(&bench, "1.2.3.4:443", world.server_config(HOST, &[])).await;
    let config = client_config(guest_roots(&bench), &[b"h2", b"http/1.1"]);
    let stream = shake(&bench, "1.2.3.4:443", HOST, config).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let answers = http1(stream, vec![request("/x", &[("host", HOST)], "y")]).await;
    assert_eq!(answers[0].body, "/x y");
    for protocols in [&[&b"h2"[..]][..], &[&b"spdy/3"[..]]] {
        let config = client_config(guest_roots(&bench), protocols);
        let error = shake(&bench, "1.2.3.4:443", HOST, config)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("NoApplicationProtocol"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_client_with_its_own_authorities_is_told_about() {
    let (world, bench) = world_and_bench(&[]);
    serve(&bench, "1.2.3.4:443", world.server_config(HOST, &[])).await;
    let config = client_config(world.roots.clone(), &[]);
    shake(&bench, "1.2.3.4:443", HOST, config)
        .await
        .unwrap_err();
    let told = bench.wait_told(|attempt| {
        attempt
            .reason
            .contains("refused the workspace's certificate")
    });
    assert!(
        !told.allowed && told.reason.contains("SSL_CERT_FILE"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_host_that_does_not_prove_itself_gets_nothing() {
    let (world, bench) = world_and_bench(&[]);
    let stranger = World::new();
    for config in [
        stranger.server_config(HOST, &[]),
        world.server_config("other.example.org", &[]),
    ] {
        let got = serve(&bench, "1.2.3.4:443", config).await;
        let config = client_config(guest_roots(&bench), &[]);
        let error = shake(&bench, "1.2.3.4:443", HOST, config)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("AccessDenied"), "{error}");
        assert!(got.lock().unwrap().is_empty());
    }
    bench.wait_told(|attempt| !attempt.allowed && attempt.reason.contains("did not prove"));
}

#[tokio::test]
async fn the_name_of_a_brokered_host_at_another_address_is_refused() {
    let (world, bench) = world_and_bench(&[]);
    let got = serve(&bench, "9.9.9.9:443", world.server_config(HOST, &[])).await;
    let config = client_config(guest_roots(&bench), &[]);
    shake(&bench, "9.9.9.9:443", HOST, config)
        .await
        .unwrap_err();
    bench.wait_told(|attempt| !attempt.allowed && attempt.reason.contains("not resolved to this"));
    assert!(got.lock().unwrap().is_empty());
}

#[tokio::test]
async fn other_hosts_keep_their_own_certificate() {
    let (world, bench) = world_and_bench(&[]);
    let got = serve(
        &bench,
        "1.2.3.5:443",
        world.server_config("other.example.org", &[]),
    )
    .await;
    let config = client_config(world.roots.clone(), &[]);
    let stream = shake(&bench, "1.2.3.5:443", "other.example.org", config)
        .await
        .unwrap();
    let bearer = format!("Bearer {PLACEHOLDER}");
    let asked = request(
        "/x",
        &[("host", "other.example.org"), ("authorization", &bearer)],
        "",
    );
    let answers = http1(stream, vec![asked]).await;
    assert_eq!(answers[0].status, 200);
    let got = got.lock().unwrap();
    assert!(
        got[0].contains(PLACEHOLDER) && !got[0].contains(VALUE),
        "{got:?}"
    );
}

#[tokio::test]
async fn a_secret_does_not_leave_in_clear() {
    let (_world, bench) = world_and_bench(&[]);
    let got = bench.server(
        "1.2.3.4:80",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
    let head =
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {PLACEHOLDER}\r\n\r\n");
    let stream = bench.connect("1.2.3.4:80");
    let reply = tokio::task::spawn_blocking(move || talk(stream, head.as_bytes()))
        .await
        .unwrap();
    let reply = String::from_utf8(reply).unwrap();
    assert!(
        reply.contains("403") && reply.contains("use https"),
        "{reply}"
    );
    assert!(got.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_that_is_slow_to_begin_is_still_brokered() {
    let (world, bench) = world_and_bench(&[]);
    serve(&bench, "1.2.3.4:443", world.server_config(HOST, &[])).await;
    let stream = bench.connect("1.2.3.4:443");
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    stream.set_nonblocking(true).unwrap();
    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
    let name = ServerName::try_from(HOST).unwrap();
    let connector = tokio_rustls::TlsConnector::from(client_config(guest_roots(&bench), &[]));
    assert!(connector.connect(name, stream).await.is_ok());
}

#[test]
fn values_hosts_and_roots_that_do_not_work_are_refused_at_once() {
    let policy =
        crate::rules::Policy::new(&crate::config::Rules::default(), &Default::default()).unwrap();
    let error = super::Broker::new(&policy, &brokered(), RootCertStore::empty())
        .err()
        .unwrap();
    assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
    let mut short = brokered();
    short[0].value = b"x".to_vec();
    let error = super::check(&policy, &short).unwrap_err().to_string();
    assert!(
        error.contains("TOKEN") && error.contains("at least 8"),
        "{error}"
    );
    let mut everywhere = brokered();
    everywhere[0].hosts = vec!["*.example.org".into()];
    assert!(super::check(&policy, &everywhere).is_err());
}
