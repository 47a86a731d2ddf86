//! The serial console's last words.
//!
//! Owns: a thread that empties the console into a ring of fixed size. A guest
//! that prints for ever costs processor time of its own and no host memory
//! or disk.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of console output that are kept.
pub const SERIAL_TAIL_BYTES: usize = 64 * 1024;

/// The ring. Clones share it.
#[derive(Clone, Default)]
pub struct SerialLog(Arc<Mutex<VecDeque<u8>>>);

impl SerialLog {
    /// Reads `console` until it ends, on a thread of its own.
    #[must_use]
    pub fn follow(mut console: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        let ring = log.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = console.read(&mut buffer) {
                ring.push(&buffer[..count]);
            }
        });
        log
    }

    /// Appends, dropping the oldest bytes above the bound.
    pub fn push(&self, bytes: &[u8]) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.extend(bytes);
        let excess = ring.len().saturating_sub(SERIAL_TAIL_BYTES);
        ring.drain(..excess);
    }

    /// What is kept, invalid UTF-8 replaced.
    #[must_use]
    pub fn tail(&self) -> String {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = ring.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_console_is_bounded_and_keeps_its_end() {
        let log = SerialLog::default();
        for line in 0..20_000 {
            log.push(format!("line {line}\n").as_bytes());
        }
        assert_eq!(log.tail().len(), SERIAL_TAIL_BYTES);
        assert!(log.tail().ends_with("line 19999\n"));
    }
}
