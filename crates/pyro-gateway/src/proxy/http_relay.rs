//! HTTP requests of one connection, each looked at.
//!
//! Owns: passing requests on while each is for a host that was let through,
//! in the words of this reader. Refuses: the first request that is not, and
//! everything behind it.
//!
//! ```text
//!  guest -> head read, checked, written anew -> body counted -> next head
//!  guest <------------------ bytes as they come ---------------- server
//! ```

use super::chunked::Chunked;
use super::http_head::{self, Framing, Read, Request};
use super::splice::{Activity, pump, write_all};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long the rest of a head may take, once it began.
pub const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// How long a server may take for what was asked before a refused request.
const LAST_REPLIES: Duration = Duration::from_secs(5);

/// Why a relay ended.
#[derive(Debug)]
pub enum Ended {
    /// One side was done, or failed.
    Quietly,
    /// A request was refused, for this reason; the name in it, if any.
    Refused(String, Option<String>),
}

/// A reader of requests: what was read and not passed on.
pub struct Requests<'a> {
    guest: &'a TcpStream,
    seen: Vec<u8>,
}

/// A place where a head should be.
pub enum Next {
    /// It.
    Request(Box<Request>),
    /// The guest is done.
    End,
    /// Nothing to pass on, and why.
    Refused(&'static str),
}

impl<'a> Requests<'a> {
    /// Begins with what was already read.
    pub fn new(guest: &'a TcpStream, seen: Vec<u8>) -> Self {
        Self { guest, seen }
    }

    /// The next head.
    pub async fn next(&mut self) -> io::Result<Next> {
        loop {
            match http_head::read(&self.seen) {
                Read::Whole(request) => {
                    self.seen.drain(..request.length);
                    return Ok(Next::Request(request));
                }
                Read::Malformed(reason) => return Ok(Next::Refused(reason)),
                Read::More => {}
            }
            let began = !self.seen.is_empty();
            let more = more(self.guest, &mut self.seen);
            let read = if began {
                match tokio::time::timeout(HEAD_PATIENCE, more).await {
                    Ok(read) => read?,
                    Err(_) => return Ok(Next::Refused("a request head that did not end in time")),
                }
            } else {
                more.await?
            };
            if read == 0 {
                return Ok(if began {
                    Next::Refused("a request head cut short")
                } else {
                    Next::End
                });
            }
        }
    }

    /// Passes a body on.
    async fn body(
        &mut self,
        framing: Framing,
        server: &TcpStream,
        activity: &Activity,
    ) -> io::Result<Result<(), &'static str>> {
        let mut chunked = Chunked::default();
        let mut left = match framing {
            Framing::Length(length) => length,
            Framing::Chunked => u64::MAX,
        };
        while left > 0 {
            if self.seen.is_empty() && more(self.guest, &mut self.seen).await? == 0 {
                return Ok(Err("a body cut short"));
            }
            activity.note();
            let count = match framing {
                Framing::Length(_) => {
                    let count = usize::try_from(left)
                        .unwrap_or(usize::MAX)
                        .min(self.seen.len());
                    left -= count as u64;
                    count
                }
                Framing::Chunked => match chunked.pass(&self.seen) {
                    Ok(count) => {
                        if chunked.is_done() {
                            left = 0;
                        }
                        count
                    }
                    Err(reason) => return Ok(Err(reason)),
                },
            };
            write_all(server, &self.seen[..count]).await?;
            self.seen.drain(..count);
        }
        Ok(Ok(()))
    }
}

/// Reads once; 0 at the end.
async fn more(from: &TcpStream, into: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        from.readable().await?;
        into.reserve(16 * 1024);
        match from.try_read_buf(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

/// Relays from a first request that was let through. `check` says why another
/// one is not.
pub async fn relay(
    mut requests: Requests<'_>,
    first: Box<Request>,
    server: &TcpStream,
    check: impl Fn(&Request) -> Result<(), String>,
) -> Ended {
    let activity = Activity::default();
    let guest = requests.guest;
    let replies = pump(server, guest, &activity);
    let asking = async {
        let mut request = first;
        loop {
            if let Err(reason) = check(&request) {
                return Ok(Ended::Refused(reason, Some(request.host.to_string())));
            }
            write_all(server, &request.head).await?;
            activity.note();
            if let Err(reason) = requests.body(request.framing, server, &activity).await? {
                return Ok(Ended::Refused(
                    reason.into(),
                    Some(request.host.to_string()),
                ));
            }
            request = match requests.next().await? {
                Next::Request(request) => request,
                Next::End => return io::Result::Ok(Ended::Quietly),
                Next::Refused(reason) => return Ok(Ended::Refused(reason.into(), None)),
            };
        }
    };
    tokio::pin!(replies);
    tokio::select! {
        // The server is done: what else is asked would not be answered.
        _ = &mut replies => Ended::Quietly,
        () = activity.ended(IDLE) => Ended::Quietly,
        ended = asking => {
            let Ok(ended) = ended else { return Ended::Quietly };
            let _ = rustix::net::shutdown(server, rustix::net::Shutdown::Write);
            let patience = if matches!(ended, Ended::Quietly) { IDLE } else { LAST_REPLIES };
            let _ = tokio::time::timeout(patience, replies).await;
            ended
        }
    }
}
