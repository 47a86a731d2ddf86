//! What a brokered host answers, on its way to the guest.
//!
//! Owns: taking secrets out of headers, body and trailers; the gateway's own
//! replies. Refuses: compressed replies, in which nothing can be found.

use super::mask::{Forms, Stream};
use super::request::strip;
use super::upstream::Version;
use super::{Host, Target};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A body for the guest.
pub enum Reply {
    /// The gateway's own.
    Told(Option<Bytes>),
    /// The host's.
    Masked(Box<Masked>),
}

/// A host's body, masked as it comes.
pub struct Masked {
    body: Incoming,
    stream: Stream,
    forms: Forms,
    /// Trailers that came while something was held.
    trailers: Option<HeaderMap>,
    has_ended: bool,
}

/// A reply in the gateway's name.
pub fn told(status: StatusCode, text: &str) -> Response<Reply> {
    let text = format!("pyro: {text}\n");
    let mut response = Response::new(Reply::Told(Some(text.into())));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// A host's reply without its secrets.
pub fn masked(
    response: Response<Incoming>,
    is_head: bool,
    host: &Host,
    target: &Target,
) -> Response<Reply> {
    let (mut head, body) = response.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        target.note(false, "the host changed the protocol");
        return told(
            StatusCode::BAD_GATEWAY,
            "the host changed the protocol without being asked",
        );
    }
    let is_compressed = head
        .headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_compressed && !is_head && !body.is_end_stream() {
        target.note(
            false,
            "the host compressed its reply, in which no secret could be masked",
        );
        return told(
            StatusCode::BAD_GATEWAY,
            "the host compressed its reply although it was asked not to; secrets in it could not be masked",
        );
    }
    let version = match head.version {
        hyper::Version::HTTP_2 => Version::Http2,
        _ => Version::Http1,
    };
    strip(&mut head.headers, version);
    mask_headers(&host.forms, &mut head.headers);
    let body = Masked {
        body,
        stream: Stream::new(host.forms.clone()),
        forms: host.forms.clone(),
        trailers: None,
        has_ended: false,
    };
    Response::from_parts(head, Reply::Masked(Box::new(body)))
}

fn mask_headers(forms: &Forms, headers: &mut HeaderMap) {
    for value in headers.values_mut() {
        let shown = forms.whole(value.as_bytes());
        if shown != value.as_bytes()
            && let Ok(masked) = HeaderValue::from_bytes(&shown)
        {
            *value = masked;
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Told(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Masked(masked) => masked.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Told(text) => text.is_none(),
            Self::Masked(masked) => {
                let nothing_held = masked.stream.held_bytes() == 0 && masked.trailers.is_none();
                nothing_held && (masked.has_ended || masked.body.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Told(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Self::Masked(masked) => {
                let (held, inside) = (masked.stream.held_bytes(), masked.body.size_hint());
                let mut hint = SizeHint::new();
                hint.set_lower(inside.lower().saturating_add(held));
                if let Some(upper) = inside.upper() {
                    hint.set_upper(upper.saturating_add(held));
                }
                hint
            }
        }
    }
}

impl Masked {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            if self.has_ended {
                let trailers = self.trailers.take();
                return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => Some(frame),
                None => None,
            };
            let bytes = match frame.map(Frame::into_data) {
                Some(Ok(data)) => self.stream.push(&data),
                Some(Err(frame)) => {
                    let Ok(mut trailers) = frame.into_trailers() else {
                        continue;
                    };
                    mask_headers(&self.forms, &mut trailers);
                    self.trailers = Some(trailers);
                    self.has_ended = true;
                    self.stream.end()
                }
                None => {
                    self.has_ended = true;
                    self.stream.end()
                }
            };
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes.into()))));
            }
        }
    }
}
