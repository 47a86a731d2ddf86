//! How long a guest takes to be there, beside the least it could take.
//!
//! Prints pairs: pyro's figure and a baseline measured in turns with it, so
//! that a noisy machine disturbs both alike. Run it by `make bench`.
//!
//! | pair | baseline |
//! |---|---|
//! | `pyro --version` | starting `/bin/true` |
//! | `pyro run -- true`, warm | QEMU driven directly: start, load the state, hello, configure, exec |
//! | cold boot to the agent's answer | the same kernel with an init of ten instructions |
//! | `pyro workspace create`, then `exec -- true`; reset, the same | `pyro run -- true` |
//! | `pyro workspace reset --snapshot` with 100 MiB | `pyro workspace reset` |
//! | memory of a second VM | the first one's |

mod asking;
mod direct;
mod memory;
mod pairs;
mod tiny_init;
mod workspaces;

use pairs::Pair;
use pyro_engine::{Cancel, Environments, Layout, NoEvents};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

fn main() {
    let rounds = std::env::var("PYRO_BENCH_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(15);
    let layout = Layout::from_env().expect("HOME is set");
    let installed = Environments::new(&layout)
        .ensure("debian:12", &NoEvents, &Cancel::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let pyro = program();
    let mut out = std::io::stdout().lock();
    let mut show = |line: &str| writeln!(out, "{line}").expect("stdout is open");
    show(pairs::HEADING);

    let run = |program: &std::path::Path, arguments: &[&str]| {
        let started = Instant::now();
        let status = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(
            status.expect("it runs").success(),
            "{} {arguments:?}",
            program.display()
        );
        started.elapsed()
    };
    let version = Pair::measure(
        rounds * 4,
        || run(&pyro, &["--version"]),
        || run("/bin/true".as_ref(), &[]),
    );
    show(&version.row("pyro --version", "start of /bin/true", "at most 10 ms"));

    let direct = direct::Direct::new(&installed);
    run(&pyro, &["run", "debian:12", "--", "true"]);
    let warm = Pair::measure(
        rounds,
        || run(&pyro, &["run", "debian:12", "--", "true"]),
        || direct.clone_and_exec(),
    );
    show(&warm.row(
        "pyro run debian:12 -- true (warm)",
        "QEMU driven directly, clone + one exec",
        "ratio at most 1.5",
    ));

    let cold = Pair::measure(
        rounds.min(9),
        || direct.boot_to_answer(),
        || direct.boot_tiny(),
    );
    show(&cold.row(
        "cold boot to the agent's answer",
        "same kernel, init of ten instructions",
        "ratio at most 1.3",
    ));

    let run_true = || run(&pyro, &["run", "debian:12", "--", "true"]);
    for row in workspaces::rows(rounds.min(9), &|words| run(&pyro, words), &run_true) {
        show(&row);
    }

    for line in memory::two_at_once(&pyro) {
        show(&line);
    }
}

/// The release build, unless told otherwise.
fn program() -> PathBuf {
    std::env::var_os("PYRO_BIN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/release/pyro"),
        PathBuf::from,
    )
}
