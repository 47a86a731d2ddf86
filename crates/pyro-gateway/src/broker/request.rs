//! One request to a brokered host.
//!
//! Owns: its head: checked, secrets put in, hops taken out. Refuses: another
//! host inside, tunnels, requests to be shown what was sent.

use super::reply::{Reply, masked, told};
use super::swap;
use super::upstream::{Upstream, Version};
use super::{Host, Secret};
use crate::rules::HostName;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::{Authority, PathAndQuery, Scheme, Uri};
use hyper::{Method, Request, Response, StatusCode};

/// Answers one request of a guest.
pub async fn handle(
    request: Request<Incoming>,
    host: &Host,
    upstream: &Upstream,
) -> Response<Reply> {
    let (mut head, body) = request.into_parts();
    let target = &upstream.target;
    if matches!(head.method, Method::CONNECT | Method::TRACE) {
        target.note(false, format!("{} to a brokered host", head.method));
        return told(
            StatusCode::METHOD_NOT_ALLOWED,
            "no tunnels and no TRACE to a host with a brokered secret",
        );
    }
    if let Err(reason) = is_for(&target.name, target.to.port(), &head.uri, &head.headers) {
        target.note(false, reason);
        return told(StatusCode::MISDIRECTED_REQUEST, reason);
    }
    strip(&mut head.headers, upstream.version());
    // Compressed, or in parts, a secret in a reply would not be found.
    head.headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    head.headers.remove(header::RANGE);
    head.headers.remove(header::IF_RANGE);
    let mut used = swap_headers(&host.secrets, &mut head.headers);
    let path = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let path = match swap::target(&host.secrets, path) {
        Some(swapped) => {
            used = true;
            swapped
        }
        None => path.to_owned(),
    };
    let Some(uri) = uri(&target.name, &path, upstream.version()) else {
        return told(StatusCode::BAD_REQUEST, "a target that is none");
    };
    if used {
        target.note(true, format!("brokered: {}", names(&host.secrets)));
    }
    let authority = HeaderValue::from_str(target.name.as_str());
    head.headers.remove(header::HOST);
    head.version = match upstream.version() {
        Version::Http1 => {
            if let Ok(value) = authority {
                head.headers.insert(header::HOST, value);
            }
            hyper::Version::HTTP_11
        }
        Version::Http2 => hyper::Version::HTTP_2,
    };
    let is_head = head.method == Method::HEAD;
    head.uri = uri;
    match upstream.send(Request::from_parts(head, body)).await {
        Ok(response) => masked(response, is_head, host, target),
        Err(error) => {
            target.note(true, "brokered; the host ended the connection");
            // Its text could hold what was sent.
            let error = host.forms.whole(error.as_bytes());
            let error = String::from_utf8_lossy(&error);
            told(
                StatusCode::BAD_GATEWAY,
                &format!("the host did not answer: {error}"),
            )
        }
    }
}

fn names(secrets: &[Secret]) -> String {
    let names: Vec<_> = secrets.iter().map(|secret| secret.name.as_str()).collect();
    names.join(", ")
}

/// Every place that names a host has to name this one.
fn is_for(name: &HostName, port: u16, uri: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
    const OTHER: &str = "a request for another host inside the connection to a brokered one";
    let is_this = |authority: &Authority| {
        !authority.as_str().contains('@')
            && HostName::parse(authority.host()).is_ok_and(|host| host == *name)
            && match authority.port() {
                None => true,
                Some(written) => written.as_u16() == port,
            }
    };
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("two Host headers");
    }
    let host = match host {
        None => None,
        Some(value) => {
            let value = value.to_str().ok();
            let authority = value.and_then(|value| value.parse::<Authority>().ok());
            Some(authority.ok_or("a Host header that is none")?)
        }
    };
    match (uri.authority(), &host) {
        (None, None) => Err("no host named"),
        (first, second) if first.into_iter().chain(second).all(is_this) => Ok(()),
        _ => Err(OTHER),
    }
}

/// What a request's or reply's two ends do not say to each other.
pub(super) fn strip(headers: &mut HeaderMap, version: Version) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| token.trim().parse().ok())
        .collect();
    // What says whose it is and where it ends stays, whoever names it.
    let kept = [header::HOST, header::CONTENT_LENGTH, header::AUTHORIZATION];
    for name in named.iter().filter(|name| !kept.contains(name)) {
        headers.remove(name);
    }
    let trailers = version == Version::Http2
        && headers
            .get(header::TE)
            .is_some_and(|value| value == "trailers");
    for name in [
        header::CONNECTION,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::EXPECT,
        header::PROXY_AUTHORIZATION,
        HeaderName::from_static("proxy-connection"),
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("http2-settings"),
        HeaderName::from_static("alt-svc"),
    ] {
        headers.remove(name);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

fn swap_headers(secrets: &[Secret], headers: &mut HeaderMap) -> bool {
    let mut used = false;
    for (name, value) in headers.iter_mut() {
        if *name == header::HOST {
            continue;
        }
        if let Some(swapped) = swap::header(secrets, value.as_bytes())
            && let Ok(mut swapped) = HeaderValue::from_bytes(&swapped)
        {
            // No table of headers keeps it.
            swapped.set_sensitive(true);
            *value = swapped;
            used = true;
        }
    }
    used
}

fn uri(name: &HostName, path: &str, version: Version) -> Option<Uri> {
    let mut parts = hyper::http::uri::Parts::default();
    parts.path_and_query = Some(path.parse().ok()?);
    if version == Version::Http2 {
        parts.scheme = Some(Scheme::HTTPS);
        parts.authority = Some(name.as_str().parse().ok()?);
    }
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(uri: &str, hosts: &[&str]) -> bool {
        let name = HostName::parse("api.example.org").unwrap();
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().unwrap());
        }
        is_for(&name, 443, &uri.parse().unwrap(), &headers).is_ok()
    }

    #[test]
    fn every_name_in_a_request_is_the_one_of_the_connection() {
        assert!(verdict("/x", &["api.example.org"]));
        assert!(verdict("/x", &["API.example.org:443"]));
        assert!(verdict("https://api.example.org/x", &[]));
        assert!(verdict("https://api.example.org/x", &["api.example.org"]));
        for (uri, hosts) in [
            ("/x", &[][..]),
            ("/x", &["other.example.org"]),
            ("/x", &["api.example.org:8443"]),
            ("/x", &["api.example.org", "api.example.org"]),
            ("/x", &["api.example.org", "other.example.org"]),
            ("https://other.example.org/x", &[]),
            ("https://other.example.org/x", &["api.example.org"]),
            ("https://api.example.org/x", &["other.example.org"]),
            ("https://x@api.example.org/x", &[]),
        ] {
            assert!(!verdict(uri, hosts), "{uri} {hosts:?}");
        }
    }

    #[test]
    fn hops_are_taken_out_and_what_matters_is_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (
                "connection",
                "close, x-hop, host, content-length, authorization",
            ),
            ("x-hop", "1"),
            ("host", "api.example.org"),
            ("content-length", "3"),
            ("authorization", "Bearer x"),
            ("upgrade", "websocket"),
            ("te", "trailers"),
            ("alt-svc", "h3"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        strip(&mut headers, Version::Http2);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "content-length", "host", "te"]);
        strip(&mut headers, Version::Http1);
        assert!(!headers.contains_key("te"));
    }
}
