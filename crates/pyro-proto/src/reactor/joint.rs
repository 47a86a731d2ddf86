//! A socket and a stream that carry the same connection.
//!
//! Owns: the bytes of both directions, each with its own end and its own
//! stall. Refuses: holding more than the stream's window: room is granted when
//! the socket has taken the bytes, and the socket is read within the credit.
//!
//! ```text
//!   stream --take--> pending --send--> socket     END       --> shutdown(write)
//!   stream <--------- credit ---recv-- socket     end of it --> END
//!   socket broken  --> what it still has is read --> End::SocketLost
//!   stream is over --> the socket is reset
//! ```

use super::{Next, Source, Turn};
use crate::frame::{HEADER_BYTES, MAX_DATA_BYTES};
use crate::link::{Incoming, LinkError, Stream, Waker};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use std::time::Duration;

/// With its header such a piece is one write to a virtio port, which takes 32 KiB.
const PIECE_BYTES: usize = MAX_DATA_BYTES - HEADER_BYTES;
/// Bytes of one turn.
const TURN_BYTES: usize = 512 * 1024;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Both directions ended in order.
    Finished,
    /// The socket broke.
    SocketLost,
    /// The other side answered.
    Answered(Vec<u8>),
    /// The stream is gone.
    StreamLost(LinkError),
}

/// Whose connection it is.
pub trait Side: Send {
    /// Channel whose bytes go into the socket.
    fn inward(&self) -> u8;

    /// Channel that carries the socket's bytes.
    fn outward(&self) -> u8;

    /// Whether the other side closes the stream; else this one does.
    fn is_answered(&self) -> bool;

    /// Whether the connection is to stay.
    fn is_wanted(&self) -> bool {
        true
    }

    /// Bytes went one way or the other.
    fn moved(&mut self, _count: usize) {}

    /// It is over; the socket is closed, in order or by a reset, afterwards.
    /// Whether it is to be reset.
    fn ended(self: Box<Self>, stream: Stream, end: End) -> bool;
}

/// One connection.
pub struct Joint {
    socket: OwnedFd,
    /// Both until the end.
    ends: Option<(Stream, Box<dyn Side>)>,
    pending: Vec<u8>,
    pending_at: usize,
    readable: bool,
    writable: bool,
    hung_up: bool,
    /// Nothing more goes into the socket: its end was passed on.
    input_over: bool,
    /// The socket takes nothing any more.
    input_broken: bool,
    /// The socket gives nothing any more.
    output_over: bool,
    output_broken: bool,
}

impl Joint {
    /// Joins a connected, non-blocking socket with a stream.
    #[must_use]
    pub fn new(socket: OwnedFd, stream: Stream, side: Box<dyn Side>) -> Self {
        // Bytes come in pieces already; waiting for more only delays them.
        let _ = rustix::net::sockopt::set_tcp_nodelay(&socket, true);
        Self {
            socket,
            ends: Some((stream, side)),
            pending: Vec::new(),
            pending_at: 0,
            // Tried before the first edge.
            readable: true,
            writable: true,
            hung_up: false,
            input_over: false,
            input_broken: false,
            output_over: false,
            output_broken: false,
        }
    }

    fn finish(&mut self, end: End) -> Next {
        if let Some((stream, side)) = self.ends.take()
            && side.ended(stream, end)
        {
            reset(&self.socket);
        }
        Next::Done
    }

    /// From the stream into the socket. How many bytes, or how it ended.
    fn feed(&mut self) -> Result<usize, End> {
        let Some((stream, side)) = &mut self.ends else {
            return Ok(0);
        };
        let channel = side.inward();
        while self.pending.is_empty() {
            match stream.try_take() {
                Ok(Some(Incoming::Data(of, bytes))) if of == channel => self.pending = bytes,
                Ok(Some(Incoming::End(of))) if of == channel => {
                    self.input_over = true;
                    if shutdown(&self.socket, Shutdown::Write).is_err() {
                        self.input_broken = true;
                    }
                    return Ok(0);
                }
                // Of a channel this has no use for: nothing is granted for it.
                Ok(Some(Incoming::Data(..) | Incoming::End(_))) => {}
                Ok(Some(Incoming::Close(reply))) => return Err(End::Answered(reply)),
                Ok(None) => return Ok(0),
                Err(error) => return Err(End::StreamLost(error)),
            }
        }
        let left = &self.pending[self.pending_at..];
        let count = if self.input_broken {
            // Nobody takes it, but its sender must not wait for ever.
            left.len()
        } else if self.writable {
            match retry_on_intr(|| send(&self.socket, left, SendFlags::NOSIGNAL)) {
                Ok(count) => {
                    self.writable = count == left.len();
                    count
                }
                Err(Errno::AGAIN) => {
                    self.writable = false;
                    0
                }
                Err(_) => {
                    self.input_broken = true;
                    left.len()
                }
            }
        } else {
            0
        };
        self.pending_at += count;
        if self.pending_at == self.pending.len() {
            self.pending = Vec::new();
            self.pending_at = 0;
        }
        if count > 0 {
            stream.grant(channel, count);
            side.moved(count);
        }
        Ok(count)
    }

    /// From the socket into the stream. How many bytes, or how it ended.
    fn fetch(&mut self, scratch: &mut [u8]) -> Result<usize, End> {
        let Some((stream, side)) = &mut self.ends else {
            return Ok(0);
        };
        let channel = side.outward();
        if self.output_over || !self.readable {
            return Ok(0);
        }
        let most = stream.credit(channel).min(PIECE_BYTES).min(scratch.len());
        if most == 0 {
            return Ok(0);
        }
        let got = retry_on_intr(|| recv(&self.socket, &mut scratch[..most], RecvFlags::empty()));
        let sent = match got {
            Ok((0, _)) => {
                self.output_over = true;
                stream.end(channel).map(|()| 0)
            }
            Ok((count, _)) => {
                // Less than asked for is all there was; an end has its own edge.
                self.readable = count == most || self.hung_up;
                side.moved(count);
                // The credit was there and only this thread spends it.
                stream.send_some(channel, &scratch[..count])
            }
            Err(Errno::AGAIN) => {
                self.readable = false;
                Ok(0)
            }
            Err(_) => {
                self.output_over = true;
                self.output_broken = true;
                Ok(0)
            }
        };
        sent.or_else(|error| match stream.over() {
            Some(_) => Err(End::StreamLost(error)),
            // Answered already; what came before the answer is still on its way.
            None => {
                self.output_over = true;
                Ok(0)
            }
        })
    }

    /// How it ended, if it did.
    fn end(&self) -> Option<End> {
        let (stream, side) = self.ends.as_ref()?;
        if self.output_broken || (self.output_over && self.input_broken) {
            return Some(End::SocketLost);
        }
        if self.output_over && self.input_over && !side.is_answered() {
            return Some(End::Finished);
        }
        stream.over().map(End::StreamLost)
    }
}

impl Source for Joint {
    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn is_wanted(&self) -> bool {
        self.ends.as_ref().is_none_or(|(_, side)| side.is_wanted())
    }

    fn watched(&mut self, waker: Waker) {
        if let Some((stream, _)) = &self.ends {
            stream.set_waker(waker);
        }
    }

    fn advance(&mut self, turn: Turn<'_>) -> Next {
        self.readable |= turn.readable;
        self.writable |= turn.writable;
        self.hung_up |= turn.hung_up;
        let mut moved_bytes = 0;
        loop {
            let before = (self.input_over, self.output_over, self.input_broken);
            let step = match self.feed() {
                Ok(fed) => self.fetch(turn.scratch).map(|fetched| fed + fetched),
                Err(end) => Err(end),
            };
            let count = match step {
                Ok(count) => count,
                Err(end) => return self.finish(end),
            };
            if let Some(end) = self.end() {
                return self.finish(end);
            }
            moved_bytes += count;
            let unchanged = before == (self.input_over, self.output_over, self.input_broken);
            if count == 0 && unchanged {
                return Next::Wait;
            }
            if moved_bytes >= TURN_BYTES {
                return Next::Again;
            }
        }
    }
}

impl Drop for Joint {
    fn drop(&mut self) {
        // Taken away in the middle: an end in order would be a lie.
        if self.ends.is_some() {
            reset(&self.socket);
        }
    }
}

/// Lets the close of a socket be a reset.
pub fn reset(socket: &OwnedFd) {
    let _ = set_socket_linger(socket, Some(Duration::ZERO));
}
