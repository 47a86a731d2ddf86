//! What `fuzz/` feeds with bytes that a guest or a host could send.
//!
//! Owns: what must hold for any bytes. Refuses: being part of a program; it is
//! compiled with `--cfg fuzzing` alone.

use crate::broker::mask::{Forms, Stream};
use crate::broker::swap::Secret;
use crate::namespace::packet;
use crate::proxy::chunked::Chunked;
use crate::proxy::{client_hello, http_head};
use crate::resolver::message;
use simple_dns::TYPE;
use std::hint::black_box;

/// A packet of a guest to its resolver.
pub fn dns_question(bytes: &[u8]) {
    let _ = black_box(message::read_question(bytes));
}

/// A packet that claims to be the answer to a question of ours.
pub fn dns_reply(bytes: &[u8]) {
    let name = crate::rules::HostName::parse("example.org").expect("a name");
    let id = bytes
        .first_chunk()
        .map_or(0, |two| u16::from_be_bytes(*two));
    for kind in [TYPE::A, TYPE::AAAA] {
        let _ = black_box(message::read_reply(bytes, id, &name, kind));
    }
}

/// The first bytes of a TLS connection: more of them never take a verdict back.
pub fn tls_hello(bytes: &[u8]) {
    let whole = client_hello::read(bytes);
    for end in 0..bytes.len().min(64) {
        match client_hello::read(&bytes[..end]) {
            client_hello::Read::More => {}
            early => assert_eq!(early, whole, "the first {end} bytes"),
        }
    }
}

/// The first bytes of an HTTP connection: what a head sends on is a head again,
/// and names the same host.
pub fn http_request_head(bytes: &[u8]) {
    if let http_head::Read::Whole(request) = http_head::read(bytes) {
        match http_head::read(&request.head) {
            http_head::Read::Whole(again) => {
                assert_eq!((&again.host, again.port), (&request.host, request.port));
                assert_eq!(again.framing, request.framing);
            }
            other => panic!("what is sent on is {other:?}"),
        }
    }
}

/// A chunked body: where it ends does not depend on how it comes.
pub fn chunked_body(bytes: &[u8]) {
    let mut whole = Chunked::default();
    let end = whole.pass(bytes);
    let mut pieces = Chunked::default();
    let mut taken = 0;
    for byte in bytes {
        if pieces.is_done() {
            break;
        }
        match pieces.pass(std::slice::from_ref(byte)) {
            Ok(count) => taken += count,
            Err(error) => {
                assert_eq!(end, Err(error));
                return;
            }
        }
    }
    assert_eq!((end, whole.is_done()), (Ok(taken), pieces.is_done()));
}

/// A packet that was refused and is to be logged.
pub fn ip_packet(bytes: &[u8]) {
    let _ = black_box(packet::destination(bytes));
}

/// A reply in which a secret is masked: it keeps its length, does not depend on
/// how it comes, and does not have the secret.
pub fn masked_reply(bytes: &[u8]) {
    let secret = Secret {
        name: "TOKEN".to_owned(),
        placeholder: b"pyro-placeholder-0123456789".to_vec(),
        value: b"QQRQQQSW".to_vec(),
    };
    let forms = Forms::new(std::slice::from_ref(&secret));
    let whole = forms.whole(bytes);
    assert_eq!(whole.len(), bytes.len());
    assert!(
        !whole
            .windows(secret.value.len())
            .any(|at| at == secret.value)
    );
    let mut mask = Stream::new(forms);
    let step = usize::from(bytes.first().copied().unwrap_or(0) % 7) + 1;
    let mut pieces: Vec<u8> = bytes
        .chunks(step)
        .flat_map(|piece| mask.push(piece))
        .collect();
    pieces.extend(mask.end());
    assert_eq!(pieces, whole);
}
