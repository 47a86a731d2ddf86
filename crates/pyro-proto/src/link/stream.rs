//! One end of one request.
//!
//! Owns: what a consumer may do with a stream: take events, send within its
//! credit, end a channel, reply, give up.

use super::cell::{Cell, State, lock};
use super::{Incoming, Link, LinkError, WINDOW_BYTES, Waker};
use crate::frame::{self, Kind, MAX_CONTROL_BYTES, MAX_DATA_BYTES};
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

/// One request under way. Dropping it before its end resets it: the agent
/// then kills what it started for it.
pub struct Stream {
    pub(super) id: u32,
    pub(super) session: u64,
    pub(super) cell: Arc<Cell>,
    pub(super) link: Link,
}

impl Stream {
    /// Number of the stream on its link.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Calls `waker` after every event from now on; it must not block.
    pub fn set_waker(&self, waker: Waker) {
        lock(&self.cell.state).waker = Some(waker);
    }

    /// Next event; waits until `deadline` (for ever without one).
    ///
    /// # Errors
    /// [`LinkError::TimedOut`] at the deadline, otherwise why the stream is over.
    pub fn receive(&self, deadline: Option<Instant>) -> Result<Incoming, LinkError> {
        let started = Instant::now();
        let mut state = lock(&self.cell.state);
        loop {
            if let Some(incoming) = self.pop(&mut state) {
                return self.granted(state, incoming);
            }
            if let Some(error) = &state.over {
                return Err(error.clone());
            }
            state = match deadline {
                None => self
                    .cell
                    .changed
                    .wait(state)
                    .unwrap_or_else(std::sync::PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(LinkError::TimedOut(started.elapsed()));
                    }
                    self.cell
                        .changed
                        .wait_timeout(state, left)
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .0
                }
            };
        }
    }

    /// Next event if there is one.
    ///
    /// # Errors
    /// Why the stream is over, once its inbox is empty.
    pub fn try_receive(&self) -> Result<Option<Incoming>, LinkError> {
        let mut state = lock(&self.cell.state);
        match self.pop(&mut state) {
            Some(incoming) => self.granted(state, incoming).map(Some),
            None => state.over.clone().map_or(Ok(None), Err),
        }
    }

    /// Next event of one channel if there is one, past those of the others:
    /// a signal is not held up by standard input that nobody reads.
    ///
    /// # Errors
    /// Why the stream is over, once nothing of this channel is left.
    pub fn try_receive_on(&self, channel: u8) -> Result<Option<Incoming>, LinkError> {
        let mut state = lock(&self.cell.state);
        let at = state.inbox.iter().position(|incoming| match incoming {
            Incoming::Data(of, _) | Incoming::End(of) => *of == channel,
            Incoming::Close(_) => false,
        });
        match at.and_then(|at| self.remove(&mut state, at)) {
            Some(incoming) => self.granted(state, incoming).map(Some),
            None => state.over.clone().map_or(Ok(None), Err),
        }
    }

    /// Next event if there is one, whose bytes still count as not taken: the
    /// other side gets room for them by [`Self::grant`], when they are passed on.
    ///
    /// # Errors
    /// Why the stream is over, once its inbox is empty.
    pub fn try_take(&self) -> Result<Option<Incoming>, LinkError> {
        let mut state = lock(&self.cell.state);
        match state.inbox.pop_front() {
            Some(incoming) => Ok(Some(incoming)),
            None => state.over.clone().map_or(Ok(None), Err),
        }
    }

    /// Says that `count` bytes of what [`Self::try_take`] gave are passed on.
    pub fn grant(&self, channel: u8, count: usize) {
        let mut state = lock(&self.cell.state);
        state.ungranted_bytes[usize::from(channel)] += count;
        self.grant_half(state, channel);
    }

    /// Why the stream is over, whatever is left in its inbox.
    #[must_use]
    pub fn over(&self) -> Option<LinkError> {
        lock(&self.cell.state).over.clone()
    }

    fn pop(&self, state: &mut State) -> Option<Incoming> {
        self.remove(state, 0)
    }

    fn remove(&self, state: &mut State, at: usize) -> Option<Incoming> {
        let incoming = state.inbox.remove(at)?;
        if let Incoming::Data(channel, bytes) = &incoming {
            state.ungranted_bytes[usize::from(*channel)] += bytes.len();
        }
        Some(incoming)
    }

    fn granted(
        &self,
        state: MutexGuard<'_, State>,
        incoming: Incoming,
    ) -> Result<Incoming, LinkError> {
        if let Incoming::Data(channel, _) = &incoming {
            self.grant_half(state, *channel);
        }
        Ok(incoming)
    }

    /// Grants what was taken out, once it is half a window.
    fn grant_half(&self, mut state: MutexGuard<'_, State>, channel: u8) {
        let index = usize::from(channel);
        let bytes = state.ungranted_bytes[index];
        if bytes < WINDOW_BYTES / 2 || state.closed || state.end_received[index] {
            return;
        }
        state.ungranted_bytes[index] = 0;
        state.held_bytes[index] -= bytes;
        drop(state);
        let credit = frame::encode(
            Kind::Credit,
            channel,
            self.id,
            &(bytes as u32).to_le_bytes(),
        );
        // A failed grant shows as the link's own end; what was received stays valid.
        let _ = self.link.write(self.session, &credit);
    }

    /// Bytes that may be sent on `channel` right now.
    #[must_use]
    pub fn credit(&self, channel: u8) -> usize {
        lock(&self.cell.state).send_credit_bytes[usize::from(channel)]
    }

    /// Sends as much of `bytes` as the credit allows, without waiting for more.
    ///
    /// # Errors
    /// Why the stream is over.
    pub fn send_some(&self, channel: u8, bytes: &[u8]) -> Result<usize, LinkError> {
        let count = {
            let mut state = lock(&self.cell.state);
            if let Some(error) = &state.over {
                return Err(error.clone());
            }
            if state.closed {
                return Err(LinkError::Reset);
            }
            let credit = &mut state.send_credit_bytes[usize::from(channel)];
            let count = bytes.len().min(*credit).min(MAX_DATA_BYTES);
            *credit -= count;
            count
        };
        if count > 0 {
            let data = frame::encode(Kind::Data, channel, self.id, &bytes[..count]);
            self.link.write(self.session, &data)?;
        }
        Ok(count)
    }

    /// Sends all of `bytes`, waiting for credit.
    ///
    /// # Errors
    /// Why the stream is over.
    pub fn send(&self, channel: u8, mut bytes: &[u8]) -> Result<(), LinkError> {
        while !bytes.is_empty() {
            let sent = self.send_some(channel, bytes)?;
            bytes = &bytes[sent..];
            if sent == 0 {
                let state = lock(&self.cell.state);
                if state.send_credit_bytes[usize::from(channel)] == 0
                    && state.over.is_none()
                    && !state.closed
                {
                    drop(
                        self.cell
                            .changed
                            .wait(state)
                            .unwrap_or_else(std::sync::PoisonError::into_inner),
                    );
                }
            }
        }
        Ok(())
    }

    /// Says that nothing more follows on `channel`.
    ///
    /// # Errors
    /// The link's failure.
    pub fn end(&self, channel: u8) -> Result<(), LinkError> {
        let end = frame::encode(Kind::End, channel, self.id, &[]);
        self.link.write(self.session, &end)
    }

    /// Agent: sends the reply; the stream is over.
    ///
    /// # Errors
    /// [`LinkError::Refused`] above [`MAX_CONTROL_BYTES`], otherwise why the
    /// stream is over.
    pub fn close(self, reply: &[u8]) -> Result<(), LinkError> {
        self.finish(reply)
    }

    /// As [`Self::close`], for a stream that another thread still waits on:
    /// its wait ends with [`LinkError::Closed`].
    ///
    /// # Errors
    /// As [`Self::close`].
    pub fn finish(&self, reply: &[u8]) -> Result<(), LinkError> {
        if reply.len() > MAX_CONTROL_BYTES {
            return Err(LinkError::Refused("the reply is too large".into()));
        }
        {
            let mut state = lock(&self.cell.state);
            if let Some(error) = &state.over {
                return Err(error.clone());
            }
            state.closed = true;
            state.over = Some(LinkError::Closed);
            self.cell.wake(state);
        }
        let close = frame::encode(Kind::Close, 0, self.id, reply);
        self.link.write(self.session, &close)
    }

    /// Gives the stream up: the other side is told, and every wait here ends
    /// with [`LinkError::Reset`].
    pub fn abort(&self) {
        let finished = {
            let mut state = lock(&self.cell.state);
            let finished = state.closed || state.over.is_some();
            if !finished {
                state.over = Some(LinkError::Reset);
            }
            self.cell.wake(state);
            finished
        };
        if !finished {
            // The other side learns it from the reset, or from the link's end.
            let reset = frame::encode(Kind::Reset, 0, self.id, &[]);
            let _ = self.link.write(self.session, &reset);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut table = lock(&self.link.shared.table);
        // A later session may use the same number for another stream.
        let ours = table
            .streams
            .get(&self.id)
            .is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        if ours {
            table.streams.remove(&self.id);
        }
        let lost = table.lost.is_some();
        drop(table);
        if !lost {
            self.abort();
        }
    }
}
