//! The serial console's last words.
//!
//! Owns: a thread that empties the console into a ring of fixed size. A guest
//! that prints for ever costs processor time of its own and no host memory
//! or disk.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of console output that are kept.
pub const SERIAL_TAIL_BYTES: usize = 64 * 1024;

/// How long [`SerialLog::last_words`] waits for the end of a stream that
/// somebody else still holds open.
const END_PATIENCE: Duration = Duration::from_millis(500);

/// The ring. Clones share it.
#[derive(Clone, Default)]
pub struct SerialLog(Arc<Shared>);

#[derive(Default)]
struct Shared {
    ring: Mutex<Ring>,
    ended: Condvar,
}

#[derive(Default)]
struct Ring {
    bytes: VecDeque<u8>,
    /// A thread reads it, and has not come to its end.
    open: bool,
}

impl SerialLog {
    /// Reads `console` until it ends, on a thread of its own.
    #[must_use]
    pub fn follow(mut console: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        log.ring().open = true;
        let theirs = log.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                match console.read(&mut buffer) {
                    Ok(count @ 1..) => theirs.push(&buffer[..count]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => break,
                }
            }
            theirs.ring().open = false;
            theirs.0.ended.notify_all();
        });
        log
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends, dropping the oldest bytes above the bound.
    pub fn push(&self, bytes: &[u8]) {
        let ring = &mut self.ring().bytes;
        ring.extend(bytes);
        let excess = ring.len().saturating_sub(SERIAL_TAIL_BYTES);
        ring.drain(..excess);
    }

    /// What is kept, invalid UTF-8 replaced.
    #[must_use]
    pub fn tail(&self) -> String {
        text(&self.ring())
    }

    /// [`SerialLog::tail`] of a program that has ended: what it wrote last may
    /// still be in the pipe, so this waits for the end of the stream, and
    /// half a second at most where another process holds it open.
    #[must_use]
    pub fn last_words(&self) -> String {
        let ring = self
            .0
            .ended
            .wait_timeout_while(self.ring(), END_PATIENCE, |ring| ring.open);
        text(&ring.unwrap_or_else(PoisonError::into_inner).0)
    }
}

fn text(ring: &Ring) -> String {
    let (head, tail) = ring.bytes.as_slices();
    String::from_utf8_lossy(&[head, tail].concat()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn an_endless_console_is_bounded_and_keeps_its_end() {
        let log = SerialLog::default();
        for line in 0..20_000 {
            log.push(format!("line {line}\n").as_bytes());
        }
        assert_eq!(log.tail().len(), SERIAL_TAIL_BYTES);
        assert!(log.tail().ends_with("line 19999\n"));
    }

    #[test]
    fn last_words_are_waited_for_and_a_stream_that_stays_open_is_not() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let log = SerialLog::follow(reader);
        writer.write_all(b"not the end").unwrap();
        assert_eq!(log.last_words(), "not the end");
        let late = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            writer.write_all(b", this is").unwrap();
        });
        assert_eq!(log.last_words(), "not the end, this is");
        late.join().unwrap();
        assert_eq!(SerialLog::default().last_words(), "");
    }
}
