//! One stream's state.
//!
//! Owns: its bounded inbox, its credits and waking its consumer. Refuses:
//! I/O; the reader fills it, the consumer empties it.

use super::{Incoming, LinkError, WINDOW_BYTES, Waker};
use crate::frame::CHANNELS;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Pieces an inbox holds before the order between channels is given up for
/// memory: later bytes then join the last piece of their own channel.
const MAX_PIECES: usize = 256;

/// One stream's state, shared by the reader and the consumer.
pub(super) struct Cell {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
}

pub(super) struct State {
    pub(super) inbox: VecDeque<Incoming>,
    /// Bytes in the inbox plus those taken out but not yet granted again.
    pub(super) held_bytes: [usize; CHANNELS],
    pub(super) ungranted_bytes: [usize; CHANNELS],
    pub(super) send_credit_bytes: [usize; CHANNELS],
    pub(super) end_received: [bool; CHANNELS],
    pub(super) over: Option<LinkError>,
    pub(super) closed: bool,
    pub(super) waker: Option<Waker>,
}

impl State {
    /// Neighbouring pieces are joined, so one-byte frames cannot fill memory
    /// with bookkeeping; nor can they by changing the channel each time.
    pub(super) fn push_data(&mut self, channel: u8, payload: Vec<u8>) {
        if payload.is_empty() {
            return;
        }
        let reach = if self.inbox.len() < MAX_PIECES {
            1
        } else {
            self.inbox.len()
        };
        let piece = self
            .inbox
            .iter_mut()
            .rev()
            .take(reach)
            .find_map(|incoming| match incoming {
                Incoming::Data(of, bytes) if *of == channel => Some(bytes),
                _ => None,
            });
        match piece {
            Some(bytes) => bytes.extend_from_slice(&payload),
            None => self.inbox.push_back(Incoming::Data(channel, payload)),
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Cell {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                inbox: VecDeque::new(),
                held_bytes: [0; CHANNELS],
                ungranted_bytes: [0; CHANNELS],
                send_credit_bytes: [WINDOW_BYTES; CHANNELS],
                end_received: [false; CHANNELS],
                over: None,
                closed: false,
                waker: None,
            }),
            changed: Condvar::new(),
        })
    }

    pub(super) fn wake(&self, state: MutexGuard<'_, State>) {
        let waker = state.waker.clone();
        drop(state);
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker();
        }
    }

    pub(super) fn finish(&self, error: LinkError) {
        let mut state = lock(&self.state);
        if state.over.is_none() && !state.closed {
            state.over = Some(error);
        }
        self.wake(state);
    }
}
