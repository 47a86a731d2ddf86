//! The conformance suite of the backends: the same cases on `process`,
//! `qemu` and `firecracker`.
//!
//! Owns: which cases run on which backend. What a backend says it cannot do
//! ([`pyro_vmm::Capabilities`]) has to be refused with `unsupported`; what it
//! says it can do has to work. A backend that this host cannot run at all is
//! skipped, and the reason printed: Firecracker needs KVM, which the KVM lab
//! (`make lab-test`) has.

#![allow(clippy::print_stderr)] // skips and figures say what they are

mod clones;
mod commands;
mod ends;
mod faults;
mod files;
mod halts;
mod limits;
mod subject;

use subject::Subject;

/// One test for each backend and case.
macro_rules! conformance {
    ($($module:ident :: $case:ident),* $(,)?) => {
        mod process { $(
            #[test]
            fn $case() { crate::on(crate::Subject::Process, crate::$module::$case); }
        )* }
        mod qemu { $(
            #[test]
            fn $case() { crate::on(crate::Subject::Qemu, crate::$module::$case); }
        )* }
        mod firecracker { $(
            #[test]
            fn $case() { crate::on(crate::Subject::Firecracker, crate::$module::$case); }
        )* }
    };
}

conformance! {
    commands::boots_and_says_what_it_is,
    commands::exit_codes_and_signals_come_through,
    commands::both_directions_carry_every_byte,
    commands::a_deadline_ends_the_command_and_not_the_guest,
    clones::a_second_start_is_a_clone_or_templates_are_refused,
    clones::clones_differ_in_entropy_boot_id_and_name,
    clones::eight_at_once,
    halts::the_clock_is_right_after_a_pause,
    halts::the_clock_is_right_after_the_host_slept,
    ends::a_power_off_leaves_nothing,
    ends::a_killed_machine_is_an_error_and_leaves_nothing,
    ends::a_crash_has_its_reason,
    files::what_is_put_is_there,
    limits::the_guest_has_what_was_asked_for,
    limits::a_hog_does_not_end_the_guest,
    faults::killed_while_it_boots_or_freezes,
    faults::killed_while_it_loads,
    faults::a_refusal_undoes_everything,
    faults::an_altered_or_truncated_template_is_made_anew,
    faults::long_paths_do_not_matter,
}

fn on(subject: Subject, case: fn(Subject)) {
    match subject.skip_reason() {
        Some(reason) => eprintln!("skipped on {}: {reason}", subject.name()),
        None => case(subject),
    }
}
