//! What becomes of a service when a run of it ended.
//!
//! Owns: its state, the reason, whether and when it is started again. Pure.
//! Refuses: waiting and signalling.
//!
//! ```text
//!   run ends --asked to, or machine gone--------------> stopped
//!       |----never ready, first start-----------------> failed
//!       |----policy says again, not too often in a row--> pause 1, 2, 4 ... 30 s, run
//!       `----by itself: was ready? --yes--> exited   --no--> failed
//! ```

use super::payloads::{RestartPolicy, ServiceState, ServiceStopReason};
use std::time::Duration;

/// The pause before the first restart; doubled for each one after it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A run of this length begins the count of restarts in a row anew.
pub const STEADY: Duration = Duration::from_secs(60);

/// Why a run was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Somebody stopped the service.
    ByCall,
    /// It was not ready in time.
    NotReady,
    /// A port of it could not be published.
    PortFailed,
}

/// A run that ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Its machine is gone, or on its way out.
    pub machine_gone: bool,
    /// Why it was asked to end, if it was.
    pub asked: Option<Asked>,
    /// Whether it had to be killed for that.
    pub killed: bool,
    /// Whether it had been ready.
    pub was_ready: bool,
    /// Whether the service had been ready in any run.
    pub started: bool,
    /// Its exit code, when one is known.
    pub exit_code: Option<i32>,
    /// Restarts in a row before this run.
    pub streak: u32,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another run after a pause.
    Again(Duration),
    /// The end of the service.
    Over(ServiceState, Option<ServiceStopReason>),
}

/// Decides.
#[must_use]
pub fn next(ended: &Ended, policy: RestartPolicy, max_restarts: u32) -> Next {
    use ServiceStopReason::{
        ProcessExitedBeforeReady, PublishedPortFailed, ReadinessTimeout, Sigkill, Sigterm,
        WorkspaceStopped,
    };
    if ended.machine_gone {
        return Next::Over(ServiceState::Stopped, Some(WorkspaceStopped));
    }
    if ended.asked == Some(Asked::ByCall) {
        let reason = if ended.killed { Sigkill } else { Sigterm };
        return Next::Over(ServiceState::Stopped, Some(reason));
    }
    if ended.asked == Some(Asked::PortFailed) {
        return Next::Over(ServiceState::Failed, Some(PublishedPortFailed));
    }
    let failed = !ended.was_ready || ended.exit_code != Some(0);
    let wanted = match policy {
        RestartPolicy::No => false,
        RestartPolicy::OnFailure => failed,
        RestartPolicy::Always => true,
    };
    if wanted && ended.started && ended.streak < max_restarts {
        return Next::Again(pause(ended.streak));
    }
    match (ended.asked, ended.was_ready) {
        (Some(_), _) => Next::Over(ServiceState::Failed, Some(ReadinessTimeout)),
        (None, false) => Next::Over(ServiceState::Failed, Some(ProcessExitedBeforeReady)),
        (None, true) => Next::Over(ServiceState::Exited, None),
    }
}

fn pause(streak: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(2_u32.saturating_pow(streak))
        .min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ended() -> impl Strategy<Value = Ended> {
        let asked = prop_oneof![
            Just(None),
            Just(Some(Asked::ByCall)),
            Just(Some(Asked::NotReady)),
            Just(Some(Asked::PortFailed))
        ];
        let code = prop_oneof![Just(None), Just(Some(0)), Just(Some(1)), Just(Some(143))];
        let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
        (asked, code, flags, 0_u32..40).prop_map(|(asked, exit_code, flags, streak)| {
            let (machine_gone, killed, was_ready, started) = flags;
            Ended {
                machine_gone,
                asked,
                killed,
                was_ready: was_ready && matches!(asked, None | Some(Asked::ByCall)),
                started: started || was_ready,
                exit_code,
                streak,
            }
        })
    }

    fn policy() -> impl Strategy<Value = RestartPolicy> {
        prop::sample::select(RestartPolicy::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn it_is_never_started_again_against_somebodys_wish(
            ended in ended(), policy in policy(), most in 0_u32..50
        ) {
            let next = next(&ended, policy, most);
            let again = matches!(next, Next::Again(_));
            let must_not = ended.machine_gone
                || matches!(ended.asked, Some(Asked::ByCall | Asked::PortFailed))
                || policy == RestartPolicy::No
                || !ended.started
                || ended.streak >= most;
            prop_assert!(!(again && must_not), "{:?}", next);
            prop_assert!(again || must_not || policy == RestartPolicy::OnFailure);
            if let Next::Again(pause) = next {
                prop_assert!(pause >= FIRST_PAUSE && pause <= LONGEST_PAUSE);
            }
        }

        #[test]
        fn the_state_says_what_happened(ended in ended(), policy in policy()) {
            if let Next::Over(state, reason) = next(&ended, policy, 0) {
                prop_assert!(state != ServiceState::Running);
                prop_assert_eq!(reason.is_none(), state == ServiceState::Exited);
                prop_assert_eq!(
                    state == ServiceState::Stopped,
                    ended.machine_gone || ended.asked == Some(Asked::ByCall)
                );
                prop_assert!(state != ServiceState::Exited || ended.was_ready);
            }
        }
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        let seconds: Vec<_> = [0, 1, 2, 3, 4, 5, 40]
            .map(|streak| pause(streak).as_secs())
            .into();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
    }
}
