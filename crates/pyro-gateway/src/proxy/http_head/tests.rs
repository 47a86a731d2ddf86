//! Heads that are passed on, and those that are not.

use super::*;
use proptest::prelude::*;

fn whole(text: &str) -> Request {
    match read(text.as_bytes()) {
        Read::Whole(request) => *request,
        other => panic!("{text}: {other:?}"),
    }
}

fn reason(text: &str) -> &'static str {
    match read(text.as_bytes()) {
        Read::Malformed(reason) => reason,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_plain_request_is_passed_on_in_this_readers_words() {
    let request = whole(
        "POST /a?b=c HTTP/1.1\r\nhost:  API.example.org:80 \r\nX-One:1\r\nContent-Length: 5\r\n\
         Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings, close, host\r\nHTTP2-Settings: x\r\n\r\nhello",
    );
    assert_eq!(request.host.as_str(), "api.example.org");
    assert_eq!(request.port, Some(80));
    assert_eq!(request.framing, Framing::Length(5));
    assert_eq!(
        String::from_utf8(request.head).unwrap(),
        "POST /a?b=c HTTP/1.1\r\nhost: API.example.org:80\r\nX-One: 1\r\n\
         Content-Length: 5\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn a_whole_url_is_made_a_path_when_it_is_for_the_same_host() {
    let request = whole("GET http://a.example/x?y HTTP/1.1\r\nHost: A.example\r\n\r\n");
    assert!(
        request
            .head
            .starts_with(b"GET /x?y HTTP/1.1\r\nHost: A.example\r\n")
    );
    let request = whole("GET http://a.example HTTP/1.1\r\nHost: a.example:80\r\n\r\n");
    assert!(request.head.starts_with(b"GET / HTTP/1.1\r\n"));
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let host = "Host: a.example\r\n";
    for (text, part) in [
        (
            "CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n".to_owned(),
            "CONNECT",
        ),
        (
            format!("GET http://b.example/ HTTP/1.1\r\n{host}\r\n"),
            "another host",
        ),
        (
            format!("GET http://a.example:81/ HTTP/1.1\r\n{host}\r\n"),
            "another host",
        ),
        (
            format!("GET http://x@a.example/ HTTP/1.1\r\n{host}\r\n"),
            "no name",
        ),
        (
            format!("GET https://a.example/ HTTP/1.1\r\n{host}\r\n"),
            "target",
        ),
        (format!("GET a.example HTTP/1.1\r\n{host}\r\n"), "target"),
        (format!("GET * HTTP/1.1\r\n{host}\r\n"), "target"),
        ("GET / HTTP/1.1\r\n\r\n".into(), "no Host"),
        ("GET / HTTP/1.0\r\n\r\n".into(), "no Host"),
        (
            format!("GET / HTTP/1.1\r\n{host}Host: b.example\r\n\r\n"),
            "twice",
        ),
        (format!("GET / HTTP/1.1\r\n{host}{host}\r\n"), "twice"),
        (
            "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n".into(),
            "no name",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a.example b.example\r\n\r\n".into(),
            "no name",
        ),
        ("GET / HTTP/1.1\r\nHost: 1.2.3.4\r\n\r\n".into(), "no name"),
        ("GET / HTTP/1.1\r\nHost: a.example:x\r\n\r\n".into(), "port"),
        (
            "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n".into(),
            "not an HTTP/1",
        ),
        (
            format!("GET / HTTP/1.1\r\n{host} folded\r\n\r\n"),
            "not an HTTP/1",
        ),
        (
            format!("GET / HTTP/1.1\r\n{host}X: a\nHost: b.example\r\n\r\n"),
            "LF alone",
        ),
        (
            format!("GET / HTTP/1.1\r\n{host}X: a\rHost: b.example\r\n\r\n"),
            "CR inside",
        ),
        (format!("GET / HTTP/1.1\r\n{host}X: a\0\r\n\r\n"), "NUL"),
        (
            format!("\r\nGET / HTTP/1.1\r\n{host}\r\n"),
            "not an HTTP request",
        ),
        ("PRI * HTTP/2.0\r\n\r\n".into(), "not an HTTP/1"),
        (
            format!(
                "POST / HTTP/1.1\r\n{host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
            ),
            "both",
        ),
        (
            format!("POST / HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            "twice",
        ),
        (
            format!("POST / HTTP/1.1\r\n{host}Content-Length: 1, 1\r\n\r\n"),
            "Content-Length",
        ),
        (
            format!("POST / HTTP/1.1\r\n{host}Content-Length: +1\r\n\r\n"),
            "Content-Length",
        ),
        (
            format!("POST / HTTP/1.1\r\n{host}Content-Length: 0x1\r\n\r\n"),
            "Content-Length",
        ),
        (
            format!("POST / HTTP/1.1\r\n{host}Content-Length:\r\n\r\n"),
            "Content-Length",
        ),
        (
            format!("POST / HTTP/1.1\r\n{host}Content-Length: 9999999999999999999\r\n\r\n"),
            "Content-Length",
        ),
        (
            format!("POST / HTTP/1.1\r\n{host}Transfer-Encoding: gzip, chunked\r\n\r\n"),
            "other than",
        ),
        (
            format!("POST / HTTP/1.1\r\n{host}Transfer-Encoding: xchunked\r\n\r\n"),
            "other than",
        ),
        (
            format!(
                "POST / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n"
            ),
            "twice",
        ),
        (
            format!("POST / HTTP/1.0\r\n{host}Transfer-Encoding: chunked\r\n\r\n"),
            "HTTP/1.0",
        ),
        (
            format!("POST / HTTP/1.1\r\n{host}Transfer-Encoding : chunked\r\n\r\n"),
            "not an HTTP/1",
        ),
    ] {
        let reason = reason(&text);
        assert!(reason.contains(part), "{text:?}: {reason}");
    }
}

#[test]
fn a_head_ends_somewhere() {
    let mut text = "GET / HTTP/1.1\r\nHost: a.example\r\nX: ".to_owned();
    assert_eq!(read(text.as_bytes()), Read::More);
    text.push_str(&"x".repeat(MAX_BYTES));
    assert!(reason(&text).contains("64 KiB"));
    let many = "X: y\r\n".repeat(200);
    assert!(reason(&format!("GET / HTTP/1.1\r\n{many}\r\n")).contains("128"));
}

proptest! {
    #[test]
    fn any_bytes_are_something(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
        let mut framed = b"GET / HTTP/1.1\r\nHost: a.example\r\n".to_vec();
        framed.extend(&bytes);
        framed.extend(b"\r\n\r\n");
        let _ = read(&framed);
    }

    /// What is passed on says the same to this reader again.
    #[test]
    fn what_is_passed_on_reads_the_same(
        lines in proptest::collection::vec("[A-Za-z-]{1,12}: ?[ -~]{0,20}", 0..6),
        path in "/[!-~]{0,20}",
    ) {
        let text = format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n{}\r\n\r\n", lines.join("\r\n"));
        if let Read::Whole(first) = read(text.replace("\r\n\r\n\r\n", "\r\n\r\n").as_bytes()) {
            let Read::Whole(second) = read(&first.head) else {
                panic!("{:?}", String::from_utf8_lossy(&first.head))
            };
            prop_assert_eq!(&second.head, &first.head);
            prop_assert_eq!(second.framing, first.framing);
            prop_assert_eq!(second.host, first.host);
        }
    }
}
