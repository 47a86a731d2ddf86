//! Templates: what clones share and what they must not.

use super::subject::{Place, Subject, output};
use std::collections::BTreeSet;

pub fn a_second_start_is_a_clone_or_templates_are_refused(subject: Subject) {
    let place = Place::new();
    let mut first = subject.start(&place);
    if subject.capabilities().templates {
        assert_eq!(first.start_kind, "template");
        output(&mut first.guest, "echo written > /root/mark");
        let mut second = subject.start(&place);
        assert_eq!(second.start_kind, "template");
        assert_eq!(
            output(&mut second.guest, "ls /root"),
            "",
            "clones share nothing they write"
        );
    }
    // A clone was not started to be frozen, so the answer is the same for all.
    let folder = tempfile::tempdir().unwrap();
    let error = first.guest.machine().freeze(folder.path()).unwrap_err();
    assert_eq!(error.code(), "unsupported", "{error}");
}

pub fn clones_differ_in_entropy_boot_id_and_name(subject: Subject) {
    let place = Place::new();
    let mut seen = BTreeSet::new();
    let count = 3;
    for number in 0..count {
        let name = format!("clone-{number}");
        let mut started = subject.try_start(&place, &name, 1).unwrap();
        // The first bytes anything in the guest ever asks for.
        let text = output(
            &mut started.guest,
            "od -An -N16 -tx1 /dev/urandom | tr -d ' \\n'; echo; cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; hostname",
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        seen.insert(lines[0].to_owned());
        seen.insert(lines[2].to_owned());
        if subject.capabilities().guest_kernel {
            seen.insert(lines[1].to_owned());
            assert_eq!(lines[3], name);
        }
    }
    let each = if subject.capabilities().guest_kernel {
        3
    } else {
        2
    };
    assert_eq!(seen.len(), each * count, "{seen:?}");
}

pub fn eight_at_once(subject: Subject) {
    let place = Place::new();
    // The template is there before they start in the same instant.
    drop(subject.start(&place));
    let barrier = std::sync::Barrier::new(8);
    let answers: BTreeSet<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (place, barrier) = (&place, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let mut started = subject
                        .try_start(place, &format!("clone-{number}"), 1)
                        .unwrap();
                    output(&mut started.guest, "cat /proc/sys/kernel/random/uuid")
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(answers.len(), 8);
}
