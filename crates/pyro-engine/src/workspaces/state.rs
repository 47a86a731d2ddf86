//! What a workspace is, judged from its record and its supervisor's lock.
//!
//! Owns: the state machine and what has to be mended after a crash. Pure.
//! Refuses: reading files and locks.
//!
//! ```text
//!             create                  start
//!   (nothing) -----> creating       stopped <----------.
//!                       | booted       | start         | stop, expiry, guest gone
//!                       v              v               |
//!                    started <----- starting        stopping
//!                       |  ^                           ^
//!                       |  `-- reset -- resetting      |
//!                       `------------------------------'
//!   any --delete--> deleting --> (nothing)
//! ```
//!
//! A phase other than `started` and `stopped` is a plan: written before its
//! work begins, so that whoever finds it without a living supervisor knows
//! what was under way.

use serde::{Deserialize, Serialize};

/// Where its life is, as the record has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Being made; was never usable.
    Creating,
    /// Runs.
    Started,
    /// Being powered off.
    Stopping,
    /// Has a disk and no machine.
    Stopped,
    /// Being booted from its disk.
    Starting,
    /// Getting a fresh disk and machine.
    Resetting,
    /// Being removed.
    Deleting,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The guest takes commands.
    Booted,
    /// Somebody, or its idle time, asks for the end of the machine.
    StopAsked,
    /// The machine is gone, asked for or not, or did not come up.
    MachineGone,
    /// Somebody asks for a machine.
    StartAsked,
    /// Somebody asks for a fresh disk.
    ResetAsked,
    /// Somebody asks for the removal.
    DeleteAsked,
}

/// What a crash left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mend {
    /// It never was usable, or was being removed: remove what is there.
    Remove,
    /// Its machine died with its supervisor; the disk is intact.
    MarkStopped,
}

impl Phase {
    /// The next phase; none when this cannot happen here.
    #[must_use]
    pub fn after(self, happening: Happening) -> Option<Self> {
        use Happening::{Booted, DeleteAsked, MachineGone, ResetAsked, StartAsked, StopAsked};
        Some(match (self, happening) {
            (Self::Deleting, _) => return None,
            (_, DeleteAsked) => Self::Deleting,
            (Self::Creating | Self::Starting | Self::Resetting, Booted) => Self::Started,
            // What never worked is not kept.
            (Self::Creating, MachineGone) => Self::Deleting,
            (Self::Started, StopAsked) => Self::Stopping,
            (Self::Starting | Self::Resetting | Self::Started | Self::Stopping, MachineGone) => {
                Self::Stopped
            }
            (Self::Stopped, StartAsked) => Self::Starting,
            (Self::Started | Self::Stopped, ResetAsked) => Self::Resetting,
            _ => return None,
        })
    }

    /// What has to be mended when no supervisor lives.
    #[must_use]
    pub fn without_supervisor(self) -> Option<Mend> {
        match self {
            Self::Creating | Self::Deleting => Some(Mend::Remove),
            Self::Stopped => None,
            Self::Started | Self::Stopping | Self::Starting | Self::Resetting => {
                Some(Mend::MarkStopped)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            Just(Happening::Booted),
            Just(Happening::StopAsked),
            Just(Happening::MachineGone),
            Just(Happening::StartAsked),
            Just(Happening::ResetAsked),
            Just(Happening::DeleteAsked),
        ]
    }

    fn walk(happenings: &[Happening]) -> Vec<Phase> {
        let mut phases = vec![Phase::Creating];
        for happening in happenings {
            let phase = phases[phases.len() - 1];
            phases.push(phase.after(*happening).unwrap_or(phase));
        }
        phases
    }

    proptest! {
        #[test]
        fn deleting_is_the_end_and_can_be_reached_from_everywhere(
            happenings in prop::collection::vec(happening(), 0..40)
        ) {
            let phases = walk(&happenings);
            let last = phases[phases.len() - 1];
            prop_assert!(last == Phase::Deleting || last.after(Happening::DeleteAsked) == Some(Phase::Deleting));
            if let Some(at) = phases.iter().position(|phase| *phase == Phase::Deleting) {
                prop_assert!(phases[at..].iter().all(|phase| *phase == Phase::Deleting));
            }
        }

        #[test]
        fn it_runs_only_after_a_boot_and_is_made_only_once(
            happenings in prop::collection::vec(happening(), 0..40)
        ) {
            let phases = walk(&happenings);
            for (at, pair) in phases.windows(2).enumerate() {
                if pair[1] == Phase::Started && pair[0] != Phase::Started {
                    prop_assert_eq!(happenings[at], Happening::Booted);
                }
                prop_assert!(pair[1] != Phase::Creating || pair[0] == Phase::Creating);
            }
        }

        #[test]
        fn a_crash_leaves_nothing_but_stopped_or_gone(
            happenings in prop::collection::vec(happening(), 0..40)
        ) {
            let phases = walk(&happenings);
            let was_usable = phases.contains(&Phase::Started);
            match phases[phases.len() - 1].without_supervisor() {
                // A disk that was in use is never thrown away by a crash alone.
                Some(Mend::Remove) => prop_assert!(
                    !was_usable || phases.contains(&Phase::Deleting)
                ),
                Some(Mend::MarkStopped) => prop_assert!(was_usable),
                None => prop_assert_eq!(phases[phases.len() - 1], Phase::Stopped),
            }
        }
    }
}
