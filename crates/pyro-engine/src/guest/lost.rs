//! Why a conversation with a guest ended.
//!
//! Owns: the machine's last words as an error, one code per kind of end.
//! Refuses: ending anything.

use crate::error::Error;
use crate::events::Cancel;
use pyro_proto::LinkError;
use pyro_vmm::Machine;
use std::time::Duration;

/// Why a conversation ended, as far as the machine tells.
pub(super) fn explain(
    machine: &mut dyn Machine,
    doing: &str,
    error: &LinkError,
    cancel: &Cancel,
) -> Error {
    if cancel.is_cancelled() {
        return Error::runtime("cancelled", format!("cancelled while {doing}"));
    }
    if let Some(reason) = machine.halted_because() {
        return Error::runtime(
            "guest_halted",
            format!("the guest was halted while {doing}: {reason}"),
        )
        .hint("free disk space on the host, then run it again; a workspace goes on where it was");
    }
    if matches!(error, LinkError::Reset | LinkError::Refused(_)) {
        return Error::runtime(
            "guest_request",
            format!("the guest agent dropped the request while {doing}: {error}"),
        )
        .hint("run it again; if it happens again, report it with the command");
    }
    if let LinkError::TimedOut(after) = error {
        let serial = last_lines(&machine.serial_tail());
        return Error::runtime(
            "guest_unresponsive",
            format!(
                "the guest did not answer within {} s while {doing}{serial}",
                after.as_secs()
            ),
        )
        .hint("the machine may be overloaded; try again, with more memory or fewer at once");
    }
    let ended = machine.wait(Duration::from_secs(2));
    let console = machine.serial_tail();
    describe_end(doing, ended.as_ref(), &console, error)
}

/// Puts the machine's last words into an error; pure, so that each kind of
/// end has a test.
fn describe_end(
    doing: &str,
    ended: Option<&pyro_vmm::Ended>,
    console: &str,
    error: &LinkError,
) -> Error {
    let find = |needle: &str| {
        console
            .lines()
            .rev()
            .find(|line| line.contains(needle))
            .map(|line| line.trim().to_owned())
    };
    if let Some(line) = find("Kernel panic") {
        return Error::runtime(
            "guest_panic",
            format!("the guest kernel panicked while {doing}: {line}"),
        )
        .hint("run it again, with more memory if the guest ran out of it");
    }
    if let Some(line) = find("pyro: the agent") {
        return Error::runtime(
            "guest_agent",
            format!("the guest agent ended while {doing}: {line}"),
        )
        .hint("something in the guest ended the agent, which ends the machine; run it again");
    }
    match ended {
        Some(ended) if ended.code != 0 => {
            let words = if ended.stderr.is_empty() {
                last_lines(console)
            } else {
                format!(": {}", ended.stderr)
            };
            let killed = ended.code == pyro_vmm::error::KILLED;
            Error::runtime(if killed { "vmm_killed" } else { "vmm_ended" }, format!("the VMM ended with code {} while {doing}{words}", ended.code))
                .hint("something on the host ended it (out of memory?); run pyro doctor, then run it again")
        }
        Some(_) => Error::runtime(
            "guest_ended",
            format!(
                "the guest powered itself off while {doing}{}",
                last_lines(console)
            ),
        )
        .hint("run it again; a command that powers the machine off cannot return a result"),
        None => Error::runtime(
            "guest_connection",
            format!("the connection to the guest broke while {doing}: {error}"),
        )
        .hint("run it again; if it happens again, report it with the command"),
    }
}

fn last_lines(console: &str) -> String {
    let lines: Vec<&str> = console
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let tail = lines[lines.len().saturating_sub(3)..].join(" | ");
    if tail.is_empty() {
        String::new()
    } else {
        format!("; its console said: {tail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyro_vmm::Ended;

    #[test]
    fn each_end_has_its_own_reason() {
        let ended = |code| Ended {
            code,
            stderr: String::new(),
        };
        let cases = [
            (
                Some(ended(0)),
                "[ 1.0] Kernel panic - not syncing: boom\n",
                "guest_panic",
            ),
            (
                Some(ended(0)),
                "pyro: the agent ended, signal 9 killed it; powering off\n",
                "guest_agent",
            ),
            (Some(ended(137)), "", "vmm_killed"),
            (Some(ended(1)), "", "vmm_ended"),
            (Some(ended(0)), "reboot: Restarting system\n", "guest_ended"),
            (None, "", "guest_connection"),
        ];
        for (ended, console, code) in cases {
            assert_eq!(
                describe_end("running", ended.as_ref(), console, &LinkError::Closed).code,
                code
            );
        }
    }
}
