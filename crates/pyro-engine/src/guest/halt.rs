//! A guest that its VMM halted, because the host had no room for a write.
//!
//! Owns: noticing it while somebody waits, and letting it go on. Refuses:
//! waiting for room; the next call tries again.

use super::Guest;
use crate::error::Result;
use crate::events::Cancel;
use pyro_proto::{Incoming, LinkError, Stream};
use std::time::{Duration, Instant};

/// How often somebody who waits looks whether the guest was halted.
const HALT_LOOK: Duration = Duration::from_secs(1);
/// A guest that goes on without room is halted again within this.
const SECOND_HALT: Duration = Duration::from_millis(300);

impl Guest {
    /// Why the VMM halted it, if it did.
    #[must_use]
    pub fn halted(&self) -> Option<String> {
        self.locked().halted_because()
    }

    /// Lets it go on if it was halted; what it was doing is tried again.
    ///
    /// # Errors
    /// `guest_halted` when it is halted again at once.
    pub fn go_on(&self) -> Result<()> {
        if self.halted().is_none() {
            return Ok(());
        }
        let gone_on = self.locked().resume();
        std::thread::sleep(SECOND_HALT);
        match (gone_on, self.halted()) {
            (Ok(()), None) => Ok(()),
            _ => Err(self.explain("idle", &LinkError::Closed, &Cancel::default())),
        }
    }

    /// The next of a stream. A halted guest says nothing until somebody makes
    /// room, so nobody waits for it.
    pub(crate) fn receive(
        &self,
        stream: &Stream,
        deadline: Option<Instant>,
    ) -> Result<Incoming, LinkError> {
        loop {
            let look = Instant::now() + HALT_LOOK;
            let until = deadline.map_or(look, |deadline| deadline.min(look));
            match stream.receive(Some(until)) {
                Err(LinkError::TimedOut(_))
                    if deadline.is_none_or(|deadline| Instant::now() < deadline)
                        && self.halted().is_none() => {}
                other => return other,
            }
        }
    }
}
