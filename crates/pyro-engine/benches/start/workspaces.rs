//! A workspace to its first command, beside a one-shot VM.

use crate::pairs::Pair;
use std::time::Duration;

const NAME: &str = "pyro-bench";

/// `run` runs the program with words and tells the time; `one_shot` is the baseline.
pub fn rows(
    rounds: usize,
    run: &dyn Fn(&[&str]) -> Duration,
    one_shot: &dyn Fn() -> Duration,
) -> [String; 3] {
    let create = || run(&["workspace", "create", "debian:12", "--name", NAME]);
    let exec = || run(&["workspace", "exec", NAME, "--", "true"]);
    let delete = || run(&["workspace", "delete", NAME]);
    let created = Pair::measure(
        rounds,
        || {
            let time = create() + exec();
            delete();
            time
        },
        one_shot,
    );
    create();
    let reset = Pair::measure(
        rounds,
        || run(&["workspace", "reset", NAME]) + exec(),
        one_shot,
    );
    // A copy of 100 MiB, plain where the file system has no reflink.
    let fill = "head -c 100M /dev/zero | tr '\\0' x > f; sync";
    run(&["workspace", "exec", NAME, "--", "sh", "-c", fill]);
    run(&["workspace", "snapshot", "create", NAME, "full"]);
    let restored = Pair::measure(
        rounds,
        || run(&["workspace", "reset", NAME, "--snapshot", "full"]),
        || run(&["workspace", "reset", NAME]),
    );
    delete();
    let (baseline, aim) = ("pyro run debian:12 -- true (warm)", "ratio at most 1.3");
    [
        created.row("workspace create to first exec", baseline, aim),
        reset.row("workspace reset to first exec", baseline, aim),
        restored.row(
            "workspace reset to a snapshot with 100 MiB",
            "reset to baseline",
            aim,
        ),
    ]
}
