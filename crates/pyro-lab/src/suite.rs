//! Tests and benchmarks in the lab.
//!
//! ```text
//!   host:  cargo builds --> files on the drive of programs, below /tests/<their own path>
//!   lab:   an overlay over /programs/tests/<checkout> lies at <checkout> itself, so that
//!          paths which were compiled in are right; target/test-cache is the lab's cache
//! ```
//!
//! Owns: taking along what they need and running them. Refuses: choosing tests;
//! profile `lab` of .config/nextest.toml does, and the caller's own filter.

use crate::cargo;
use crate::job::{Job, User};
use crate::machine::{Ended, Lab};
use crate::output::{Sink, say};
use crate::parts::Extra;
use crate::place::{Place, workspace};
use crate::tally::{Tally, Verdicts};
use pyro_engine::layout::make_private_dir;
use pyro_engine::{Error, EventSink, Result};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many labs may die under the tests.
const MOST_LOST: u32 = 3;
/// Profile `lab` reports a slow test every 120 s, so a lab that says nothing
/// for longer has stopped, and its kernel could not tell.
const MOST_SILENCE: Duration = Duration::from_secs(240);
/// Nextest's exit code for failed tests.
const TESTS_FAILED: u8 = 100;
const ENTER_TIMEOUT: Duration = Duration::from_secs(60);
/// What nextest looks for in a checkout.
const CHECKOUT: [&str; 2] = ["Cargo.toml", ".config/nextest.toml"];

/// Lays the checkout out at its own path: $1 its path, $2 the user.
const ENTER: &str = r#"
    mkdir -p "$1" /scratch/tests/upper /scratch/tests/work
    cd "/programs/tests$1"
    mount -t overlay -o lowerdir=.,upperdir=/scratch/tests/upper,workdir=/scratch/tests/work,xino=off tests "$1"
    mkdir -p "$1/target/test-cache" "$1/target/tmp"
    for folder in "$1"/crates/*; do [ ! -d "$folder" ] || chown "$2:" "$folder"; done
    chown "$2:" "$1" "$1/target" "$1/target/tmp"
    mount --rbind "/cache/$2" "$1/target/test-cache"
"#;

/// Builds the tests; what the drive of programs needs for them.
pub fn tests(place: &Place) -> Result<Vec<Extra>> {
    let tests = cargo::tests()?;
    let folder = place.file("tests");
    make_private_dir(&folder)?;
    let mut extra = vec![at_bin(&cargo::nextest()?, "cargo-nextest")];
    for (name, content) in [
        ("binaries.json", tests.binaries),
        ("cargo.json", tests.metadata),
    ] {
        let file = folder.join(name);
        // One that is the same keeps its times, and the drive stays as it is.
        if std::fs::read(&file).ok().as_ref() != Some(&content) {
            std::fs::write(&file, content).map_err(Error::io("write", &file))?;
        }
        extra.push(Extra {
            path: format!("/tests/{name}"),
            host: file,
        });
    }
    for file in CHECKOUT {
        extra.push(at_own_path(&workspace().join(file)));
    }
    for entry in std::fs::read_dir(workspace().join("crates"))
        .into_iter()
        .flatten()
        .flatten()
    {
        // A test starts in its package's folder.
        let manifest = entry.path().join("Cargo.toml");
        if manifest.is_file() {
            extra.push(at_own_path(&manifest));
        }
    }
    extra.extend(tests.files.iter().map(|file| at_own_path(file)));
    Ok(extra)
}

/// What to run, and for how long.
pub struct Wanted<'a> {
    pub user: User,
    pub timeout: Duration,
    pub arguments: &'a [String],
}

/// Runs them; nextest's exit code. An old QEMU now and then delivers an interrupt
/// into the middle of a switch between the lab and a guest in it, of which the
/// lab's kernel dies or stops; what is left is then run in a new one.
pub fn run_tests(boot: impl Fn() -> Result<Lab>, wanted: &Wanted<'_>, sink: &Sink) -> Result<u8> {
    let began = Instant::now();
    let mut all = Verdicts::default();
    for lost in 0.. {
        let lab = boot()?;
        let tally = Tally::new(sink);
        let ended = run_once(&lab, wanted, began, &all, &tally);
        all.extend(tally.verdicts());
        match ended {
            Err(error) if lost < MOST_LOST && Lab::is_lost(&error) => {
                say(&format!(
                    "the lab is gone ({error}); a new one runs what is left"
                ));
            }
            Ok(Ended::Exited(code)) if lost == 0 => return Ok(code),
            Ok(Ended::Exited(_)) => return Ok(sum_up(&all, false, began)),
            Ok(Ended::TimedOut) => return Ok(sum_up(&all, true, began)),
            Err(error) => return Err(error),
        }
    }
    unreachable!("a lab too many is an error")
}

/// One summary in nextest's own form, which is what ci/test reads. Where the
/// time was over, what was not run counts as one failure.
fn sum_up(all: &Verdicts, cut: bool, began: Instant) -> u8 {
    let (run, passed) = all.count();
    let seconds = began.elapsed().as_secs_f64();
    let (run, failed) = (run + usize::from(cut), run - passed + usize::from(cut));
    say("over all labs:");
    let line = format!(
        "     Summary [{seconds:>8.3}s] {run} tests run: {passed} passed, {failed} failed, 0 skipped\n"
    );
    // The exit code says it as well.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if failed == 0 { 0 } else { TESTS_FAILED }
}

fn run_once(
    lab: &Lab,
    wanted: &Wanted<'_>,
    began: Instant,
    judged: &Verdicts,
    tally: &Tally<'_>,
) -> Result<Ended> {
    enter(lab, wanted.user, tally)?;
    let words = [
        "cargo-nextest",
        "nextest",
        "run",
        "--profile=lab",
        "--binaries-metadata=/programs/tests/binaries.json",
        "--cargo-metadata=/programs/tests/cargo.json",
        "--hide-progress-bar",
        // The lab that died may have been at the last test.
        "--no-tests=pass",
    ];
    // The time is that of all labs together.
    let left = wanted.timeout.saturating_sub(began.elapsed());
    let mut job = Job::new(words, left);
    job.words
        .extend(crate::tally::arguments(wanted.arguments, judged));
    job.user = wanted.user;
    job.folder = Some(workspace().display().to_string());
    job.variables = ["CARGO_TERM_COLOR=never", "INSTA_UPDATE=no"]
        .map(str::to_owned)
        .into();
    lab.run_watched(&job, tally, MOST_SILENCE, || tally.silence())
}

/// Builds the benchmark `backends`; what the drive of programs needs for it.
pub fn bench() -> Result<Vec<Extra>> {
    Ok(vec![at_bin(
        &cargo::bench("pyro-engine", "backends")?,
        "bench-backends",
    )])
}

/// Runs it with few rounds: each of them takes seconds here.
pub fn run_bench(lab: &Lab, timeout: Duration, sink: &Sink) -> Result<u8> {
    let rounds = std::env::var("PYRO_BENCH_ROUNDS").unwrap_or_else(|_| "3".into());
    let mut job = Job::new(["bench-backends"], timeout);
    job.variables = vec![
        "PYRO_BIN=/programs/bin/pyro".to_owned(),
        format!("PYRO_BENCH_ROUNDS={rounds}"),
    ];
    lab.run(&job, None, sink)
}

fn enter(lab: &Lab, user: User, events: &dyn EventSink) -> Result<()> {
    let checkout = workspace().display().to_string();
    let words = ["sh", "-euc", ENTER, "enter", &checkout, user.name()];
    match lab.run(&Job::new(words, ENTER_TIMEOUT), None, events)? {
        0 => Ok(()),
        code => Err(Error::runtime(
            "lab_tests",
            format!("{checkout} could not be laid out in the lab (code {code})"),
        )),
    }
}

fn at_bin(host: &Path, name: &str) -> Extra {
    Extra {
        host: host.to_owned(),
        path: format!("/bin/{name}"),
    }
}

fn at_own_path(host: &Path) -> Extra {
    Extra {
        host: host.to_owned(),
        path: format!("/tests{}", host.display()),
    }
}
