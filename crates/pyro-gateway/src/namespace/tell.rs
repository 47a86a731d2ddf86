//! Saying things to the launcher.
//!
//! Owns: the socket's outgoing side, the descriptors that go with `Ready`, and
//! the thread that counts attempts. Refuses: waiting for a launcher that does
//! not read: it is asked to, and what does not fit is counted on.

use super::order::Said;
use super::tally::Tally;
use crate::log::Attempt;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::io::{IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often counted attempts are looked at.
const SWEEP: Duration = Duration::from_secs(1);
/// Attempts between their makers and the teller.
const QUEUE: usize = 1024;

/// The way to the launcher. Cheap to clone.
#[derive(Clone)]
pub struct Teller(Arc<Mutex<UnixStream>>);

impl Teller {
    pub fn new(socket: UnixStream) -> Self {
        Self(Arc::new(Mutex::new(socket)))
    }

    /// A launcher that is gone needs no word.
    pub fn say(&self, said: &Said) {
        let Ok(mut line) = serde_json::to_vec(said) else {
            return;
        };
        line.push(b'\n');
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = socket.write_all(&line);
    }

    /// A word with descriptors, two at most.
    pub fn hand_over(&self, said: &Said, descriptors: &[BorrowedFd<'_>]) -> Result<(), String> {
        let mut line = serde_json::to_vec(said).map_err(|error| error.to_string())?;
        line.push(b'\n');
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut buffer = SendAncillaryBuffer::new(&mut space);
        buffer.push(SendAncillaryMessage::ScmRights(descriptors));
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rustix::net::sendmsg(
            &*socket,
            &[IoSlice::new(&line)],
            &mut buffer,
            SendFlags::NOSIGNAL,
        )
        .map(drop)
        .map_err(|error| format!("the launcher is gone: {error}"))
    }

    /// Where attempts go.
    pub fn attempts(&self) -> SyncSender<Attempt> {
        let (sender, receiver) = sync_channel::<Attempt>(QUEUE);
        let teller = self.clone();
        thread::spawn(move || {
            let mut tally = Tally::default();
            let mut swept = Instant::now();
            loop {
                match receiver.recv_timeout(SWEEP) {
                    Ok(attempt) => {
                        if let Some(told) = tally.take(attempt, Instant::now()) {
                            teller.say(&Said::Attempt(told));
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                if swept.elapsed() >= SWEEP {
                    swept = Instant::now();
                    for told in tally.sweep(swept) {
                        teller.say(&Said::Attempt(told));
                    }
                }
            }
        });
        sender
    }
}
