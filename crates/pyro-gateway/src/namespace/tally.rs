//! Attempts that are the same, counted together.
//!
//! Owns: the count and its bounds. Pure but for the clock that is handed in.
//!
//! ```text
//!   first of its kind --> out at once       again within a while --> counted, out with the next sweep
//! ```

use crate::log::Attempt;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long one that is seen again is only counted.
pub const WHILE: Duration = Duration::from_secs(5);
/// Kinds that are told apart at once; what is more is one kind of its own.
const MOST_KINDS: usize = 512;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    protocol: String,
    name: Option<String>,
    address: Option<String>,
    port: Option<u16>,
    allowed: bool,
    reason: String,
}

impl Kind {
    fn of(attempt: &Attempt) -> Self {
        Self {
            protocol: attempt.protocol.clone(),
            name: attempt.name.clone(),
            address: attempt.address.clone(),
            port: attempt.port,
            allowed: attempt.allowed,
            reason: attempt.reason.clone(),
        }
    }
}

struct Seen {
    since: Instant,
    at: f64,
    count: u64,
}

/// The attempts of the last while.
#[derive(Default)]
pub struct Tally(HashMap<Kind, Seen>);

impl Tally {
    /// Takes one; it comes back when it is to be told now.
    pub fn take(&mut self, attempt: Attempt, now: Instant) -> Option<Attempt> {
        let mut kind = Kind::of(&attempt);
        if self.0.len() >= MOST_KINDS && !self.0.contains_key(&kind) {
            kind = Kind {
                protocol: "other".into(),
                name: None,
                address: None,
                port: None,
                allowed: attempt.allowed,
                reason: "more different attempts than are told apart".into(),
            };
        }
        if let Some(seen) = self.0.get_mut(&kind) {
            seen.count = seen.count.saturating_add(attempt.count);
            seen.at = attempt.at;
            return None;
        }
        let told = Attempt {
            at: attempt.at,
            protocol: kind.protocol.clone(),
            name: kind.name.clone(),
            address: kind.address.clone(),
            port: kind.port,
            allowed: kind.allowed,
            reason: kind.reason.clone(),
            count: attempt.count,
        };
        let seen = Seen {
            since: now,
            at: attempt.at,
            count: 0,
        };
        self.0.insert(kind, seen);
        Some(told)
    }

    /// What was counted, of those whose while is over.
    pub fn sweep(&mut self, now: Instant) -> Vec<Attempt> {
        let mut told = Vec::new();
        self.0.retain(|kind, seen| {
            if now.saturating_duration_since(seen.since) < WHILE {
                return true;
            }
            if seen.count == 0 {
                return false;
            }
            told.push(Attempt {
                at: seen.at,
                protocol: kind.protocol.clone(),
                name: kind.name.clone(),
                address: kind.address.clone(),
                port: kind.port,
                allowed: kind.allowed,
                reason: kind.reason.clone(),
                count: std::mem::take(&mut seen.count),
            });
            seen.since = now;
            true
        });
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(port: u16) -> Attempt {
        Attempt {
            at: 1.0,
            protocol: "tcp".into(),
            name: None,
            address: Some("192.0.2.1".into()),
            port: Some(port),
            allowed: false,
            reason: "host".into(),
            count: 1,
        }
    }

    #[test]
    fn the_first_is_told_at_once_and_the_rest_as_one() {
        let (mut tally, now) = (Tally::default(), Instant::now());
        assert!(tally.take(attempt(1), now).is_some());
        for _ in 0..7 {
            assert!(tally.take(attempt(1), now).is_none());
        }
        assert!(tally.take(attempt(2), now).is_some());
        assert!(tally.sweep(now).is_empty());
        let told = tally.sweep(now + WHILE);
        assert_eq!(told.iter().map(|one| one.count).collect::<Vec<_>>(), [7]);
        assert!(tally.sweep(now + WHILE * 2).is_empty());
        // Forgotten, so the next is told at once again.
        assert!(tally.take(attempt(1), now + WHILE * 2).is_some());
    }

    #[test]
    fn a_scan_of_all_ports_is_bounded_and_nothing_is_lost() {
        let (mut tally, now) = (Tally::default(), Instant::now());
        let mut told: u64 = 0;
        for port in 0..=u16::MAX {
            told += tally.take(attempt(port), now).map_or(0, |one| one.count);
        }
        assert!(tally.0.len() <= MOST_KINDS + 1);
        told += tally
            .sweep(now + WHILE)
            .iter()
            .map(|one| one.count)
            .sum::<u64>();
        assert_eq!(told, 65_536);
    }
}
