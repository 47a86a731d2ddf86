//! Counting what a guest asks for, before it is told.
//!
//! Owns: one entry at once for what is new, one per window for what repeats,
//! and a bound for a guest that asks for something new all the time.
//! Refuses: to drop a count.

use crate::log::Attempt;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long repeats are gathered.
pub const WINDOW: Duration = Duration::from_secs(5);

/// How many different ones are told one by one in a window.
const MAX_KEYS: usize = 512;

/// What makes two attempts the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// `dns` or `tcp`.
    pub protocol: &'static str,
    /// The name, when one is known.
    pub name: Option<String>,
    /// The address, when there is one.
    pub address: Option<IpAddr>,
    /// The port, when there is one.
    pub port: Option<u16>,
    /// Whether it was let through.
    pub allowed: bool,
    /// Why not, or by which rule.
    pub reason: String,
}

impl Asked {
    /// A question for a name.
    #[must_use]
    pub fn dns(name: Option<&str>, allowed: bool, reason: impl Into<String>) -> Self {
        Self {
            protocol: "dns",
            name: name.map(String::from),
            address: None,
            port: None,
            allowed,
            reason: reason.into(),
        }
    }

    /// A connection.
    #[must_use]
    pub fn tcp(
        name: Option<&str>,
        to: SocketAddr,
        allowed: bool,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            protocol: "tcp",
            name: name.map(String::from),
            address: Some(to.ip()),
            port: Some(to.port()),
            allowed,
            reason: reason.into(),
        }
    }

    fn entry(self, count: u64) -> Attempt {
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64());
        Attempt {
            at,
            protocol: self.protocol.into(),
            name: self.name,
            address: self.address.map(|address| address.to_string()),
            port: self.port,
            allowed: self.allowed,
            reason: self.reason,
            count,
        }
    }
}

#[derive(Default)]
struct Window {
    /// Repeats that were not told yet.
    repeats: HashMap<Asked, u64>,
    unlisted: u64,
}

/// Where the parts of the gateway say what was asked.
pub struct Attempts {
    log: Box<dyn Fn(Attempt) + Send + Sync>,
    window: Mutex<Window>,
}

impl Attempts {
    /// Tells `log`, which must not wait for long.
    pub fn new(log: impl Fn(Attempt) + Send + Sync + 'static) -> Self {
        Self {
            log: Box::new(log),
            window: Mutex::default(),
        }
    }

    /// One attempt: told now if it is new.
    pub fn note(&self, asked: Asked) {
        let mut window = self.window();
        if let Some(repeats) = window.repeats.get_mut(&asked) {
            *repeats += 1;
        } else if window.repeats.len() < MAX_KEYS {
            window.repeats.insert(asked.clone(), 0);
            drop(window);
            (self.log)(asked.entry(1));
        } else {
            window.unlisted += 1;
        }
    }

    /// Ends a window: tells what repeated.
    pub fn flush(&self) {
        let window = std::mem::take(&mut *self.window());
        for (asked, count) in window.repeats {
            if count > 0 {
                (self.log)(asked.entry(count));
            }
        }
        if window.unlisted > 0 {
            let more = Asked {
                protocol: "other",
                name: None,
                address: None,
                port: None,
                allowed: false,
                reason: "further attempts, too many to list one by one".into(),
            };
            (self.log)(more.entry(window.unlisted));
        }
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn repeats_are_counted_and_nothing_is_lost() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let attempts = Attempts::new({
            let told = Arc::clone(&told);
            move |attempt| told.lock().unwrap().push(attempt)
        });
        for _ in 0..5 {
            attempts.note(Asked::dns(Some("a.example"), false, "no"));
        }
        for number in 0..2000 {
            attempts.note(Asked::dns(Some(&format!("{number}.example")), false, "no"));
        }
        assert_eq!(
            told.lock().unwrap().len(),
            MAX_KEYS,
            "new ones at once, bounded"
        );
        attempts.flush();
        let told = told.lock().unwrap();
        assert_eq!(told.len(), MAX_KEYS + 2);
        assert_eq!(told.iter().map(|attempt| attempt.count).sum::<u64>(), 2005);
        let first = told
            .iter()
            .filter(|one| one.name.as_deref() == Some("a.example"));
        assert_eq!(first.map(|one| one.count).collect::<Vec<_>>(), [1, 4]);
    }
}
