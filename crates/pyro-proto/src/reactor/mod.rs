//! One thread for many sockets.
//!
//! Owns: waiting for all of them, and giving each its turn. Refuses: knowing
//! what a socket is for; a [`Source`] does, for example a [`Joint`] between a
//! socket and a stream.
//!
//! ```text
//!   kernel --epoll, edges----.
//!   streams --waker----------+--> turn: Source::advance --Wait--> next event
//!   owners --add, run, sweep-'              |  |  `-Again--> next round
//!                                         |  `-Become(other)--> watched instead
//!                                         `-Done--> dropped
//! ```
//!
//! A source keeps what it was told by an edge until it met the end of it, and
//! ends its turn after a while by `Again`, so that none starves another.

mod joint;

pub use joint::{End, Joint, Side, reset};

use crate::link::Waker;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::fd::{BorrowedFd, OwnedFd};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Room that sources share for what they read: one turn at a time uses it.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Events taken in at once.
const EVENTS: usize = 128;
/// The bell's number among the sources.
const BELL: u64 = u64::MAX;

/// Something with a socket.
pub trait Source: Send {
    /// What to watch; non-blocking.
    fn socket(&self) -> BorrowedFd<'_>;

    /// Called once it is watched. `waker` asks for a turn from anywhere.
    fn watched(&mut self, waker: Waker);

    /// Whether it is to stay; looked at by [`Reactor::sweep`] and at first.
    fn is_wanted(&self) -> bool {
        true
    }

    /// Does what can be done without waiting.
    fn advance(&mut self, turn: Turn<'_>) -> Next;
}

/// What a source has to know for its turn.
pub struct Turn<'a> {
    /// The socket became readable, or broke.
    pub readable: bool,
    /// The socket became writable, or broke.
    pub writable: bool,
    /// The other side writes no more, or the socket broke.
    pub hung_up: bool,
    /// Room to read into.
    pub scratch: &'a mut [u8],
}

/// What follows a turn.
pub enum Next {
    /// Nothing until an event or the waker.
    Wait,
    /// As `Wait`, but a turn at this time in any case.
    Until(Instant),
    /// There is more to do at once.
    Again,
    /// Another source takes its place.
    Become(Box<dyn Source>),
    /// It is over.
    Done,
}

/// Work for the reactor's thread that may leave a source there.
pub type Task = Box<dyn FnOnce() -> Next + Send>;

/// A thread with its sources. Clones share it.
#[derive(Clone)]
pub struct Reactor(Arc<Shared>);

struct Shared {
    mail: Mutex<Mail>,
    bell: OwnedFd,
}

#[derive(Default)]
struct Mail {
    tasks: Vec<Task>,
    woken: Vec<u64>,
    sweep: bool,
}

impl Reactor {
    /// Starts the thread. It sleeps when there is nothing to do, and stays.
    ///
    /// # Errors
    /// No descriptor or no thread.
    pub fn start(name: &str) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &bell, EventData::new_u64(BELL), EventFlags::IN)?;
        let reactor = Self(Arc::new(Shared {
            mail: Mutex::default(),
            bell,
        }));
        let round = Round {
            epoll,
            shared: reactor.0.clone(),
            sources: HashMap::new(),
            turns: Vec::new(),
            timers: Vec::new(),
            next_id: 0,
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .stack_size(256 * 1024)
            .spawn(move || round.run())?;
        Ok(reactor)
    }

    /// Watches a source, which gets a first turn at once.
    pub fn add(&self, source: Box<dyn Source>) {
        self.run(Box::new(move || Next::Become(source)));
    }

    /// Does something on the reactor's thread; it must not wait.
    pub fn run(&self, task: Task) {
        self.0.post(|mail| mail.tasks.push(task));
    }

    /// Drops the sources that are not wanted any more.
    pub fn sweep(&self) {
        self.0.post(|mail| mail.sweep = true);
    }
}

impl Shared {
    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, write: impl FnOnce(&mut Mail)) {
        let mut mail = self.mail();
        let silent = mail.tasks.is_empty() && mail.woken.is_empty() && !mail.sweep;
        write(&mut mail);
        drop(mail);
        if silent {
            // A full counter is readable already.
            let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
        }
    }
}

/// What the thread has.
struct Round {
    epoll: OwnedFd,
    shared: Arc<Shared>,
    sources: HashMap<u64, Watched>,
    /// Whose turn it is.
    turns: Vec<u64>,
    timers: Vec<(Instant, u64)>,
    next_id: u64,
}

struct Watched {
    source: Box<dyn Source>,
    edges: EventFlags,
    queued: bool,
}

impl Round {
    fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        let mut scratch = vec![0; SCRATCH_BYTES];
        loop {
            let pause = self.pause().map(|pause| Timespec {
                tv_sec: i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(pause.subsec_nanos()),
            });
            events.clear();
            let room = rustix::buffer::spare_capacity(&mut events);
            // An interrupted wait says nothing; the next one does.
            let _ = epoll::wait(&self.epoll, room, pause.as_ref());
            for event in &events {
                let (id, flags) = (event.data.u64(), event.flags);
                if id == BELL {
                    self.collect();
                } else {
                    self.queue(id, flags);
                }
            }
            self.expire();
            for id in std::mem::take(&mut self.turns) {
                self.turn(id, &mut scratch);
            }
        }
    }

    fn pause(&self) -> Option<Duration> {
        if !self.turns.is_empty() {
            return Some(Duration::ZERO);
        }
        let first = self.timers.iter().map(|(at, _)| *at).min()?;
        Some(first.saturating_duration_since(Instant::now()))
    }

    fn collect(&mut self) {
        let _ = rustix::io::read(&self.shared.bell, &mut [0; 8]);
        let mail = std::mem::take(&mut *self.shared.mail());
        if mail.sweep {
            self.sources.retain(|_, watched| watched.source.is_wanted());
        }
        for task in mail.tasks {
            let id = self.next_id;
            self.next_id += 1;
            self.follow(id, task());
        }
        for id in mail.woken {
            self.queue(id, EventFlags::empty());
        }
    }

    fn queue(&mut self, id: u64, edges: EventFlags) {
        if let Some(watched) = self.sources.get_mut(&id) {
            watched.edges |= edges;
            if !std::mem::replace(&mut watched.queued, true) {
                self.turns.push(id);
            }
        }
    }

    fn expire(&mut self) {
        if self.timers.is_empty() {
            return;
        }
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.timers)
            .into_iter()
            .partition::<Vec<_>, _>(|(at, _)| *at <= now);
        self.timers = later;
        for (_, id) in due {
            self.queue(id, EventFlags::empty());
        }
    }

    fn turn(&mut self, id: u64, scratch: &mut [u8]) {
        let Some(watched) = self.sources.get_mut(&id) else {
            return;
        };
        let edges = std::mem::replace(&mut watched.edges, EventFlags::empty());
        watched.queued = false;
        let broke = edges.intersects(EventFlags::ERR | EventFlags::HUP);
        let next = watched.source.advance(Turn {
            readable: broke || edges.intersects(EventFlags::IN | EventFlags::RDHUP),
            writable: broke || edges.contains(EventFlags::OUT),
            hung_up: broke || edges.contains(EventFlags::RDHUP),
            scratch,
        });
        self.follow(id, next);
    }

    fn follow(&mut self, id: u64, next: Next) {
        match next {
            Next::Wait => {}
            Next::Until(at) => {
                self.timers.retain(|(_, of)| *of != id);
                self.timers.push((at, id));
            }
            Next::Again => self.queue(id, EventFlags::empty()),
            Next::Done => self.forget(id),
            Next::Become(source) => {
                self.forget(id);
                self.watch(source);
            }
        }
    }

    /// Closing its descriptor ends the watch, unless it has another one.
    fn forget(&mut self, id: u64) {
        self.timers.retain(|(_, of)| *of != id);
        if let Some(watched) = self.sources.remove(&id) {
            let _ = epoll::delete(&self.epoll, watched.source.socket());
        }
    }

    fn watch(&mut self, mut source: Box<dyn Source>) {
        if !source.is_wanted() {
            return;
        }
        // A number of its own: a waker of the one before must not wake it.
        let id = self.next_id;
        self.next_id += 1;
        let edges = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        if epoll::add(&self.epoll, source.socket(), EventData::new_u64(id), edges).is_err() {
            return; // no memory for it: dropped, which its other side sees
        }
        let shared = self.shared.clone();
        source.watched(Arc::new(move || {
            shared.post(|mail| mail.woken.push(id));
        }));
        self.sources.insert(
            id,
            Watched {
                source,
                edges: EventFlags::empty(),
                queued: false,
            },
        );
        self.queue(id, EventFlags::empty());
    }
}
