//! A request's two data channels as a reader and a writer.
//!
//! Owns: how many bytes of stdin belong to the request, and putting lines
//! together before they are sent. Refuses: more bytes than were announced,
//! and an end before them. Both wait only on the stream, so they end when the
//! host gives it up.

use crate::reply::failed;
use pyro_proto::messages::{Failed, channel};
use pyro_proto::{Incoming, Stream};
use serde::Serialize;
use std::io::{self, Read, Write};

const PIECE_BYTES: usize = 32 * 1024;

/// The bytes a host announced, from stdin.
pub struct Contents<'a> {
    stream: &'a Stream,
    piece: Vec<u8>,
    at: usize,
    left: u64,
}

impl<'a> Contents<'a> {
    /// The next `size` bytes.
    pub fn new(stream: &'a Stream, size: u64) -> Self {
        Self {
            stream,
            piece: Vec::new(),
            at: 0,
            left: size,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        while self.at == self.piece.len() {
            match self.stream.receive(None) {
                Ok(Incoming::Data(channel::STDIN, bytes)) => {
                    self.piece = bytes;
                    self.at = 0;
                }
                Ok(Incoming::End(channel::STDIN)) => {
                    let message = format!("the host's bytes ended {} too early", self.left);
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
                }
                Ok(_) => {}
                Err(error) => return Err(io::Error::new(io::ErrorKind::BrokenPipe, error)),
            }
        }
        Ok(())
    }
}

impl Read for Contents<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX);
        let wanted = wanted.min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        self.fill()?;
        let count = wanted.min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        self.left -= count as u64;
        if self.left == 0 && self.at < self.piece.len() {
            let message = "the host sent more bytes than it announced";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(count)
    }
}

/// What goes to the host on stdout.
pub struct Out<'a> {
    stream: &'a Stream,
    buffer: Vec<u8>,
}

impl<'a> Out<'a> {
    /// Nothing is sent yet.
    pub fn new(stream: &'a Stream) -> Self {
        Self {
            stream,
            buffer: Vec::with_capacity(PIECE_BYTES),
        }
    }

    /// One JSON object and a newline.
    pub fn line(&mut self, object: &impl Serialize) -> Result<(), Failed> {
        serde_json::to_writer(&mut *self, object)
            .map_err(io::Error::from)
            .and_then(|()| self.write_all(b"\n"))
            .map_err(|error| failed("internal", error.to_string()))
    }

    /// Sends what is left.
    pub fn finish(mut self) -> Result<(), Failed> {
        self.flush()
            .map_err(|error| failed("internal", error.to_string()))
    }

    /// Whether the host still wants an answer.
    pub fn wanted(&self) -> Result<(), Failed> {
        match self.stream.over() {
            Some(error) => Err(failed("internal", error.to_string())),
            None => Ok(()),
        }
    }
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        if self.buffer.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = self.stream.send(channel::STDOUT, &self.buffer);
        self.buffer.clear();
        sent.map_err(|error| io::Error::new(io::ErrorKind::BrokenPipe, error))
    }
}
