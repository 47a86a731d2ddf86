//! The guest's only resolver.
//!
//! Owns: which questions are asked at all, the answers' filter, the pins that
//! the proxy checks connections against. Refuses: questions for names that are
//! not allowed before anything is sent, so that no name carries data out;
//! IPv6 addresses, since IPv6 is not forwarded; keys of encrypted handshakes,
//! since they hide the name.
//!
//! ```text
//!  question -> read -> allowed? -- no --> NXDOMAIN, told
//!                        | yes
//!                      cache -- none --> a resolver of the host
//!                        |                 own number, own port, checked
//!                      filter: aliases followed, private addresses out
//!                        |
//!                      pin (name, addresses, until) -> answer
//! ```

mod cache;
pub mod filter;
pub mod message;
pub mod pins;
mod upstream;

pub use pins::Pins;

use crate::attempts::{Asked, Attempts};
use crate::rules::{AddressVerdict, NameVerdict, Policy};
use cache::{Cache, Cached};
use filter::{filter, reversed};
use message::{Question, Unreadable};
use simple_dns::{RCODE, TYPE};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;

/// Questions that are open at once.
const MAX_OPEN: usize = 128;

/// TCP connections at once, and how long one may say nothing.
const MAX_CONNECTIONS: usize = 32;
const IDLE: Duration = Duration::from_secs(10);

/// One guest's resolver.
pub struct Resolver {
    policy: Policy,
    upstreams: Vec<SocketAddr>,
    pins: Arc<Pins>,
    attempts: Arc<Attempts>,
    cache: Mutex<Cache>,
}

impl Resolver {
    /// Asks `upstreams`, tells `attempts`, pins into `pins`.
    pub fn new(
        policy: Policy,
        upstreams: Vec<SocketAddr>,
        pins: Arc<Pins>,
        attempts: Arc<Attempts>,
    ) -> Self {
        Self {
            policy,
            upstreams,
            pins,
            attempts,
            cache: Mutex::default(),
        }
    }

    /// The answer to one message, if it gets one.
    async fn answer(&self, bytes: &[u8], by_udp: bool) -> Option<Vec<u8>> {
        let question = match message::read_question(bytes) {
            Ok(question) => question,
            Err(Unreadable::Ignored) => return None,
            Err(Unreadable::Coded(id, code, why)) => {
                self.attempts.note(Asked::dns(None, false, why));
                return message::write_code(id, code);
            }
        };
        let (code, records) = match self.may_ask(&question) {
            Ok(rule) => self.resolve(&question, &rule).await,
            Err(reason) => {
                self.note(&question, false, reason);
                (RCODE::NameError, Vec::new())
            }
        };
        question.write_reply(code, &records, by_udp)
    }

    fn note(&self, question: &Question, allowed: bool, reason: impl Into<String>) {
        let name = Some(question.name.as_str());
        self.attempts.note(Asked::dns(name, allowed, reason));
    }

    /// By which rule a question may be asked.
    fn may_ask(&self, question: &Question) -> Result<String, String> {
        let name = &question.name;
        let rule = match self.policy.name(name) {
            NameVerdict::Allowed(rule) => rule,
            NameVerdict::Refused(reason) => return Err(reason.into()),
        };
        if name.as_str() == "localhost" || name.as_str().ends_with(".localhost") {
            return Err("the guest's own name".into());
        }
        // What the host's resolver knows about its own network is nobody's
        // business.
        if let Some(address) = reversed(name)
            && let AddressVerdict::Refused(why) = self.policy.address(address)
        {
            return Err(format!("the name of {why}"));
        }
        if name.as_str().ends_with(".ip6.arpa") {
            return Err("IPv6 is not forwarded".into());
        }
        Ok(rule)
    }

    async fn resolve(
        &self,
        question: &Question,
        rule: &str,
    ) -> (RCODE, Vec<simple_dns::ResourceRecord<'static>>) {
        match question.kind {
            // Empty, not refused: the name exists, ask for its IPv4 address.
            TYPE::AAAA | TYPE::SVCB | TYPE::HTTPS => return (RCODE::NoError, Vec::new()),
            TYPE::OPT | TYPE::NULL => {
                self.note(question, false, "a type that carries data only");
                return (RCODE::NotImplemented, Vec::new());
            }
            _ => {}
        }
        let now = Instant::now();
        let cached = self.cache().get(&question.name, question.kind, now);
        let cached = match cached {
            Some(cached) => cached,
            None => match self.ask(question).await {
                Ok(fresh) => fresh,
                Err(reason) => {
                    self.note(question, false, reason);
                    return (RCODE::ServerFailure, Vec::new());
                }
            },
        };
        for (address, why) in &cached.removed {
            let mut asked = Asked::dns(
                Some(question.name.as_str()),
                false,
                format!("the answer names {why}"),
            );
            asked.address = Some(*address);
            self.attempts.note(asked);
        }
        if !cached.removed.is_empty() && cached.addresses.is_empty() {
            return (RCODE::NameError, Vec::new());
        }
        let ttl_seconds = cached.ttl_seconds(now);
        self.pins
            .pin(&question.name, &cached.addresses, ttl_seconds, now);
        self.note(question, true, rule);
        let mut records = cached.records;
        for record in &mut records {
            record.ttl = record.ttl.min(ttl_seconds);
        }
        (cached.code, records)
    }

    /// Asks a resolver of the host and remembers what is left of its answer.
    async fn ask(&self, question: &Question) -> Result<Cached, &'static str> {
        let reply = upstream::ask(&self.upstreams, &question.name, question.kind)
            .await
            .ok_or("no resolver of the host answered")?;
        if !matches!(reply.code, RCODE::NoError | RCODE::NameError) {
            return Err("the resolver of the host refused");
        }
        let filtered = filter(&self.policy, &question.name, question.kind, reply.answers);
        let cached = Cached::new(reply.code, filtered, Instant::now());
        self.cache()
            .put(question.name.clone(), question.kind, cached.clone());
        Ok(cached)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers until the sockets fail.
pub async fn serve(
    udp: UdpSocket,
    tcp: TcpListener,
    resolver: Arc<Resolver>,
) -> std::io::Result<()> {
    tokio::try_join!(
        serve_udp(udp, Arc::clone(&resolver)),
        serve_tcp(tcp, resolver)
    )?;
    Ok(())
}

async fn serve_udp(udp: UdpSocket, resolver: Arc<Resolver>) -> std::io::Result<()> {
    let udp = Arc::new(udp);
    let open = Arc::new(Semaphore::new(MAX_OPEN));
    let mut buffer = [0; message::QUESTION_BYTES + 1];
    loop {
        let (length, from) = match udp.recv_from(&mut buffer).await {
            Ok(received) => received,
            // An answer that found nobody comes back here.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return Err(error),
        };
        // Too many at once: the guest asks again, as it does for a lost one.
        let Ok(permit) = Arc::clone(&open).try_acquire_owned() else {
            resolver
                .attempts
                .note(Asked::dns(None, false, "too many questions at once"));
            continue;
        };
        let bytes = buffer[..length].to_vec();
        let (udp, resolver) = (Arc::clone(&udp), Arc::clone(&resolver));
        tokio::spawn(async move {
            if let Some(answer) = resolver.answer(&bytes, true).await {
                let _ = udp.send_to(&answer, from).await;
            }
            drop(permit);
        });
    }
}

async fn serve_tcp(tcp: TcpListener, resolver: Arc<Resolver>) -> std::io::Result<()> {
    let open = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let stream = crate::accept::accept(&tcp).await?;
        let Ok(permit) = Arc::clone(&open).try_acquire_owned() else {
            continue;
        };
        let resolver = Arc::clone(&resolver);
        tokio::spawn(async move {
            let _ = answer_tcp(stream, &resolver).await;
            drop(permit);
        });
    }
}

/// Questions one after the other, each with its length in front.
async fn answer_tcp(mut stream: TcpStream, resolver: &Resolver) -> std::io::Result<()> {
    loop {
        let read = async {
            let length = usize::from(stream.read_u16().await?);
            if length > message::QUESTION_BYTES {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            let mut bytes = vec![0; length];
            stream.read_exact(&mut bytes).await?;
            std::io::Result::Ok(bytes)
        };
        let bytes = tokio::time::timeout(IDLE, read).await??;
        let Some(answer) = resolver.answer(&bytes, false).await else {
            return Ok(());
        };
        let Ok(length) = u16::try_from(answer.len()) else {
            return Ok(());
        };
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(&answer);
        tokio::time::timeout(IDLE, stream.write_all(&framed)).await??;
    }
}

#[cfg(test)]
mod tests;
