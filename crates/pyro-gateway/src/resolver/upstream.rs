//! Asking a resolver of the host.
//!
//! Owns: a number and a port of its own for every question, who is asked
//! next, when to give up. Refuses: answers from elsewhere, to another
//! question, or after too many wrong ones.

use super::message::{self, Reply};
use crate::rules::HostName;
use simple_dns::TYPE;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

const PATIENCE: Duration = Duration::from_millis(2500);
const ROUNDS: usize = 2;

/// More than a few wrong answers: somebody is guessing.
const MAX_WRONG: usize = 8;

/// The first usable reply, asking each in turn, twice.
pub async fn ask(upstreams: &[SocketAddr], name: &HostName, kind: TYPE) -> Option<Reply> {
    for _ in 0..ROUNDS {
        for upstream in upstreams {
            if let Ok(Ok(reply)) = tokio::time::timeout(PATIENCE, one(*upstream, name, kind)).await
            {
                return Some(reply);
            }
        }
    }
    None
}

async fn one(upstream: SocketAddr, name: &HostName, kind: TYPE) -> io::Result<Reply> {
    let id = random_id()?;
    let query = message::write_query(id, name, kind).ok_or(io::ErrorKind::InvalidInput)?;
    let any: SocketAddr = match upstream {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    // Port 0: the kernel picks one at random. Connected: others' are dropped.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(upstream).await?;
    socket.send(&query).await?;
    let mut buffer = vec![0; 4096];
    for _ in 0..MAX_WRONG {
        let length = socket.recv(&mut buffer).await?;
        if let Some(reply) = message::read_reply(&buffer[..length], id, name, kind) {
            if reply.truncated {
                return by_tcp(upstream, name, kind).await;
            }
            return Ok(reply);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

async fn by_tcp(upstream: SocketAddr, name: &HostName, kind: TYPE) -> io::Result<Reply> {
    let id = random_id()?;
    let query = message::write_query(id, name, kind).ok_or(io::ErrorKind::InvalidInput)?;
    let length = u16::try_from(query.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect(upstream).await?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(&query);
    stream.write_all(&framed).await?;
    let length = usize::from(stream.read_u16().await?);
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    message::read_reply(&bytes, id, name, kind).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn random_id() -> io::Result<u16> {
    let mut bytes = [0; 2];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(u16::from_ne_bytes(bytes))
}
