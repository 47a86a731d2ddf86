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
use crate::machine::Lab;
use crate::output::Sink;
use crate::parts::Extra;
use crate::place::{Place, workspace};
use pyro_engine::layout::make_private_dir;
use pyro_engine::{Error, Result};
use std::path::Path;
use std::time::Duration;

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
    mount --bind "/cache/$2" "$1/target/test-cache"
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

/// Runs them; nextest's exit code.
pub fn run_tests(
    lab: &Lab,
    user: User,
    timeout: Duration,
    arguments: &[String],
    sink: &Sink,
) -> Result<u8> {
    enter(lab, user, sink)?;
    let words = [
        "cargo-nextest",
        "nextest",
        "run",
        "--profile=lab",
        "--binaries-metadata=/programs/tests/binaries.json",
        "--cargo-metadata=/programs/tests/cargo.json",
        "--hide-progress-bar",
    ];
    let mut job = Job::new(words, timeout);
    job.words.extend(arguments.iter().cloned());
    job.user = user;
    job.folder = Some(workspace().display().to_string());
    job.variables = ["CARGO_TERM_COLOR=never", "INSTA_UPDATE=no"]
        .map(str::to_owned)
        .into();
    lab.run(&job, None, sink)
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

fn enter(lab: &Lab, user: User, sink: &Sink) -> Result<()> {
    let checkout = workspace().display().to_string();
    let words = ["sh", "-euc", ENTER, "enter", &checkout, user.name()];
    match lab.run(&Job::new(words, ENTER_TIMEOUT), None, sink)? {
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
