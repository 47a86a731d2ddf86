//! The bytes of one command: its three pipes, and waiting for them.
//!
//! Owns: what is polled for, and one read or write at a time. Refuses: to read
//! a pipe without credit, so nothing is held here that the host has no room for.
//!
//! ```text
//!   stdout, stderr --forward(credit)--> stream
//!   stream --try_receive_on(STDIN)--> pending --feed--> stdin
//! ```

use super::Pump;
use pyro_proto::Incoming;
use pyro_proto::frame::{HEADER_BYTES, MAX_DATA_BYTES};
use pyro_proto::messages::channel;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// With its header such a piece is one write to a virtio port, which takes 32 KiB.
pub(super) const PIECE_BYTES: usize = MAX_DATA_BYTES - HEADER_BYTES;

impl Pump<'_> {
    /// Writes what the command takes of its standard input.
    pub(super) fn feed(&mut self) {
        loop {
            if self.pending.is_empty() {
                match self.at.stream.try_receive_on(channel::STDIN) {
                    Ok(Some(Incoming::Data(_, bytes))) => self.pending = bytes,
                    Ok(Some(_)) => self.command.stdin = None,
                    _ => return,
                }
            }
            let Some(stdin) = &self.command.stdin else {
                // Nobody reads it, but the host must not wait for room.
                self.pending.clear();
                continue;
            };
            match rustix::io::write(stdin, &self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(Errno::AGAIN) => return,
                Err(_) => self.command.stdin = None,
            }
        }
    }

    /// Waits for the next event: stdout, stderr, stdin, exit.
    pub(super) fn wait(&self, running: bool) -> [bool; 4] {
        let wanted = [
            (
                self.output(0).filter(|_| running && self.credit(0) > 0),
                PollFlags::IN,
            ),
            (
                self.output(1).filter(|_| running && self.credit(1) > 0),
                PollFlags::IN,
            ),
            (
                self.command
                    .stdin
                    .as_ref()
                    .filter(|_| running && !self.pending.is_empty()),
                PollFlags::OUT,
            ),
            (Some(&self.command.pidfd).filter(|_| running), PollFlags::IN),
        ];
        let mut fds = vec![PollFd::new(&*self.at.waker, PollFlags::IN)];
        fds.extend(
            wanted
                .iter()
                .filter_map(|(fd, flags)| Some(PollFd::new((*fd)?, *flags))),
        );
        let timeout = self.at.deadline.filter(|_| running).map(|deadline| {
            // One more, so that it does not wake just before the deadline.
            let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_nanos(1);
            Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: i64::from(left.subsec_nanos()),
            }
        });
        // An interrupted or failed poll says that nothing is known to be ready.
        let count = poll(&mut fds, timeout.as_ref()).unwrap_or(0);
        let mut ready = fds
            .iter()
            .skip(1)
            .map(|fd| count > 0 && !fd.revents().is_empty());
        wanted.map(|(fd, _)| fd.is_some() && ready.next().unwrap_or(false))
    }

    pub(super) fn output(&self, which: usize) -> Option<&OwnedFd> {
        match which {
            0 => self.command.stdout.as_ref(),
            _ => self.command.stderr.as_ref(),
        }
    }

    pub(super) fn credit(&self, which: usize) -> usize {
        self.at.stream.credit(channel::STDOUT + which as u8)
    }

    /// Moves at most `most` bytes of one pipe; returns how many.
    pub(super) fn forward(&mut self, which: usize, most: usize) -> usize {
        let most = most.min(PIECE_BYTES).min(self.credit(which));
        let Some(pipe) = self.output(which).filter(|_| most > 0) else {
            return 0;
        };
        // Allocated for the moment, not per command: hundreds may be stalled.
        let mut bytes = vec![0; most];
        match rustix::io::read(pipe, &mut bytes) {
            Ok(count) if count > 0 => {
                // The credit was there and only this thread spends it. An error
                // here is the stream's end, which the next round sees.
                let channel = channel::STDOUT + which as u8;
                let _ = self.at.stream.send(channel, &bytes[..count]);
                self.sent_bytes[which] += count as u64;
                count
            }
            Err(Errno::AGAIN | Errno::INTR) => 0,
            _ => {
                match which {
                    0 => self.command.stdout = None,
                    _ => self.command.stderr = None,
                }
                0
            }
        }
    }
}
