//! What is different when a command is a service.
//!
//! Owns: signals to everything it started, and ending what its own process
//! left behind. Refuses: deciding when to lose patience; the host sends KILL.
//!
//! ```text
//!   TERM --> all --> first process ends --> the rest ends, or KILL comes --> reply
//!   first process ends by itself --------> the rest is killed -----------> reply
//! ```

use super::Pump;
use super::flow::PIECE_BYTES;
use crate::tree;
use rustix::process::{Signal, kill_process_group};
use std::time::{Duration, Instant};

/// Between two looks whether the rest is gone, which no event tells.
const LOOK: Duration = Duration::from_millis(20);
/// A host that asked for the end and then says nothing is waited for this long.
const MOST_PATIENCE: Duration = Duration::from_secs(15);

/// How it is with the end of one.
#[derive(Default)]
pub(super) struct Service {
    asked_to_end: bool,
    killed: bool,
}

impl Pump<'_> {
    /// Makes it one; its process number.
    pub fn become_service(&mut self) -> i32 {
        self.service = Some(Service::default());
        self.command.pid.as_raw_nonzero().get()
    }

    /// To all it started, also what left its session.
    pub(super) fn signal_service(&mut self, signal: Signal) {
        let Some(service) = &mut self.service else {
            return;
        };
        service.asked_to_end |= matches!(signal, Signal::TERM | Signal::INT | Signal::HUP);
        if signal == Signal::KILL {
            service.killed = true;
            return self.kill();
        }
        match &self.group {
            Some(group) => {
                for pid in group.processes() {
                    tree::signal(pid, signal);
                }
            }
            None => drop(kill_process_group(self.command.pid, signal)),
        }
    }

    /// Its first process ended: so does the rest, which may take its time only
    /// when the end was asked for. False when the host gave it up.
    pub(super) fn end_rest(&mut self) -> bool {
        let Some(service) = &self.service else {
            return true;
        };
        let until = Instant::now() + MOST_PATIENCE;
        let mut waits = service.asked_to_end;
        while waits
            && self
                .group
                .as_ref()
                .is_some_and(|group| group.is_populated())
        {
            for which in [0, 1] {
                self.forward(which, PIECE_BYTES);
            }
            std::thread::sleep(LOOK);
            if !self.attend() {
                return false;
            }
            let killed = self.service.as_ref().is_some_and(|service| service.killed);
            waits = !killed && Instant::now() < until;
        }
        self.kill();
        true
    }
}
