//! The guest's TCP connections, by name.
//!
//! Owns: what becomes of each connection that the packets' filter hands over.
//! Refuses: addresses no allowed name was resolved to, names that are not
//! allowed or not at that address, and what hides its name. The name inside
//! an encrypted request cannot be seen: a host that serves several names at
//! one address can be asked for another one of them.
//!
//! ```text
//!  guest --> where was it going? --> address, pins, port --> refuse: reset
//!              (original destination)    |        '--> pass: splice
//!                                      inspect
//!                        TLS: name in the handshake     HTTP: Host, each request
//!                            |            |                  |
//!                      not allowed:   brokered host:     not allowed: 403
//!                      alert          crate::broker      else http_relay
//! ```

pub(crate) mod chunked;
pub(crate) mod client_hello;
mod decide;
pub(crate) mod http_head;
mod http_relay;
mod refuse;
pub(crate) use refuse::alert;
pub(crate) mod splice;

pub use client_hello::ClientHello;

use crate::attempts::{Asked, Attempts};
use crate::broker::{Broker, Target};
use crate::resolver::Pins;
use crate::resolver::pins::Pinned;
use crate::route::{Route, connect};
use crate::rules::{HostName, Policy};
use decide::{Decision, Seen, decide, named};
use http_relay::{Ended, Next, Requests};
use splice::{IDLE, close_after_reply, reset, write_all};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at once.
pub const MAX_CONNECTIONS: usize = 1024;

/// How long a client may take to say what it wants.
const FIRST_BYTES: Duration = Duration::from_secs(15);

/// The same, where nothing has to be said.
const FIRST_BYTES_IF_ANY: Duration = Duration::from_secs(2);

/// One guest's proxy.
pub struct Proxy {
    policy: Policy,
    pins: Arc<Pins>,
    attempts: Arc<Attempts>,
    broker: Option<Arc<Broker>>,
    route: Arc<dyn Route>,
}

impl Proxy {
    /// Checks against `policy` and `pins`, tells `attempts`.
    pub fn new(
        policy: Policy,
        pins: Arc<Pins>,
        attempts: Arc<Attempts>,
        broker: Option<Arc<Broker>>,
        route: Arc<dyn Route>,
    ) -> Self {
        Self {
            policy,
            pins,
            attempts,
            broker,
            route,
        }
    }

    async fn handle(&self, guest: TcpStream) {
        let to = match self.route.destination(&guest) {
            Ok(to) => SocketAddr::new(to.ip().to_canonical(), to.port()),
            // Spoken to directly: nobody was meant.
            Err(_) => return reset(guest),
        };
        let pinned = self.pins.of(to.ip(), Instant::now());
        let is_brokered = |name: &HostName| {
            self.broker
                .as_ref()
                .is_some_and(|broker| broker.is_for(name))
        };
        let connection = Connection {
            proxy: self,
            to,
            pinned,
        };
        match decide(
            &self.policy,
            &connection.pinned,
            is_brokered,
            self.broker.is_some(),
            to,
        ) {
            Decision::Refuse(reason) => connection.refuse(guest, None, &reason),
            Decision::Pass(rule) => {
                let name = connection.only_name();
                connection
                    .pass(guest, Vec::new(), name.as_deref(), &rule)
                    .await;
            }
            Decision::Inspect {
                seen: Seen::Tls,
                otherwise,
            } => connection.tls(guest, otherwise.as_deref()).await,
            Decision::Inspect {
                seen: Seen::Http,
                otherwise,
            } => connection.http(guest, otherwise.as_deref()).await,
        }
    }
}

struct Connection<'a> {
    proxy: &'a Proxy,
    to: SocketAddr,
    pinned: Pinned,
}

impl Connection<'_> {
    fn note(&self, name: Option<&str>, allowed: bool, reason: &str) {
        let asked = Asked::tcp(name, self.to, allowed, reason);
        self.proxy.attempts.note(asked);
    }

    fn only_name(&self) -> Option<String> {
        match &self.pinned.names[..] {
            [name] => Some(name.to_string()),
            _ => None,
        }
    }

    fn refuse(&self, guest: TcpStream, name: Option<&str>, reason: &str) {
        self.note(name, false, reason);
        reset(guest);
    }

    async fn pass(&self, guest: TcpStream, seen: Vec<u8>, name: Option<&str>, rule: &str) {
        let server = match connect(&*self.proxy.route, self.to).await {
            Ok(server) => server,
            Err(error) => return self.unreachable(guest, name, rule, &error),
        };
        self.note(name, true, rule);
        let spliced = async {
            write_all(&server, &seen).await?;
            splice::splice(&guest, &server, IDLE).await
        };
        if spliced.await.is_err() {
            reset(guest);
            reset(server);
        }
    }

    fn unreachable(&self, guest: TcpStream, name: Option<&str>, rule: &str, error: &io::Error) {
        if error.kind() == io::ErrorKind::PermissionDenied {
            return self.refuse(guest, name, "an address of the host itself");
        }
        self.note(
            name,
            true,
            &format!("{rule}; not reached: {}", error.kind()),
        );
        reset(guest);
    }

    async fn tls(&self, mut guest: TcpStream, otherwise: Option<&str>) {
        let mut seen = Vec::new();
        // A client of a brokered host may be slow to begin; passed on, it would
        // meet a certificate and a placeholder that are not meant to meet.
        let broker = self.proxy.broker.as_ref();
        let may_be_silent = otherwise.is_some()
            && !broker
                .is_some_and(|broker| self.pinned.names.iter().any(|name| broker.is_for(name)));
        let patience = if may_be_silent {
            FIRST_BYTES_IF_ANY
        } else {
            FIRST_BYTES
        };
        let hello = tokio::time::timeout(patience, first_message(&mut guest, &mut seen)).await;
        let hello = match (hello, otherwise) {
            (Ok(client_hello::Read::Whole(hello)), _) => hello,
            (Ok(client_hello::Read::NotTls), Some(rule)) => {
                let name = self.only_name();
                return self.pass(guest, seen, name.as_deref(), rule).await;
            }
            (Err(_), Some(rule)) if may_be_silent => {
                let name = self.only_name();
                return self.pass(guest, seen, name.as_deref(), rule).await;
            }
            (Ok(client_hello::Read::Malformed(reason)), _) => {
                return self.alert(guest, None, refuse::DECODE_ERROR, reason).await;
            }
            (Ok(client_hello::Read::NotTls), None) => {
                return self.refuse(guest, None, "not TLS on port 443");
            }
            (Ok(client_hello::Read::More) | Err(_), _) => {
                return self.refuse(guest, None, "nothing said in time, or the end at once");
            }
        };
        let Some(name) = hello.name.clone() else {
            if let Some(rule) = otherwise {
                return self.pass(guest, seen, None, rule).await;
            }
            let reason = "a handshake without a server name";
            return self
                .alert(guest, None, refuse::UNRECOGNIZED_NAME, reason)
                .await;
        };
        let text = Some(name.as_str());
        let brokered = broker.filter(|broker| broker.is_for(&name));
        if hello.has_encrypted && (otherwise.is_none() || brokered.is_some()) {
            let reason = "a handshake with an encrypted server name";
            return self.alert(guest, text, refuse::ACCESS_DENIED, reason).await;
        }
        let rule = match named(&self.proxy.policy, &self.pinned, otherwise, &name, self.to) {
            // A secret goes to the address of its host only.
            Ok(_) if brokered.is_some() && !self.pinned.names.contains(&name) => {
                Err("the name inside was not resolved to this address".into())
            }
            verdict => verdict,
        };
        match (rule, brokered) {
            (Err(reason), _) => {
                let alert = refuse::UNRECOGNIZED_NAME;
                self.alert(guest, text, alert, &reason).await;
            }
            (Ok(rule), None) => self.pass(guest, seen, text, &rule).await,
            (Ok(_), Some(broker)) => {
                let target = Target {
                    name,
                    to: self.to,
                    route: Arc::clone(&self.proxy.route),
                    attempts: Arc::clone(&self.proxy.attempts),
                };
                broker.relay(guest, seen, &hello, target).await;
            }
        }
    }

    async fn alert(&self, guest: TcpStream, name: Option<&str>, alert: u8, reason: &str) {
        self.note(name, false, reason);
        let _ = write_all(&guest, &refuse::alert(alert)).await;
        close_after_reply(guest).await;
    }

    async fn http(&self, guest: TcpStream, otherwise: Option<&str>) {
        let mut requests = Requests::new(&guest, Vec::new());
        let first = tokio::time::timeout(FIRST_BYTES, requests.next()).await;
        let first = match first {
            Ok(Ok(Next::Request(request))) => request,
            Ok(Ok(Next::Refused(reason))) => {
                return self.forbid(guest, None, reason).await;
            }
            Ok(Ok(Next::End) | Err(_)) => return,
            Err(_) => {
                return self.refuse(guest, None, "nothing said in time");
            }
        };
        let name = first.host.to_string();
        if let Err(reason) = self.check(&first, otherwise) {
            return self.forbid(guest, Some(&name), &reason).await;
        }
        let rule = named(
            &self.proxy.policy,
            &self.pinned,
            otherwise,
            &first.host,
            self.to,
        )
        .unwrap_or_default();
        let server = match connect(&*self.proxy.route, self.to).await {
            Ok(server) => server,
            Err(error) => return self.unreachable(guest, Some(&name), &rule, &error),
        };
        self.note(Some(&name), true, &rule);
        let check = |request: &http_head::Request| self.check(request, otherwise);
        if let Ended::Refused(reason, name) =
            http_relay::relay(requests, first, &server, check).await
        {
            self.note(name.as_deref(), false, &reason);
            reset(guest);
        }
    }

    /// Why a request is not passed on.
    fn check(&self, request: &http_head::Request, otherwise: Option<&str>) -> Result<(), String> {
        if request.port.unwrap_or(80) != self.to.port() {
            return Err("a Host header with another port".into());
        }
        named(
            &self.proxy.policy,
            &self.pinned,
            otherwise,
            &request.host,
            self.to,
        )?;
        let broker = self.proxy.broker.as_ref();
        if broker.is_some_and(|broker| broker.is_mentioned(&request.head)) {
            return Err("a brokered secret over plain HTTP; use https".into());
        }
        Ok(())
    }

    async fn forbid(&self, guest: TcpStream, name: Option<&str>, reason: &str) {
        self.note(name, false, reason);
        let _ = write_all(&guest, &refuse::forbidden(name, reason)).await;
        close_after_reply(guest).await;
    }
}

/// Reads until the handshake's first message is there or cannot come.
async fn first_message(guest: &mut TcpStream, seen: &mut Vec<u8>) -> client_hello::Read {
    loop {
        match guest.read_buf(seen).await {
            Ok(0) | Err(_) => return client_hello::Read::More,
            Ok(_) => {}
        }
        match client_hello::read(seen) {
            client_hello::Read::More => {}
            read => return read,
        }
    }
}

/// Takes connections until the listener fails.
pub async fn serve(listener: TcpListener, proxy: Arc<Proxy>) -> io::Result<()> {
    let open = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let guest = crate::accept::accept(&listener).await?;
        let Ok(permit) = Arc::clone(&open).try_acquire_owned() else {
            if let Ok(to) = proxy.route.destination(&guest) {
                let reason = "too many connections at once";
                proxy.attempts.note(Asked::tcp(None, to, false, reason));
            }
            reset(guest);
            continue;
        };
        let proxy = Arc::clone(&proxy);
        tokio::spawn(async move {
            proxy.handle(guest).await;
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests;
