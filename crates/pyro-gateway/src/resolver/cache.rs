//! Answers that were had a moment ago.
//!
//! Owns: their bound and their life. Refuses: keeping what failed.

use super::filter::Filtered;
use crate::rules::HostName;
use simple_dns::{RCODE, ResourceRecord, TYPE};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const MAX_ENTRIES: usize = 1024;

/// How long it is believed that a name or a type does not exist.
const NEGATIVE_SECONDS: u32 = 10;

/// One answer, after the filter.
#[derive(Clone, Debug)]
pub struct Cached {
    /// The resolver's code.
    pub code: RCODE,
    /// Records for the guest.
    pub records: Vec<ResourceRecord<'static>>,
    /// Addresses among them.
    pub addresses: Vec<IpAddr>,
    /// What was taken out, and why.
    pub removed: Vec<(IpAddr, String)>,
    until: Instant,
}

impl Cached {
    /// An answer as of now.
    pub fn new(code: RCODE, filtered: Filtered, now: Instant) -> Self {
        let seconds = if filtered.records.is_empty() {
            NEGATIVE_SECONDS
        } else {
            filtered.ttl_seconds
        };
        Self {
            code,
            records: filtered.records,
            addresses: filtered.addresses,
            removed: filtered.removed,
            until: now + Duration::from_secs(u64::from(seconds)),
        }
    }

    /// What is left of its life.
    pub fn ttl_seconds(&self, now: Instant) -> u32 {
        let left = self.until.saturating_duration_since(now).as_secs();
        u32::try_from(left).unwrap_or(u32::MAX)
    }
}

/// The answers.
#[derive(Default)]
pub struct Cache {
    entries: HashMap<(HostName, u16), Cached>,
}

impl Cache {
    /// A living answer.
    pub fn get(&self, name: &HostName, kind: TYPE, now: Instant) -> Option<Cached> {
        let cached = self.entries.get(&(name.clone(), kind.into()))?;
        (cached.until > now).then(|| cached.clone())
    }

    /// Keeps an answer; drops those that ended, or all, to make room.
    pub fn put(&mut self, name: HostName, kind: TYPE, cached: Cached) {
        if self.entries.len() >= MAX_ENTRIES {
            let now = Instant::now();
            self.entries.retain(|_, entry| entry.until > now);
            if self.entries.len() >= MAX_ENTRIES {
                self.entries.clear();
            }
        }
        self.entries.insert((name, kind.into()), cached);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_and_are_bounded() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        for number in 0..3000 {
            let name = HostName::parse(&format!("n{number}.example")).unwrap();
            let cached = Cached::new(RCODE::NameError, Filtered::default(), now);
            cache.put(name.clone(), TYPE::A, cached);
            assert!(cache.entries.len() <= MAX_ENTRIES);
            assert!(cache.get(&name, TYPE::A, now).is_some());
            assert!(cache.get(&name, TYPE::TXT, now).is_none());
            let later = now + Duration::from_secs(u64::from(NEGATIVE_SECONDS));
            assert!(cache.get(&name, TYPE::A, later).is_none());
        }
    }
}
