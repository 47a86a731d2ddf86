//! Which calls wait for which work: a pure state machine.
//!
//! ```text
//!  call --Begin--> running --ended--> taken by those who wait, forgotten
//!            |        | a call waited long enough: it may be joined
//!            |        |---- the same call again --Join--> waits, too
//!            |        |---- ended, nobody waits --> kept for a while, joined by the same call
//!            `--------+---- the last who waits gives it up --> cancelled, forgotten at its end
//! ```
//!
//! Two equal calls are two works unless one of them was told to come again:
//! whoever runs a command twice at once wants it twice.
//!
//! Owns: beginning, joining, keeping, their bounds. Refuses: doing the work and
//! looking at a clock.

use std::collections::BTreeMap;
use std::time::Duration;

/// Names a work.
pub type Id = u64;

/// How much there may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Works at once.
    pub running: usize,
    /// Results nobody has fetched yet.
    pub kept: usize,
    /// How long each of them is kept.
    pub keep_for: Duration,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Its work begins.
    Begin(Id),
    /// It waits for a work that began before.
    Join(Id),
    /// As much runs as may.
    Full,
}

#[derive(Debug)]
struct Work {
    key: String,
    /// Calls that wait.
    waiting: usize,
    /// Somebody was told to come again, and nobody has the result.
    joinable: bool,
    given_up: bool,
    ended_at: Option<Duration>,
}

/// All works of one server.
#[derive(Debug)]
pub struct Ledger {
    bounds: Bounds,
    works: BTreeMap<Id, Work>,
    next: Id,
}

impl Ledger {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            works: BTreeMap::new(),
            next: 0,
        }
    }

    /// A call came; equal calls have equal keys.
    pub fn arrive(&mut self, key: &str, now: Duration) -> Arrival {
        self.forget_old(now);
        let joined = self
            .works
            .iter_mut()
            .find(|(_, work)| work.joinable && !work.given_up && work.key == key);
        if let Some((id, work)) = joined {
            work.waiting += 1;
            return Arrival::Join(*id);
        }
        if self.running() >= self.bounds.running {
            return Arrival::Full;
        }
        let id = self.next;
        self.next += 1;
        let work = Work {
            key: key.to_owned(),
            waiting: 1,
            joinable: false,
            given_up: false,
            ended_at: None,
        };
        self.works.insert(id, work);
        Arrival::Begin(id)
    }

    /// A call was answered without the result, and told to come again.
    pub fn told_to_come_again(&mut self, id: Id) {
        if let Some(work) = self.works.get_mut(&id) {
            work.waiting = work.waiting.saturating_sub(1);
            work.joinable = true;
        }
    }

    /// A call was answered with the result.
    pub fn taken(&mut self, id: Id) {
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        work.waiting = work.waiting.saturating_sub(1);
        // The next equal call wants something new.
        work.joinable = false;
        if work.waiting == 0 {
            self.works.remove(&id);
        }
    }

    /// A call was cancelled. True when its work has to be, too: nobody waits
    /// for it any more.
    pub fn given_up(&mut self, id: Id) -> bool {
        let Some(work) = self.works.get_mut(&id) else {
            return false;
        };
        work.waiting = work.waiting.saturating_sub(1);
        if work.waiting > 0 {
            return false;
        }
        if work.ended_at.is_some() {
            self.works.remove(&id);
            return false;
        }
        work.given_up = true;
        true
    }

    /// A work ended.
    pub fn ended(&mut self, id: Id, now: Duration) {
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        if work.waiting == 0 && (work.given_up || !work.joinable) {
            self.works.remove(&id);
            return;
        }
        work.ended_at = Some(now);
        self.forget_old(now);
    }

    /// Whether a work is still known.
    pub fn knows(&self, id: Id) -> bool {
        self.works.contains_key(&id)
    }

    /// Works that have not ended, those given up included.
    pub fn running(&self) -> usize {
        self.works
            .values()
            .filter(|work| work.ended_at.is_none())
            .count()
    }

    fn forget_old(&mut self, now: Duration) {
        let keep_for = self.bounds.keep_for;
        self.works.retain(|_, work| {
            work.waiting > 0 || work.ended_at.is_none_or(|at| now < at + keep_for)
        });
        let mut kept: Vec<(Duration, Id)> = self
            .works
            .iter()
            .filter(|(_, work)| work.waiting == 0)
            .filter_map(|(id, work)| Some((work.ended_at?, *id)))
            .collect();
        kept.sort_unstable();
        let too_many = kept.len().saturating_sub(self.bounds.kept);
        for (_, id) in &kept[..too_many] {
            self.works.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const BOUNDS: Bounds = Bounds {
        running: 3,
        kept: 2,
        keep_for: Duration::from_secs(60),
    };
    const AT: Duration = Duration::from_secs(1);

    fn begun(ledger: &mut Ledger, key: &str) -> Id {
        match ledger.arrive(key, AT) {
            Arrival::Begin(id) => id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn equal_calls_are_two_works_until_one_is_told_to_come_again() {
        let mut ledger = Ledger::new(BOUNDS);
        let (first, second) = (begun(&mut ledger, "a"), begun(&mut ledger, "a"));
        assert_ne!(first, second);
        ledger.told_to_come_again(first);
        assert_eq!(ledger.arrive("a", AT), Arrival::Join(first));
        assert_eq!(ledger.arrive("a", AT), Arrival::Join(first));
        ledger.ended(first, AT);
        ledger.taken(first);
        // One of both has it: who asks now wants it anew.
        assert!(matches!(ledger.arrive("a", AT), Arrival::Begin(_)));
        ledger.taken(first);
        assert!(!ledger.knows(first));
    }

    #[test]
    fn a_result_nobody_fetched_is_kept_for_a_while() {
        let mut ledger = Ledger::new(BOUNDS);
        let id = begun(&mut ledger, "a");
        ledger.told_to_come_again(id);
        ledger.ended(id, AT);
        assert_eq!(ledger.arrive("a", AT + AT), Arrival::Join(id));
        ledger.taken(id);
        let id = begun(&mut ledger, "a");
        ledger.told_to_come_again(id);
        ledger.ended(id, AT);
        let late = AT + BOUNDS.keep_for;
        assert!(matches!(ledger.arrive("a", late), Arrival::Begin(_)));
    }

    #[test]
    fn the_last_who_gives_up_cancels() {
        let mut ledger = Ledger::new(BOUNDS);
        let id = begun(&mut ledger, "a");
        ledger.told_to_come_again(id);
        let _ = ledger.arrive("a", AT);
        let _ = ledger.arrive("a", AT);
        assert!(!ledger.given_up(id));
        assert!(ledger.given_up(id));
        // What was given up is not joined.
        let next = begun(&mut ledger, "a");
        assert!(ledger.running() == 2 && next != id);
        ledger.ended(id, AT);
        assert!(!ledger.knows(id));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Arrive(u8),
        Again(usize),
        GiveUp(usize),
        End(usize),
        Later(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..3u8).prop_map(Step::Arrive),
            any::<usize>().prop_map(Step::Again),
            any::<usize>().prop_map(Step::GiveUp),
            any::<usize>().prop_map(Step::End),
            (0..40u8).prop_map(Step::Later),
        ]
    }

    proptest! {
        #[test]
        fn bounds_hold_and_nothing_runs_for_nobody(steps in prop::collection::vec(step(), 0..80)) {
            let mut ledger = Ledger::new(BOUNDS);
            let mut now = Duration::ZERO;
            // Calls that wait, works that run, works whose callers come again.
            let (mut waiting, mut running) = (Vec::<Id>::new(), Vec::<Id>::new());
            let (mut promised, mut cancelled) = (BTreeSet::new(), BTreeSet::new());
            let pick = |from: &Vec<Id>, at: usize| (!from.is_empty()).then(|| at % from.len());
            for step in steps {
                match step {
                    Step::Arrive(key) => match ledger.arrive(&key.to_string(), now) {
                        Arrival::Begin(id) => {
                            waiting.push(id);
                            running.push(id);
                        }
                        Arrival::Join(id) => {
                            prop_assert!(promised.contains(&id) && !cancelled.contains(&id));
                            waiting.push(id);
                            if !running.contains(&id) {
                                ledger.taken(id);
                                waiting.retain(|one| *one != id);
                            }
                        }
                        Arrival::Full => prop_assert_eq!(running.len(), BOUNDS.running),
                    },
                    Step::Again(at) => if let Some(at) = pick(&waiting, at) {
                        let id = waiting.remove(at);
                        promised.insert(id);
                        ledger.told_to_come_again(id);
                    },
                    Step::GiveUp(at) => if let Some(at) = pick(&waiting, at) {
                        let id = waiting.remove(at);
                        let last = !waiting.contains(&id);
                        prop_assert_eq!(ledger.given_up(id), last);
                        if last {
                            cancelled.insert(id);
                        }
                    },
                    Step::End(at) => if let Some(at) = pick(&running, at) {
                        let id = running.remove(at);
                        ledger.ended(id, now);
                        while let Some(at) = waiting.iter().position(|one| *one == id) {
                            waiting.remove(at);
                            ledger.taken(id);
                        }
                    },
                    Step::Later(seconds) => now += Duration::from_secs(seconds.into()),
                }
                prop_assert_eq!(ledger.running(), running.len());
                prop_assert!(running.len() <= BOUNDS.running);
                prop_assert!(ledger.works.len() <= BOUNDS.running + BOUNDS.kept);
                for id in &running {
                    // Somebody waits, was told to come again, or it is cancelled.
                    prop_assert!(
                        waiting.contains(id) || promised.contains(id) || cancelled.contains(id)
                    );
                }
            }
        }
    }
}
