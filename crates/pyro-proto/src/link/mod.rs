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

mod cell;
mod stream;

pub use stream::Stream;

use crate::frame::{self, Header, Kind, MAX_CONTROL_BYTES};
use crate::messages::{Hello, Welcome};
use cell::{Cell, lock};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Bytes that may be under way on one channel in one direction.
pub const WINDOW_BYTES: usize = 128 * 1024;
/// Most streams at once on one link.
pub const MAX_STREAMS: usize = 1024;
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
