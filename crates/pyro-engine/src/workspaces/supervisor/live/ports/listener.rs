//! One port: its listening socket and what comes in.
//!
//! Owns: taking connections in, one stream to the agent for each, refusing at
//! once what cannot be passed on. Refuses: a thread per connection.
//!
//! ```text
//!   accept --room, stream--> Joint --both directions ended--> closed in order
//!      |                       `- guest refused, lost, port closed --> reset
//!      `- no room, no stream, no descriptor --> reset, counted
//! ```

use super::UseOfAll;
use crate::guest::Guest;
use crate::workspaces::ports::payloads::{OwnedPort, PortRow, PublishedPort};
use crate::workspaces::ports::{Owner, PortWish};
use pyro_proto::messages::dial::Dial;
use pyro_proto::messages::{Reply, Request, channel};
use pyro_proto::reactor::{End, Joint, Next, Reactor, Side, Source, Turn, reset};
use pyro_proto::{Stream, link::Waker};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{
    AddressFamily, Shutdown, SocketFlags, SocketType, accept_with, bind, getsockname, listen,
    shutdown, socket_with,
};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Connections the kernel keeps until they are taken in.
const BACKLOG: i32 = 1024;
/// Taken in during one turn.
const TURN_ACCEPTS: usize = 64;

/// One published port.
pub(super) struct Port {
    pub(super) owner: Owner,
    pub(super) published: PublishedPort,
    socket: OwnedFd,
    closed: AtomicBool,
    open_count: AtomicU64,
    accepted_count: AtomicU64,
    refused_count: AtomicU64,
}

impl Port {
    /// Listens, on the loopback address only.
    pub(super) fn open(owner: Owner, wish: PortWish) -> Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        // Else connections of a port before this one block it for a minute;
        // whoever listens there blocks it all the same.
        set_socket_reuseaddr(&socket, true)?;
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, wish.host_port.unwrap_or(0)));
        bind(&socket, &wanted)?;
        listen(&socket, BACKLOG)?;
        let bound = SocketAddr::try_from(getsockname(&socket)?)?;
        Ok(Self {
            owner,
            published: PublishedPort::new(bound.port(), wish.guest_port),
            socket,
            closed: AtomicBool::new(false),
            open_count: AtomicU64::new(0),
            accepted_count: AtomicU64::new(0),
            refused_count: AtomicU64::new(0),
        })
    }

    /// Nobody comes in from here on; the reactor's sweep ends who is in.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        // The descriptor lives until the reactor lets go of it.
        let _ = shutdown(&self.socket, Shutdown::Both);
    }

    fn is_open(&self) -> bool {
        !self.closed.load(Ordering::SeqCst)
    }

    pub(super) fn row(&self) -> PortRow {
        PortRow {
            port: OwnedPort {
                port: self.published.clone(),
                service_name: self.owner.service_name().map(str::to_owned),
            },
            connection_count: self.open_count.load(Ordering::SeqCst),
            accepted_count: self.accepted_count.load(Ordering::SeqCst),
            refused_count: self.refused_count.load(Ordering::SeqCst),
        }
    }

    /// What takes connections in.
    pub(super) fn listener(
        self: &Arc<Self>,
        guest: Arc<Guest>,
        use_of_all: Arc<UseOfAll>,
        reactor: Reactor,
    ) -> Box<dyn Source> {
        Box::new(Listener {
            port: self.clone(),
            guest,
            use_of_all,
            reactor,
            spare: File::open("/dev/null").ok(),
        })
    }
}

struct Listener {
    port: Arc<Port>,
    guest: Arc<Guest>,
    use_of_all: Arc<UseOfAll>,
    reactor: Reactor,
    /// Given up to take in, and refuse, a connection when no descriptor is left.
    spare: Option<File>,
}

impl Listener {
    /// Passes a connection on, or resets it.
    fn take_in(&self, socket: OwnedFd) {
        self.port.accepted_count.fetch_add(1, Ordering::SeqCst);
        self.use_of_all.used();
        let joint = Ticket::new(&self.port, &self.use_of_all).and_then(|ticket| {
            let dial = Request::Dial(Dial {
                port: self.port.published.guest_port,
            });
            let request = serde_json::to_vec(&dial).ok()?;
            // No stream, or no guest any more.
            let stream = self.guest.try_open(&request).ok()?;
            Some((stream, ticket))
        });
        match joint {
            Some((stream, ticket)) => {
                self.reactor
                    .add(Box::new(Joint::new(socket, stream, Box::new(ticket))));
            }
            None => self.refuse(&socket),
        }
    }

    fn refuse(&self, socket: &OwnedFd) {
        self.port.refused_count.fetch_add(1, Ordering::SeqCst);
        reset(socket);
    }
}

impl Source for Listener {
    fn socket(&self) -> BorrowedFd<'_> {
        self.port.socket.as_fd()
    }

    fn is_wanted(&self) -> bool {
        self.port.is_open()
    }

    fn watched(&mut self, _: Waker) {}

    fn advance(&mut self, _: Turn<'_>) -> Next {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        for _ in 0..TURN_ACCEPTS {
            if !self.port.is_open() {
                return Next::Done;
            }
            match accept_with(&self.port.socket, flags) {
                Ok(socket) => self.take_in(socket),
                Err(Errno::AGAIN) => return Next::Wait,
                Err(Errno::MFILE | Errno::NFILE) if self.spare.take().is_some() => {
                    // The queue would stay as it is, and tell nobody.
                    if let Ok(socket) = accept_with(&self.port.socket, flags) {
                        self.port.accepted_count.fetch_add(1, Ordering::SeqCst);
                        self.refuse(&socket);
                    }
                    self.spare = File::open("/dev/null").ok();
                }
                Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => {
                    return Next::Wait;
                }
                // It was closed, or the connection was gone before it was taken.
                Err(_) => {}
            }
        }
        Next::Again
    }
}

/// The supervisor's end of one connection.
struct Ticket {
    port: Arc<Port>,
    use_of_all: Arc<UseOfAll>,
}

impl Ticket {
    fn new(port: &Arc<Port>, use_of_all: &Arc<UseOfAll>) -> Option<Self> {
        if !use_of_all.enter() {
            return None;
        }
        port.open_count.fetch_add(1, Ordering::SeqCst);
        Some(Self {
            port: port.clone(),
            use_of_all: use_of_all.clone(),
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.port.open_count.fetch_sub(1, Ordering::SeqCst);
        self.use_of_all.leave();
    }
}

impl Side for Ticket {
    fn inward(&self) -> u8 {
        channel::STDOUT
    }

    fn outward(&self) -> u8 {
        channel::STDIN
    }

    fn is_answered(&self) -> bool {
        true
    }

    fn is_wanted(&self) -> bool {
        self.port.is_open()
    }

    fn moved(&mut self, _: usize) {
        self.use_of_all.used();
    }

    fn ended(self: Box<Self>, _stream: Stream, end: End) -> bool {
        let End::Answered(reply) = end else {
            return true;
        };
        match serde_json::from_slice(&reply) {
            Ok(Reply::Disconnected) => false,
            Ok(Reply::Failed(failed)) => {
                if failed.code != pyro_proto::messages::dial::CONNECTION_LOST {
                    self.port.refused_count.fetch_add(1, Ordering::SeqCst);
                }
                true
            }
            _ => true,
        }
    }
}
