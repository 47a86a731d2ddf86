//! Which names an address was given out for, and until when.
//!
//! Owns: the pins, their bound and their life. Refuses: an address for a name
//! longer than anybody should remember it.

use crate::rules::HostName;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most pairs of address and name.
const MAX_PINS: usize = 8192;

/// Programs keep an address for longer than they were told.
const GRACE: Duration = Duration::from_secs(300);

/// What is known about an address.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pinned {
    /// Names it was given out for, still living.
    pub names: Vec<HostName>,
    /// Whether there was one whose life has ended.
    pub had_expired: bool,
}

/// The pins.
#[derive(Default)]
pub struct Pins {
    by_address: Mutex<HashMap<IpAddr, BTreeMap<HostName, Instant>>>,
}

impl Pins {
    /// An answer was given: `name` is at `addresses`.
    pub fn pin(&self, name: &HostName, addresses: &[IpAddr], ttl_seconds: u32, now: Instant) {
        let until = now + Duration::from_secs(u64::from(ttl_seconds)) + GRACE;
        let mut pins = self.lock();
        for address in addresses {
            let count: usize = pins.values().map(BTreeMap::len).sum();
            if count >= MAX_PINS {
                make_room(&mut pins, now);
            }
            let names = pins.entry(*address).or_default();
            let life = names.entry(name.clone()).or_insert(until);
            *life = until.max(*life);
        }
    }

    /// What is known about an address.
    pub fn of(&self, address: IpAddr, now: Instant) -> Pinned {
        let mut pinned = Pinned::default();
        if let Some(names) = self.lock().get(&address.to_canonical()) {
            for (name, until) in names {
                if *until > now {
                    pinned.names.push(name.clone());
                } else {
                    pinned.had_expired = true;
                }
            }
        }
        pinned
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, BTreeMap<HostName, Instant>>> {
        self.by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what has ended, or else the quarter that ends first.
fn make_room(pins: &mut HashMap<IpAddr, BTreeMap<HostName, Instant>>, now: Instant) {
    let mut ends: Vec<Instant> = pins
        .values()
        .flat_map(|names| names.values().copied())
        .collect();
    ends.sort_unstable();
    let quarter = ends.get(ends.len() / 4).copied().unwrap_or(now);
    let until = quarter.max(now);
    for names in pins.values_mut() {
        names.retain(|_, end| *end > until);
    }
    pins.retain(|_, names| !names.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    #[test]
    fn a_pin_is_for_one_address_and_ends() {
        let (pins, now) = (Pins::default(), Instant::now());
        let address: IpAddr = "1.2.3.4".parse().unwrap();
        pins.pin(&name("a.example"), &[address], 60, now);
        pins.pin(&name("b.example"), &[address], 3600, now);
        assert_eq!(pins.of(address, now).names.len(), 2);
        assert_eq!(pins.of("1.2.3.5".parse().unwrap(), now), Pinned::default());
        let later = pins.of(address, now + Duration::from_secs(1000));
        assert_eq!(later.names, [name("b.example")]);
        assert!(later.had_expired);
        let mapped = "::ffff:1.2.3.4".parse().unwrap();
        assert_eq!(pins.of(mapped, now).names.len(), 2);
    }

    #[test]
    fn a_shorter_answer_does_not_end_a_longer_one() {
        let (pins, now) = (Pins::default(), Instant::now());
        let address: IpAddr = "1.2.3.4".parse().unwrap();
        pins.pin(&name("a.example"), &[address], 3600, now);
        pins.pin(&name("a.example"), &[address], 1, now);
        let later = pins.of(address, now + Duration::from_secs(3000));
        assert_eq!(later.names.len(), 1);
    }

    #[test]
    fn pins_are_bounded() {
        let (pins, now) = (Pins::default(), Instant::now());
        for number in 0..20_000u32 {
            let address = IpAddr::from(std::net::Ipv4Addr::from(number % 300 + 0x0101_0101));
            pins.pin(&name(&format!("n{number}.example")), &[address], 60, now);
        }
        let count: usize = pins.lock().values().map(BTreeMap::len).sum();
        assert!(count <= MAX_PINS, "{count}");
    }
}
