//! Questions about names, carried to the host's resolvers.
//!
//! Owns: two sockets inside the namespace and their way out. The sockets that
//! ask are made by threads in the host's network, so that a resolver on the
//! host's loopback can be asked, which nothing in the namespace could reach.
//! Refuses: knowing what the questions are.
//!
//! ```text
//!   namespace :53 udp --question--> thread --socket of the host--> resolver
//!             :53 tcp --connection-> thread --connection---------> resolver
//! ```

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How long one resolver has for its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// Questions under way; what is more is dropped, as UDP may.
const MOST_AT_ONCE: usize = 128;
/// How long a connection may say nothing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
const STACK_BYTES: usize = 128 * 1024;

/// The sockets, made by a thread in the namespace.
#[derive(Debug)]
pub struct Listening {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Listening {
    /// In the namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(address: Ipv4Addr, port: u16) -> io::Result<Self> {
        Ok(Self {
            udp: UdpSocket::bind((address, port))?,
            tcp: TcpListener::bind((address, port))?,
        })
    }

    /// Carries from here on; the threads are in the caller's network.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn carry(self, resolvers: Vec<SocketAddr>) -> io::Result<()> {
        let busy = Arc::new(AtomicUsize::new(0));
        let (resolvers, udp) = (Arc::<[SocketAddr]>::from(resolvers), Arc::new(self.udp));
        let (all, busy_too) = (resolvers.clone(), busy.clone());
        spawn("relay-udp", move || questions(&udp, &all, &busy_too))?;
        spawn("relay-tcp", move || {
            for connection in self.tcp.incoming().flatten() {
                let resolvers = resolvers.clone();
                let _ = slot(&busy, "relay-tcp-one", move || {
                    let _ = through(&connection, &resolvers);
                });
            }
        })
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(name.into())
        .stack_size(STACK_BYTES)
        .spawn(work)
        .map(drop)
}

/// In a thread of its own, unless too many are at it.
fn slot(
    busy: &Arc<AtomicUsize>,
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    if busy.fetch_add(1, Ordering::SeqCst) >= MOST_AT_ONCE {
        busy.fetch_sub(1, Ordering::SeqCst);
        return Ok(());
    }
    let done = busy.clone();
    let started = spawn(name, move || {
        work();
        done.fetch_sub(1, Ordering::SeqCst);
    });
    if started.is_err() {
        busy.fetch_sub(1, Ordering::SeqCst);
    }
    started
}

fn questions(udp: &Arc<UdpSocket>, resolvers: &Arc<[SocketAddr]>, busy: &Arc<AtomicUsize>) {
    let mut buffer = [0; 4096];
    loop {
        // An error of the socket is that of an earlier answer nobody took.
        let Ok((length, from)) = udp.recv_from(&mut buffer) else {
            continue;
        };
        let question = buffer[..length].to_vec();
        let (udp, resolvers) = (udp.clone(), resolvers.clone());
        let _ = slot(busy, "relay-udp-one", move || {
            if let Some(answer) = resolvers.iter().find_map(|to| ask(*to, &question)) {
                let _ = udp.send_to(&answer, from);
            }
        });
    }
}

fn ask(resolver: SocketAddr, question: &[u8]) -> Option<Vec<u8>> {
    let any: SocketAddr = if resolver.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    // A port of its own for each question, so that an answer is hard to forge.
    let socket = UdpSocket::bind(any).ok()?;
    socket.set_read_timeout(Some(ANSWER_TIMEOUT)).ok()?;
    socket.connect(resolver).ok()?;
    socket.send(question).ok()?;
    let mut buffer = vec![0; 65_535];
    loop {
        let length = socket.recv(&mut buffer).ok()?;
        if length >= 2 && buffer[..2] == *question.get(..2)? {
            buffer.truncate(length);
            return Some(buffer);
        }
    }
}

fn through(guest: &TcpStream, resolvers: &[SocketAddr]) -> io::Result<()> {
    let resolver = resolvers
        .iter()
        .find_map(|to| TcpStream::connect_timeout(to, ANSWER_TIMEOUT).ok())
        .ok_or(io::ErrorKind::NotConnected)?;
    for stream in [guest, &resolver] {
        stream.set_read_timeout(Some(IDLE_TIMEOUT))?;
        stream.set_write_timeout(Some(IDLE_TIMEOUT))?;
    }
    let (from, to) = (guest.try_clone()?, resolver.try_clone()?);
    spawn("relay-tcp-up", move || pump(&from, &to))?;
    pump(&resolver, guest);
    Ok(())
}

fn pump(mut from: &TcpStream, mut to: &TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length) = from.read(&mut buffer)
        && length > 0
        && to.write_all(&buffer[..length]).is_ok()
    {}
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_comes_back_answered_and_a_dead_resolver_is_passed_over() {
        let resolver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind(resolver.local_addr().unwrap()).unwrap();
        let alive = resolver.local_addr().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 512];
            let (length, from) = resolver.recv_from(&mut buffer).unwrap();
            // One that was not asked for comes first.
            resolver.send_to(b"xxforged", from).unwrap();
            buffer[2] = b'!';
            resolver.send_to(&buffer[..length], from).unwrap();
        });
        thread::spawn(move || {
            let (mut one, _) = tcp.accept().unwrap();
            let mut text = Vec::new();
            one.read_to_end(&mut text).unwrap();
            one.write_all(&text).unwrap();
        });
        // Nobody listens there: refused at once.
        let dead = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let listening = Listening::open(Ipv4Addr::LOCALHOST, free.port()).unwrap();
        listening.carry(vec![dead, alive]).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        client.send_to(b"id?uestion", free).unwrap();
        let mut buffer = [0; 512];
        let length = client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"id!uestion");
        let mut client = TcpStream::connect(free).unwrap();
        client.write_all(b"long").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "long");
    }
}
