//! One request about files: contents in, answer out, on one thread.
//!
//! Owns: moving bytes both ways without either holding the other up, and the
//! code of a refusal. Refuses: believing the guest: data on a channel that
//! the request has none on, or a reply of another kind, ends it.
//!
//! ```text
//!   loop { take what came -> out(bytes) | reply
//!          send what fits <- reader
//!          nothing moved? wait for either, at most SILENCE }
//! ```
//!
//! Leaving early drops the stream, which makes the agent take back what it
//! did not complete.

use crate::error::{Error, Result};
use pyro_proto::messages::{Failed, LEAVING, Reply, Request, channel};
use pyro_proto::{Incoming, Link, LinkError};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// How long the agent may say nothing: it may have to hash a large file on a
/// slow machine.
const SILENCE: Duration = Duration::from_secs(300);
const PIECE_BYTES: usize = 64 * 1024;
/// Most of an agent's words that are repeated.
const MOST_WORDS: usize = 1000;

/// Why there is no answer.
pub enum Fault {
    /// The conversation ended; the machine may know why.
    Link(LinkError),
    /// Anything else.
    Error(Error),
}

impl From<LinkError> for Fault {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Contents for the guest.
pub struct Upload<'a> {
    reader: &'a mut dyn Read,
    left: u64,
    hash: Sha256,
}

impl<'a> Upload<'a> {
    /// Exactly `size` bytes of `reader`.
    pub fn new(reader: &'a mut dyn Read, size: u64) -> Self {
        Self {
            reader,
            left: size,
            hash: Sha256::new(),
        }
    }

    /// The hash of what was sent.
    pub fn sha256(self) -> String {
        hex::encode(self.hash.finalize())
    }

    fn next(&mut self, buffer: &mut Vec<u8>) -> Result<()> {
        buffer.resize(self.left.min(PIECE_BYTES as u64) as usize, 0);
        let count = loop {
            match self.reader.read(buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let message = format!("the contents for the guest cannot be read: {error}");
                    return Err(Error::runtime("source_io", message));
                }
                Ok(0) => {
                    let message = format!("the contents ended {} bytes too early", self.left);
                    return Err(Error::runtime("source_changed", message)
                        .hint("it changed while it was read; try again"));
                }
                Ok(count) => break count,
            }
        };
        buffer.truncate(count);
        self.hash.update(&*buffer);
        self.left -= count as u64;
        Ok(())
    }
}

/// Asks, sends, hands what comes to `out`, and returns the reply.
pub fn exchange(
    link: &Link,
    request: &Request,
    mut upload: Option<&mut Upload<'_>>,
    out: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Reply, Fault> {
    let stream = link.open(&super::super::encode(request)?)?;
    let (ring, rung) = sync_channel(1);
    stream.set_waker(Arc::new(move || {
        // A full channel has woken it already.
        let _ = ring.try_send(());
    }));
    let (mut piece, mut sent, mut ended) = (Vec::new(), 0, upload.is_none());
    loop {
        let mut moved = false;
        match stream.try_receive()? {
            Some(Incoming::Data(channel::STDOUT, bytes)) => {
                out(&bytes)?;
                moved = true;
            }
            Some(Incoming::Close(reply)) => return Ok(decode(&reply)?),
            Some(Incoming::End(channel::STDOUT)) => moved = true,
            Some(Incoming::Data(of, _) | Incoming::End(of)) => {
                return Err(lie(format!("it used channel {of}")).into());
            }
            None => {}
        }
        if let Some(upload) = upload.as_deref_mut()
            && !ended
        {
            if sent == piece.len() && upload.left > 0 {
                upload.next(&mut piece)?;
                sent = 0;
            }
            if sent < piece.len() {
                // A refusal that came meanwhile is read in the next turn.
                if let Ok(count) = stream.send_some(channel::STDIN, &piece[sent..]) {
                    sent += count;
                    moved |= count > 0;
                }
            } else {
                ended = true;
                moved = true;
                let _ = stream.end(channel::STDIN);
            }
        }
        if !moved && rung.recv_timeout(SILENCE).is_err() {
            return Err(LinkError::TimedOut(SILENCE).into());
        }
    }
}

fn decode(reply: &[u8]) -> Result<Reply> {
    match serde_json::from_slice(reply) {
        Ok(Reply::Failed(failed)) => Err(refusal(&failed)),
        Ok(reply) => Ok(reply),
        Err(error) => Err(lie(format!("its reply makes no sense: {error}"))),
    }
}

/// The agent's refusal as the caller sees it.
pub fn refusal(failed: &Failed) -> Error {
    let words: String = failed
        .message
        .chars()
        .take(MOST_WORDS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match &*failed.code {
        "bad_request" => Error::invalid("bad_file_request", words)
            .hint("mend what the message names; files are named below /workspace, without `..`"),
        "not_found" => Error::invalid("file_not_found", words)
            .hint("list the files that are there: pyro workspace file list"),
        "wrong_kind" => Error::invalid("file_kind", words)
            .hint("list it to see what it is: pyro workspace file list"),
        "symlink" => Error::invalid("file_symlink", words)
            .hint("name the path without a symbolic link on the way"),
        "archive" => Error::invalid("bad_archive", words)
            .hint("pack plain files, directories and links with relative names"),
        "conflict" => {
            Error::runtime("conflict", words).hint("read it again, then repeat the change")
        }
        "changed" => Error::runtime("file_changed", words).hint("try again"),
        "incomplete" => Error::runtime("source_changed", words).hint("try again"),
        "no_space" => Error::runtime("guest_no_space", words).hint("free space in the guest"),
        "io" => Error::runtime("guest_io", words).hint("look at it with a command in the guest"),
        LEAVING => Error::runtime(LEAVING, words).hint("try again"),
        // The supervisor's own word, not the agent's.
        "guest_halted" => Error::runtime("guest_halted", words)
            .hint("free disk space on the host, then try again: the machine goes on where it was"),
        _ => Error::runtime("guest_refused", format!("the guest agent refused: {words}")),
    }
}

/// The guest's answer cannot be.
pub fn lie(what: impl AsRef<str>) -> Error {
    let what = what.as_ref();
    Error::runtime(
        "guest_reply",
        format!("the guest agent's answer cannot be right: {what}"),
    )
    .hint("something in the guest may have replaced its agent; use a fresh guest")
}
