//! Passing bytes between two connections.
//!
//! Owns: both directions, each ended by its own end; no faster than the
//! slower side; nothing held while nothing comes. Refuses: to keep a pair
//! that is silent for long.

use rustix::net::{Shutdown, shutdown};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long a pair may be silent.
pub const IDLE: Duration = Duration::from_secs(30 * 60);

const CHUNK_BYTES: usize = 64 * 1024;

/// When something last moved.
pub struct Activity(Mutex<Instant>);

impl Default for Activity {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Activity {
    /// Something moved.
    pub fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns once nothing moved for `idle`.
    pub async fn ended(&self, idle: Duration) {
        loop {
            let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + idle;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// Passes bytes both ways until both have ended.
pub async fn splice(one: &TcpStream, other: &TcpStream, idle: Duration) -> io::Result<()> {
    let activity = Activity::default();
    let both = async {
        tokio::try_join!(pump(one, other, &activity), pump(other, one, &activity))?;
        Ok(())
    };
    tokio::select! {
        ended = both => ended,
        () = activity.ended(idle) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// One direction, to its end, which is passed on.
pub async fn pump(from: &TcpStream, to: &TcpStream, activity: &Activity) -> io::Result<()> {
    loop {
        from.readable().await?;
        // Not before something is there: idle pairs hold no memory.
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        match from.try_read_buf(&mut chunk) {
            Ok(0) => {
                // Fails when the other side is gone, which it sees itself.
                let _ = shutdown(to, Shutdown::Write);
                return Ok(());
            }
            Ok(_) => {
                activity.note();
                write_all(to, &chunk).await?;
                activity.note();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes everything.
pub async fn write_all(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Ends a connection so that the other side notices at once.
pub fn reset(stream: TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
}

/// Ends a connection so that what was just written arrives: closing with
/// unread bytes would throw it away.
pub async fn close_after_reply(stream: TcpStream) {
    let _ = shutdown(&stream, Shutdown::Write);
    let drain = async {
        let mut left = 256 * 1024_usize;
        while left > 0 {
            if stream.readable().await.is_err() {
                return;
            }
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            match stream.try_read_buf(&mut chunk) {
                Ok(0) => return,
                Ok(read) => left = left.saturating_sub(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), drain).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialed = TcpStream::connect(listener.local_addr().unwrap());
        let (dialed, accepted) = tokio::join!(dialed, listener.accept());
        (dialed.unwrap(), accepted.unwrap().0)
    }

    #[tokio::test]
    async fn each_direction_ends_by_itself_and_nothing_is_lost() {
        let ((mut client, near), (far, mut server)) = (pair().await, pair().await);
        let splicing = tokio::spawn(async move { splice(&near, &far, IDLE).await });
        let sent: Vec<u8> = (0..3_000_000u32).map(|number| number as u8).collect();
        let (sending, expected) = (sent.clone(), sent);
        let client = tokio::spawn(async move {
            client.write_all(&sending).await.unwrap();
            client.shutdown().await.unwrap();
            let mut reply = Vec::new();
            client.read_to_end(&mut reply).await.unwrap();
            reply
        });
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        assert!(received == expected);
        server.write_all(b"after the end").await.unwrap();
        drop(server);
        assert_eq!(client.await.unwrap(), b"after the end");
        splicing.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_silent_pair_is_ended() {
        let ((_client, near), (far, _server)) = (pair().await, pair().await);
        let ended = splice(&near, &far, Duration::from_millis(50)).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
