//! A gateway between a guest's sockets and servers, all on loopback.
//!
//! Owns: a resolver of the host that knows what it is told, servers at made-up
//! public addresses, connections that claim a destination. Refuses: to be in
//! the program.

use crate::config::{Brokered, Config, Rules};
use crate::log::Attempt;
use crate::names::Names;
use crate::namespace::ranges::Host;
use crate::resolver::Pins;
use crate::resolver::message::{read_reply, text, write_query};
use crate::route::Route;
use crate::rules::HostName;
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Name, Packet, RCODE, ResourceRecord, TYPE};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for anything; the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Roads {
    /// Guests' sockets -> where they claim to go.
    claims: Mutex<HashMap<SocketAddr, SocketAddr>>,
    /// Made-up addresses -> servers.
    servers: Mutex<HashMap<SocketAddr, SocketAddr>>,
}

impl Route for Roads {
    fn destination(&self, redirected: &tokio::net::TcpStream) -> io::Result<SocketAddr> {
        let claims = self.claims.lock().unwrap();
        let claim = claims.get(&redirected.peer_addr()?).copied();
        claim.ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn way(&self, to: SocketAddr) -> io::Result<SocketAddr> {
        let servers = self.servers.lock().unwrap();
        let server = servers.get(&to).copied();
        server.ok_or_else(|| io::ErrorKind::ConnectionRefused.into())
    }
}

/// The gateway and what is around it.
pub struct Bench {
    dns: SocketAddr,
    proxy: SocketAddr,
    roads: Arc<Roads>,
    told: Arc<Mutex<Vec<Attempt>>>,
    pub pins: Arc<Pins>,
    pub ca_certificate_pem: Option<String>,
    _names: Names,
}

/// What a bench is made from.
#[derive(Default)]
pub struct Setting<'a> {
    pub domains: &'a [&'a str],
    pub ranges: &'a [&'a str],
    pub own: &'a [&'a str],
    pub names: &'a [(&'a str, &'a str)],
    pub brokered: Vec<Brokered>,
    pub authorities: Vec<String>,
}

impl Bench {
    pub fn new(setting: Setting<'_>) -> Self {
        let config = Config {
            rules: Rules {
                allow_domains: setting.domains.iter().map(ToString::to_string).collect(),
                allow_cidrs: setting.ranges.iter().map(ToString::to_string).collect(),
            },
            resolvers: vec![host_resolver(setting.names)],
            brokered: setting.brokered,
            authorities: setting.authorities,
        };
        let dns_udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dns_tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
        let (dns, proxy_at) = (dns_udp.local_addr().unwrap(), proxy.local_addr().unwrap());
        let (roads, told, pins) = (Arc::new(Roads::default()), Arc::default(), Arc::default());
        let log = {
            let told: Arc<Mutex<Vec<Attempt>>> = Arc::clone(&told);
            move |attempt| told.lock().unwrap().push(attempt)
        };
        let route = Arc::clone(&roads) as Arc<dyn Route>;
        let host = Host {
            addresses: setting.own.iter().map(|own| own.parse().unwrap()).collect(),
            networks: Vec::new(),
        };
        let names = Names::by(&config, &host, log, Arc::clone(&pins), route).unwrap();
        names.resolve(dns_udp, dns_tcp).unwrap();
        names.proxy(proxy).unwrap();
        Self {
            dns,
            proxy: proxy_at,
            roads,
            told,
            pins,
            ca_certificate_pem: names.ca_certificate_pem().map(String::from),
            _names: names,
        }
    }

    /// Asks for a name as the guest does; how many addresses came.
    pub fn resolve(&self, name: &str) -> usize {
        let name = HostName::parse(name).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let query = write_query(3, &name, TYPE::A).unwrap();
        socket.send_to(&query, self.dns).unwrap();
        let mut buffer = [0; 2048];
        let length = socket.recv(&mut buffer).unwrap();
        let reply = read_reply(&buffer[..length], 3, &name, TYPE::A).unwrap();
        reply.answers.len()
    }

    /// A connection of the guest to `to`.
    pub fn connect(&self, to: &str) -> TcpStream {
        use rustix::net::{AddressFamily, SocketType, bind, connect, getsockname, socket};
        let guest = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&guest, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let near: SocketAddr = getsockname(&guest).unwrap().try_into().unwrap();
        let to = to.parse().unwrap();
        self.roads.claims.lock().unwrap().insert(near, to);
        connect(&guest, &self.proxy).unwrap();
        let guest = TcpStream::from(guest);
        guest.set_read_timeout(Some(PATIENCE)).unwrap();
        guest
    }

    /// Puts a server at a made-up address.
    pub fn place(&self, at: &str, server: SocketAddr) {
        let at = at.parse().unwrap();
        self.roads.servers.lock().unwrap().insert(at, server);
    }

    /// A server that keeps what it got and says `reply` to each connection
    /// once something came.
    pub fn server(&self, at: &str, reply: &'static [u8]) -> Arc<Mutex<Vec<u8>>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.place(at, listener.local_addr().unwrap());
        let got: Arc<Mutex<Vec<u8>>> = Arc::default();
        let keep = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, keep) = (stream.unwrap(), Arc::clone(&keep));
                std::thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    let mut has_replied = false;
                    while let Ok(count @ 1..) = stream.read(&mut buffer) {
                        keep.lock().unwrap().extend_from_slice(&buffer[..count]);
                        if !has_replied {
                            has_replied = true;
                            let _ = stream.write_all(reply);
                        }
                    }
                });
            }
        });
        got
    }

    /// Everything told so far.
    pub fn told(&self) -> Vec<Attempt> {
        self.told.lock().unwrap().clone()
    }

    /// Waits for an attempt; it is told after the guest notices.
    pub fn wait_told(&self, wanted: impl Fn(&Attempt) -> bool) -> Attempt {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.told().into_iter().find(&wanted) {
                return found;
            }
            assert!(Instant::now() < end, "not told: {:#?}", self.told());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Says something, returns everything that comes back; a reset ends it too.
pub fn talk(mut stream: TcpStream, say: &[u8]) -> Vec<u8> {
    let _ = stream.write_all(say);
    let mut reply = Vec::new();
    match stream.read_to_end(&mut reply) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("left hanging"),
        _ => reply,
    }
}

/// Says something, returns as much as is expected.
pub fn exchange(mut stream: TcpStream, say: &[u8], expected_bytes: usize) -> Vec<u8> {
    stream.write_all(say).unwrap();
    let mut reply = vec![0; expected_bytes];
    stream.read_exact(&mut reply).unwrap();
    reply
}

fn host_resolver(names: &[(&str, &str)]) -> SocketAddr {
    let known: Vec<(String, Ipv4Addr)> = names
        .iter()
        .map(|(name, address)| (name.to_string(), address.parse().unwrap()))
        .collect();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let query = Packet::parse(&buffer[..length]).unwrap();
            let asked = text(&query.questions[0].qname).unwrap();
            let mut reply = Packet::new_reply(query.id());
            reply.questions = query.questions.clone();
            for (name, four) in known.iter().filter(|(name, _)| *name == asked) {
                let data = RData::A(A {
                    address: (*four).into(),
                });
                let name = Name::new(name).unwrap();
                reply
                    .answers
                    .push(ResourceRecord::new(name, CLASS::IN, 60, data));
            }
            if reply.answers.is_empty() {
                *reply.rcode_mut() = RCODE::NameError;
            }
            let bytes = reply.build_bytes_vec_compressed().unwrap();
            let _ = socket.send_to(&bytes, from);
        }
    });
    address
}
