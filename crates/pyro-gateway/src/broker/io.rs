//! A connection some bytes of which were already read.
//!
//! Owns: handing those out first, and noticing that something moves. Refuses:
//! anything a TcpStream would not do.

use crate::proxy::splice::Activity;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The connection.
pub struct Prefixed {
    seen: Vec<u8>,
    taken: usize,
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl Prefixed {
    /// `seen` comes first.
    pub fn new(seen: Vec<u8>, stream: TcpStream, activity: Arc<Activity>) -> Self {
        Self {
            seen,
            taken: 0,
            stream,
            activity,
        }
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = &self.seen[self.taken..];
        if left.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        } else {
            let count = left.len().min(buffer.remaining());
            buffer.put_slice(&left[..count]);
            self.taken += count;
            if self.taken == self.seen.len() {
                self.seen = Vec::new();
                self.taken = 0;
            }
        }
        self.activity.note();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.activity.note();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
