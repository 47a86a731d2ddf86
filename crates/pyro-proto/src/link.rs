//! One byte stream, many request streams.
//!
//! Owns: stream ids, the bounded inbox of each stream, credits. Both ends use
//! the same type; only the host opens streams.
//!
//! Rules that keep it free of deadlock and of unbounded memory:
//! - The reader ([`Link::pump`]) never writes and never waits for a consumer:
//!   a sender may only send what the receiver's inbox has room for.
//! - [`WINDOW_BYTES`] per channel bounds an inbox; a sender that exceeds it
//!   breaks the link.
//! - Credits are granted by the consumer as it takes data out, in halves of
//!   the window, so a slow consumer stalls its own stream and no other.
//! - Each stream belongs to the session it was opened in, and the session is
//!   compared under the writer's lock: a late frame of an older session can
//!   never follow the WELCOME of a newer one, where its number may be reused.
//! - After a failed write nothing is written any more, since the other side
//!   has lost the frame border.
//!
//! ```text
//!   opened --DATA/END/CREDIT--> opened --CLOSE--> closed (reply in the inbox)
//!      \--RESET or link lost--> gone
//! ```

use crate::frame::{self, CHANNELS, Header, Kind, MAX_CONTROL_BYTES, MAX_DATA_BYTES};
use crate::messages::{Hello, Welcome};
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Bytes that may be under way on one channel in one direction.
pub const WINDOW_BYTES: usize = 128 * 1024;
/// Most streams at once on one link.
pub const MAX_STREAMS: usize = 1024;
/// Pieces an inbox holds before the order between channels is given up for
/// memory: later bytes then join the last piece of their own channel.
const MAX_PIECES: usize = 256;

/// Why a link or a stream cannot be used any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The other side closed the byte stream.
    #[error("the connection was closed")]
    Closed,
    /// The byte stream failed or carried something that is no frame.
    #[error("the connection failed: {0}")]
    Broken(String),
    /// The other side gave this stream up, or a new session replaced it.
    #[error("the request was dropped by the other side")]
    Reset,
    /// Nothing arrived in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// Too many streams or too large a request.
    #[error("{0}")]
    Refused(String),
}

/// What a stream's consumer receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Bytes on a channel.
    Data(u8, Vec<u8>),
    /// A channel ended.
    End(u8),
    /// The reply; nothing follows.
    Close(Vec<u8>),
}

/// A function called after each event on a stream; it must not block.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// One end of the connection. Clones share it.
#[derive(Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

struct Shared {
    writer: Mutex<Writer>,
    /// Counts hellos; changed only under the writer's lock.
    session: AtomicU64,
    table: Mutex<Table>,
    welcome: Condvar,
}

struct Writer {
    out: Box<dyn Write + Send>,
    failed: Option<LinkError>,
}

impl Writer {
    fn write(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let written = self.out.write_all(bytes).and_then(|()| self.out.flush());
        written.map_err(|error| {
            let error = LinkError::Broken(error.to_string());
            self.failed = Some(error.clone());
            error
        })
    }
}

#[derive(Default)]
struct Table {
    streams: HashMap<u32, Arc<Cell>>,
    next_id: u32,
    lost: Option<LinkError>,
    welcome: Option<Welcome>,
}

/// One stream's state, shared by the reader and the consumer.
struct Cell {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    inbox: VecDeque<Incoming>,
    /// Bytes in the inbox plus those taken out but not yet granted again.
    held_bytes: [usize; CHANNELS],
    ungranted_bytes: [usize; CHANNELS],
    send_credit_bytes: [usize; CHANNELS],
    end_received: [bool; CHANNELS],
    over: Option<LinkError>,
    closed: bool,
    waker: Option<Waker>,
}

impl State {
    /// Neighbouring pieces are joined, so one-byte frames cannot fill memory
    /// with bookkeeping; nor can they by changing the channel each time.
    fn push_data(&mut self, channel: u8, payload: Vec<u8>) {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Cell {
    fn new() -> Arc<Self> {
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

    fn wake(&self, state: MutexGuard<'_, State>) {
        let waker = state.waker.clone();
        drop(state);
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker();
        }
    }

    fn finish(&self, error: LinkError) {
        let mut state = lock(&self.state);
        if state.over.is_none() && !state.closed {
            state.over = Some(error);
        }
        self.wake(state);
    }
}

impl Link {
    /// A link that writes to `writer`; [`Link::pump`] must be run on a thread
    /// of its own for the other direction.
    #[must_use]
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self {
            shared: Arc::new(Shared {
                writer: Mutex::new(Writer {
                    out: Box::new(writer),
                    failed: None,
                }),
                session: AtomicU64::new(0),
                table: Mutex::new(Table::default()),
                welcome: Condvar::new(),
            }),
        }
    }

    fn write(&self, session: u64, bytes: &[u8]) -> Result<(), LinkError> {
        let mut writer = lock(&self.shared.writer);
        if self.session() != session {
            return Err(LinkError::Reset);
        }
        writer.write(bytes)
    }

    fn session(&self) -> u64 {
        self.shared.session.load(Ordering::Relaxed)
    }

    /// From here on every older stream is over and writes nothing; `bytes`
    /// are the first of the new session.
    fn begin_session(&self, bytes: &[u8]) -> Result<u64, LinkError> {
        let mut writer = lock(&self.shared.writer);
        let session = self.shared.session.fetch_add(1, Ordering::Relaxed) + 1;
        let written = writer.write(bytes);
        drop(writer);
        self.drop_streams(&LinkError::Reset);
        written.map(|()| session)
    }

    /// Host: starts a session and waits for the agent's answer to this nonce.
    /// Streams of an older session end with [`LinkError::Reset`].
    ///
    /// # Errors
    /// [`LinkError::TimedOut`] when no fitting answer came, otherwise the
    /// link's failure.
    pub fn hello(&self, hello: &Hello, timeout: Duration) -> Result<Welcome, LinkError> {
        let payload = serde_json::to_vec(hello).map_err(|e| LinkError::Refused(e.to_string()))?;
        if payload.len() > MAX_CONTROL_BYTES {
            return Err(LinkError::Refused("the hello is too large".into()));
        }
        self.begin_session(&frame::encode(Kind::Hello, 0, 0, &payload))?;
        let deadline = Instant::now() + timeout;
        let mut table = lock(&self.shared.table);
        loop {
            if let Some(welcome) = table.welcome.take_if(|w| w.nonce == hello.nonce) {
                return Ok(welcome);
            }
            if let Some(error) = &table.lost {
                return Err(error.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LinkError::TimedOut(timeout));
            }
            table = self
                .shared
                .welcome
                .wait_timeout(table, left)
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .0;
        }
    }

    /// Host: opens a stream with a request. It is sent once, never again.
    ///
    /// # Errors
    /// [`LinkError::Refused`] above [`MAX_CONTROL_BYTES`] or [`MAX_STREAMS`],
    /// otherwise the link's failure.
    pub fn open(&self, request: &[u8]) -> Result<Stream, LinkError> {
        if request.len() > MAX_CONTROL_BYTES {
            return Err(LinkError::Refused(format!(
                "the request has {} bytes, at most {MAX_CONTROL_BYTES} fit",
                request.len()
            )));
        }
        let cell = Cell::new();
        let session = self.session();
        let id = {
            let mut table = lock(&self.shared.table);
            if let Some(error) = &table.lost {
                return Err(error.clone());
            }
            if table.streams.len() >= MAX_STREAMS {
                return Err(LinkError::Refused(format!(
                    "{MAX_STREAMS} requests are under way already"
                )));
            }
            loop {
                table.next_id = table.next_id.wrapping_add(1);
                if table.next_id != 0 && !table.streams.contains_key(&table.next_id) {
                    break;
                }
            }
            let id = table.next_id;
            table.streams.insert(id, cell.clone());
            id
        };
        let stream = Stream {
            id,
            session,
            cell,
            link: self.clone(),
        };
        self.write(session, &frame::encode(Kind::Open, 0, id, request))?;
        Ok(stream)
    }

    /// Host: reads frames until the link ends, and says why it did.
    pub fn pump(&self, mut reader: impl Read) -> LinkError {
        let error = loop {
            match frame::read(&mut reader) {
                Ok(None) => break LinkError::Closed,
                Err(error) => break LinkError::Broken(error.to_string()),
                Ok(Some((header, payload))) => match self.take(header, payload) {
                    Ok(()) => {}
                    Err(error) => break error,
                },
            }
        };
        self.lose(&error);
        error
    }

    fn take(&self, header: Header, payload: Vec<u8>) -> Result<(), LinkError> {
        if header.kind == Kind::Welcome {
            // An answer that is not JSON is no answer: hello() times out.
            if let Ok(welcome) = serde_json::from_slice(&payload) {
                lock(&self.shared.table).welcome = Some(welcome);
                self.shared.welcome.notify_all();
            }
            return Ok(());
        }
        if matches!(header.kind, Kind::Hello | Kind::Open) {
            return Err(LinkError::Broken(
                "the agent sent a frame only the host may send".into(),
            ));
        }
        self.deliver(header, payload)
    }

    /// Agent: reads frames until the link ends. `welcome` answers each hello,
    /// `accept` takes each opened stream and its request and must not block.
    pub fn serve(
        &self,
        mut reader: impl Read,
        mut welcome: impl FnMut(Hello) -> Welcome,
        mut accept: impl FnMut(Stream, Vec<u8>),
    ) -> LinkError {
        let error = loop {
            let (header, payload) = match frame::read(&mut reader) {
                Ok(None) => break LinkError::Closed,
                Err(error) => break LinkError::Broken(error.to_string()),
                Ok(Some(frame)) => frame,
            };
            match header.kind {
                Kind::Hello => {
                    let session = match self.begin_session(&[]) {
                        Ok(session) => session,
                        Err(error) => break error,
                    };
                    let Ok(hello) = serde_json::from_slice(&payload) else {
                        continue;
                    };
                    let Ok(answer) = serde_json::to_vec(&welcome(hello)) else {
                        continue;
                    };
                    if answer.len() > MAX_CONTROL_BYTES {
                        continue; // a nonce that does not fit is not answered
                    }
                    let answer = frame::encode(Kind::Welcome, 0, 0, &answer);
                    if let Err(error) = self.write(session, &answer) {
                        break error;
                    }
                }
                Kind::Open => {
                    let cell = Cell::new();
                    let full = {
                        let mut table = lock(&self.shared.table);
                        let full = table.streams.len() >= MAX_STREAMS;
                        if !full
                            && let Some(older) = table.streams.insert(header.stream, cell.clone())
                        {
                            older.finish(LinkError::Reset);
                        }
                        full
                    };
                    let stream = Stream {
                        id: header.stream,
                        session: self.session(),
                        cell,
                        link: self.clone(),
                    };
                    if full {
                        drop(stream); // resets it
                    } else {
                        accept(stream, payload);
                    }
                }
                Kind::Welcome | Kind::Close => {
                    break LinkError::Broken(
                        "the host sent a frame only the agent may send".into(),
                    );
                }
                _ => {
                    if let Err(error) = self.deliver(header, payload) {
                        break error;
                    }
                }
            }
        };
        self.lose(&error);
        error
    }

    fn deliver(&self, header: Header, payload: Vec<u8>) -> Result<(), LinkError> {
        let Some(cell) = lock(&self.shared.table)
            .streams
            .get(&header.stream)
            .cloned()
        else {
            return Ok(()); // late frame of a stream this side gave up
        };
        let channel = usize::from(header.channel);
        let mut state = lock(&cell.state);
        if state.closed || state.over.is_some() {
            return Ok(());
        }
        match header.kind {
            Kind::Data => {
                state.held_bytes[channel] += payload.len();
                if state.held_bytes[channel] > WINDOW_BYTES || state.end_received[channel] {
                    return Err(LinkError::Broken(format!(
                        "stream {} sent more than it was granted",
                        header.stream
                    )));
                }
                state.push_data(header.channel, payload);
            }
            Kind::End => {
                if !std::mem::replace(&mut state.end_received[channel], true) {
                    state.inbox.push_back(Incoming::End(header.channel));
                }
            }
            Kind::Credit => {
                let Ok(bytes) = <[u8; 4]>::try_from(payload.as_slice()) else {
                    return Err(LinkError::Broken(
                        "a credit frame without its number".into(),
                    ));
                };
                let credit = &mut state.send_credit_bytes[channel];
                *credit = credit.saturating_add(u32::from_le_bytes(bytes) as usize);
                if *credit > WINDOW_BYTES {
                    return Err(LinkError::Broken("more credit than the window".into()));
                }
            }
            Kind::Close => {
                state.closed = true;
                state.inbox.push_back(Incoming::Close(payload));
            }
            Kind::Reset => state.over = Some(LinkError::Reset),
            Kind::Hello | Kind::Welcome | Kind::Open => unreachable!("handled by the callers"),
        }
        cell.wake(state);
        Ok(())
    }

    fn drop_streams(&self, error: &LinkError) {
        let streams = std::mem::take(&mut lock(&self.shared.table).streams);
        for cell in streams.into_values() {
            cell.finish(error.clone());
        }
    }

    fn lose(&self, error: &LinkError) {
        lock(&self.shared.table).lost = Some(error.clone());
        self.shared.welcome.notify_all();
        self.drop_streams(error);
    }
}

/// One request under way. Dropping it before its end resets it: the agent
/// then kills what it started for it.
pub struct Stream {
    id: u32,
    session: u64,
    cell: Arc<Cell>,
    link: Link,
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

    /// Grants what was taken out, once it is half a window.
    fn granted(
        &self,
        mut state: MutexGuard<'_, State>,
        incoming: Incoming,
    ) -> Result<Incoming, LinkError> {
        let Incoming::Data(channel, _) = &incoming else {
            return Ok(incoming);
        };
        let index = usize::from(*channel);
        let bytes = state.ungranted_bytes[index];
        if bytes < WINDOW_BYTES / 2 || state.closed || state.end_received[index] {
            return Ok(incoming);
        }
        state.ungranted_bytes[index] = 0;
        state.held_bytes[index] -= bytes;
        drop(state);
        let credit = frame::encode(
            Kind::Credit,
            *channel,
            self.id,
            &(bytes as u32).to_le_bytes(),
        );
        // A failed grant shows as the link's own end; what was received stays valid.
        let _ = self.link.write(self.session, &credit);
        Ok(incoming)
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
        if reply.len() > MAX_CONTROL_BYTES {
            return Err(LinkError::Refused("the reply is too large".into()));
        }
        {
            let mut state = lock(&self.cell.state);
            if let Some(error) = &state.over {
                return Err(error.clone());
            }
            state.closed = true;
        }
        let close = frame::encode(Kind::Close, 0, self.id, reply);
        self.link.write(self.session, &close)
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
        let state = lock(&self.cell.state);
        let finished = state.closed || state.over.is_some();
        drop(state);
        if !finished && !lost {
            // The other side learns it from the reset, or from the link's end.
            let reset = frame::encode(Kind::Reset, 0, self.id, &[]);
            let _ = self.link.write(self.session, &reset);
        }
    }
}

/// Reads and writes frames for tests and fuzzers of hostile peers.
///
/// # Errors
/// The writer's error.
pub fn write_frame(
    writer: &mut impl Write,
    kind: Kind,
    channel: u8,
    stream: u32,
    payload: &[u8],
) -> io::Result<()> {
    writer.write_all(&frame::encode(kind, channel, stream, payload))
}
