//! Pauses, and the clock after them.

use super::subject::{Place, Subject, output};
use pyro_engine::guest::Guest;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the agent promises is half a second; a loaded host needs some more
/// between the two readings.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(1500);

pub fn the_clock_is_right_after_a_pause(subject: Subject) {
    after_a_pause_of(subject, Duration::from_millis(300));
}

/// A halted guest cannot tell a pause from the host's sleep: its counters
/// stand still and the host's clock goes on.
pub fn the_clock_is_right_after_the_host_slept(subject: Subject) {
    after_a_pause_of(subject, Duration::from_secs(5));
}

fn after_a_pause_of(subject: Subject, length: Duration) {
    let place = Place::new();
    let guest = &mut subject.start(&place).guest;
    assert_clock(guest);
    if !subject.capabilities().pause {
        assert_eq!(guest.machine().pause().unwrap_err().code(), "unsupported");
        assert_eq!(guest.machine().resume().unwrap_err().code(), "unsupported");
        return;
    }
    let ticks = |guest: &mut Guest| -> u64 {
        output(guest, "read up rest < /proc/uptime; echo ${up%.*}")
            .parse()
            .unwrap()
    };
    let before = ticks(guest);
    guest.machine().pause().unwrap();
    std::thread::sleep(length);
    guest.machine().resume().unwrap();
    assert_clock(guest);
    assert!(ticks(guest) >= before, "monotonic time never goes back");
}

fn assert_clock(guest: &mut Guest) {
    let before = SystemTime::now();
    let text = output(guest, "date +%s.%N");
    let after = SystemTime::now();
    let guest_time = UNIX_EPOCH + Duration::from_secs_f64(text.parse().unwrap());
    assert!(
        guest_time >= before - CLOCK_TOLERANCE && guest_time <= after + CLOCK_TOLERANCE,
        "the guest says {guest_time:?}, the host {before:?} to {after:?}"
    );
}
