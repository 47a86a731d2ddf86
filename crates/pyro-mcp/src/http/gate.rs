//! Who gets in: whoever has the token, and asks at the one path.
//!
//! Owns: the answers 401 and 404. Refuses: looking at Host and Origin, which
//! rmcp compares with the address of this server.

use super::PATH;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use std::convert::Infallible;
use std::sync::Arc;

/// Knows the token.
#[derive(Clone)]
pub struct Gate {
    token: Arc<str>,
}

impl Gate {
    pub fn new(token: String) -> Self {
        Self {
            token: token.into(),
        }
    }

    /// Why a request is not let in.
    pub fn refusal<B>(&self, request: &Request<B>) -> Option<Response<BoxBody<Bytes, Infallible>>> {
        let header = request.headers().get(AUTHORIZATION);
        if !header.is_some_and(|header| self.knows(header.as_bytes())) {
            let mut refusal = answer(
                StatusCode::UNAUTHORIZED,
                "send the token of this server as Authorization: Bearer TOKEN\n",
            );
            let scheme = hyper::header::HeaderValue::from_static("Bearer");
            refusal.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            return Some(refusal);
        }
        (request.uri().path() != PATH)
            .then(|| answer(StatusCode::NOT_FOUND, "the protocol is at /mcp\n"))
    }

    fn knows(&self, header: &[u8]) -> bool {
        match header.split_at_checked(7) {
            Some((scheme, token)) => {
                scheme.eq_ignore_ascii_case(b"Bearer ") && same(token, self.token.as_bytes())
            }
            None => false,
        }
    }
}

/// Takes as long whatever is wrong, so that nobody finds a token letter by
/// letter.
fn same(given: &[u8], right: &[u8]) -> bool {
    let differences = given
        .iter()
        .zip(right)
        .fold(0, |differences, (one, other)| differences | (one ^ other));
    given.len() == right.len() && std::hint::black_box(differences) == 0
}

fn answer(status: StatusCode, text: &'static str) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens() {
        let gate = Gate::new("0123456789abcdef".to_owned());
        let status = |path: &str, header: Option<&str>| {
            let mut request = Request::builder().uri(path);
            if let Some(header) = header {
                request = request.header(AUTHORIZATION, header);
            }
            gate.refusal(&request.body(()).unwrap())
                .map(|answer| answer.status().as_u16())
        };
        for header in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer 0123456789abcde"),
            Some("Bearer 0123456789abcdef0"),
            Some("Basic  0123456789abcdef"),
        ] {
            assert_eq!(status("/mcp", header), Some(401), "{header:?}");
            assert_eq!(status("/", header), Some(401), "{header:?}");
        }
        assert_eq!(status("/mcp", Some("Bearer 0123456789abcdef")), None);
        assert_eq!(status("/mcp?x", Some("bearer 0123456789abcdef")), None);
        assert_eq!(status("/", Some("Bearer 0123456789abcdef")), Some(404));
    }
}
