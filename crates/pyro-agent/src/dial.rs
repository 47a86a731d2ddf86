//! Connections from the host to what listens in the guest.
//!
//! Owns: which addresses of the guest are tried, in which order and for how
//! long. Refuses: more than the bound, other machines' addresses, and a
//! thread or a buffer per connection; one thread carries all of them
//! ([`pyro_proto::reactor`]).
//!
//! ```text
//!   127.0.0.1 --refused--> ::1 --refused--> own IPv4 --> own IPv6 --> Failed{refused}
//!       `----- connected ---+-----------------+------------'-------> Joint
//! ```

use crate::machine::{Machine, Phase};
use crate::reply::{answer, fail};
use crate::role::Role;
use pyro_proto::Stream;
use pyro_proto::link::Waker;
use pyro_proto::messages::dial::{
    CONNECT_TIMEOUT, CONNECTION_LOST, Dial, MAX_CONNECTIONS, REFUSED, TIMED_OUT,
};
use pyro_proto::messages::{LEAVING, Reply, Request, channel};
use pyro_proto::reactor::{End, Joint, Next, Reactor, Side, Source, Turn, reset};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_send_buffer_size, socket_error};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// No request to dial is longer.
const LONGEST_REQUEST: usize = 64;
/// What the kernel holds for a service that does not read. It would be 4 MiB.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// The connections there are.
#[derive(Default)]
pub struct Dials {
    reactor: Mutex<Option<Reactor>>,
    count: Arc<AtomicUsize>,
}

impl Dials {
    /// Its thread starts with the first connection.
    fn reactor(&self) -> io::Result<Reactor> {
        let mut slot = self.reactor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reactor) = &*slot {
            return Ok(reactor.clone());
        }
        let reactor = Reactor::start("dials")?;
        *slot = Some(reactor.clone());
        Ok(reactor)
    }
}

/// Whether a request is one, told without a thread.
pub fn wanted(request: &[u8]) -> Option<Dial> {
    if request.len() > LONGEST_REQUEST {
        return None;
    }
    match serde_json::from_slice(request) {
        Ok(Request::Dial(dial)) => Some(dial),
        _ => None,
    }
}

/// Begins a connection; returns at once.
pub fn run(machine: &Machine, stream: Stream, wanted: Dial) {
    match (*machine.phase(), machine.role) {
        (Phase::Leaving, _) => return fail(stream, LEAVING, "the machine is powering off"),
        (Phase::Fresh | Phase::Configuring, Role::Guest) => {
            return fail(stream, "not_configured", "the guest was not configured yet");
        }
        _ if machine.reader.load(Ordering::SeqCst) => {
            return fail(stream, "bad_request", "this machine only shows a disk");
        }
        _ => {}
    }
    let ticket = Ticket::new(&machine.dials.count);
    if machine.dials.count.load(Ordering::SeqCst) > MAX_CONNECTIONS {
        return fail(stream, "busy", "too many connections are open already");
    }
    match machine.dials.reactor() {
        Ok(reactor) => {
            let at = Attempt {
                rest: addresses(wanted.port),
                stream,
                ticket,
                deadline: Instant::now() + CONNECT_TIMEOUT,
            };
            reactor.run(Box::new(move || at.next(Errno::CONNREFUSED)));
        }
        Err(error) => fail(stream, "busy", &format!("no thread to connect: {error}")),
    }
}

/// One connection that counts.
struct Ticket(Arc<AtomicUsize>);

impl Ticket {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A connection that is not there yet.
struct Attempt {
    rest: VecDeque<Place>,
    stream: Stream,
    ticket: Ticket,
    deadline: Instant,
}

/// An address, or how to find one that is only looked for when it is needed.
enum Place {
    At(SocketAddr),
    Own { ipv6: bool, port: u16 },
}

fn addresses(port: u16) -> VecDeque<Place> {
    [
        Place::At((Ipv4Addr::LOCALHOST, port).into()),
        Place::At((Ipv6Addr::LOCALHOST, port).into()),
        Place::Own { ipv6: false, port },
        Place::Own { ipv6: true, port },
    ]
    .into()
}

impl Place {
    fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::At(address) => Some(*address),
            Self::Own { ipv6, port } => Some((own_address(*ipv6)?, *port).into()),
        }
    }
}

/// The address that packets to elsewhere would come from. Nothing is sent: a
/// datagram socket only asks the routes. None without a network.
fn own_address(ipv6: bool) -> Option<IpAddr> {
    // Addresses for documentation, which no network has.
    let (any, elsewhere) = if ipv6 {
        ("[::]:0", "[2001:db8::1]:9")
    } else {
        ("0.0.0.0:0", "192.0.2.1:9")
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(elsewhere).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

impl Attempt {
    /// Tries what is left, after `error`.
    fn next(mut self, mut error: Errno) -> Next {
        while let Some(place) = self.rest.pop_front() {
            if self.stream.over().is_some() {
                return Next::Done;
            }
            let Some(address) = place.address() else {
                continue;
            };
            match begin(&address) {
                Ok((socket, true)) => return self.connected(socket),
                Ok((socket, false)) => {
                    return Next::Become(Box::new(Connecting {
                        socket,
                        attempt: Some(self),
                    }));
                }
                Err(found) if found == Errno::TIMEDOUT => error = found,
                // Refused, or an address that the guest does not have.
                Err(_) => {}
            }
        }
        let (code, message) = if error == Errno::TIMEDOUT {
            (TIMED_OUT, "what listens on the port did not accept in time")
        } else {
            (REFUSED, "nothing listens on the port")
        };
        fail(self.stream, code, message);
        Next::Done
    }

    fn connected(self, socket: OwnedFd) -> Next {
        let side = Answering {
            _ticket: self.ticket,
        };
        Next::Become(Box::new(Joint::new(socket, self.stream, Box::new(side))))
    }
}

/// A socket, and whether it is connected already.
fn begin(address: &SocketAddr) -> Result<(OwnedFd, bool), Errno> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    let _ = set_socket_send_buffer_size(&socket, SEND_BUFFER_BYTES);
    match connect(&socket, address) {
        Ok(()) => Ok((socket, true)),
        Err(Errno::INPROGRESS) => Ok((socket, false)),
        Err(error) => Err(error),
    }
}

/// A socket on its way.
struct Connecting {
    socket: OwnedFd,
    attempt: Option<Attempt>,
}

impl Source for Connecting {
    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn watched(&mut self, waker: Waker) {
        if let Some(attempt) = &self.attempt {
            attempt.stream.set_waker(waker);
        }
    }

    fn advance(&mut self, turn: Turn<'_>) -> Next {
        let Some(attempt) = self.attempt.take() else {
            return Next::Done;
        };
        if attempt.stream.over().is_some() {
            // The service may have accepted it already.
            reset(&self.socket);
            return Next::Done;
        }
        if turn.writable {
            return match socket_error(&self.socket) {
                Ok(Ok(())) => match self.socket.try_clone() {
                    Ok(socket) => attempt.connected(socket),
                    Err(_) => attempt.next(Errno::MFILE),
                },
                Ok(Err(error)) | Err(error) => attempt.next(error),
            };
        }
        let deadline = attempt.deadline;
        if deadline <= Instant::now() {
            // Its queue is full: another address is another's.
            return Attempt {
                rest: VecDeque::new(),
                ..attempt
            }
            .next(Errno::TIMEDOUT);
        }
        self.attempt = Some(attempt);
        Next::Until(deadline)
    }
}

/// The agent's end of a connection: it says how it ended.
struct Answering {
    _ticket: Ticket,
}

impl Side for Answering {
    fn inward(&self) -> u8 {
        channel::STDIN
    }

    fn outward(&self) -> u8 {
        channel::STDOUT
    }

    fn is_answered(&self) -> bool {
        false
    }

    fn ended(self: Box<Self>, stream: Stream, end: End) -> bool {
        match end {
            End::Finished => {
                answer(stream, &Reply::Disconnected);
                false
            }
            End::SocketLost => {
                fail(stream, CONNECTION_LOST, "the service reset the connection");
                true
            }
            End::Answered(_) | End::StreamLost(_) => true,
        }
    }
}
