//! The distribution's kernel beside the minimal one.
//!
//! Prints what the choice between them rests on: pairs of times measured in
//! turns, sizes, memory, and what each can do, tried inside a guest. Run it by
//! `make bench-kernels`. It builds both environments into a cache of its own
//! below `target/`; compiling the kernel takes minutes the first time.

#[path = "../start/asking.rs"]
mod asking;
#[path = "../start/direct.rs"]
mod direct;
mod features;
#[path = "../start/pairs.rs"]
mod pairs;
#[path = "../start/tiny_init.rs"]
mod tiny_init;

use direct::Direct;
use pairs::Pair;
use pyro_engine::environments::{GuestKernel, Image, Installed};
use pyro_engine::{Cancel, Environments, Layout, NoEvents};
use std::io::Write;
use std::path::PathBuf;

/// It has Python, for the trials.
const NAME: &str = "debian:12-build";

fn main() {
    let rounds = std::env::var("PYRO_BENCH_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(9);
    let mut out = std::io::stdout().lock();
    let mut show = |line: &str| writeln!(out, "{line}").expect("stdout is open");
    let (minimal, debian) = (
        installed(GuestKernel::Minimal),
        installed(GuestKernel::Debian),
    );
    show(&format!(
        "{} beside {}",
        minimal.kernel_release, debian.kernel_release
    ));
    let (small, large) = (Direct::new(&minimal), Direct::new(&debian));
    show(pairs::HEADING);
    let init = Pair::measure(rounds, || small.boot_tiny(), || large.boot_tiny());
    show(&init.row("minimal: boot to an init of ten instructions", "debian", ""));
    let answer = Pair::measure(rounds, || small.boot_to_answer(), || large.boot_to_answer());
    show(&answer.row("minimal: boot to the agent's answer", "debian", ""));
    let clone = Pair::measure(rounds, || small.clone_and_exec(), || large.clone_and_exec());
    show(&clone.row("minimal: clone of a template and `true`", "debian", ""));

    show("\n| KiB | minimal | debian |\n|---|---|---|");
    for (what, small, large) in [
        ("kernel, ELF", &minimal.kernel, &debian.kernel),
        (
            "kernel, compressed",
            &minimal.kernel_bzimage,
            &debian.kernel_bzimage,
        ),
        ("modules for the agent", &minimal.modules, &debian.modules),
        ("root file system", &minimal.rootfs, &debian.rootfs),
    ] {
        show(&format!("| {what} | {} | {} |", kib(small), kib(large)));
    }
    let (small, large) = (
        features::tried(&layout(GuestKernel::Minimal), NAME),
        features::tried(&layout(GuestKernel::Debian), NAME),
    );
    for line in features::beside(&small, &large) {
        show(&line);
    }
}

/// One cache per kernel: an environment is installed once in each.
fn layout(kernel: GuestKernel) -> Layout {
    let name = GuestKernel::NAMED
        .iter()
        .find(|(_, known)| *known == kernel);
    let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/kernels");
    std::fs::create_dir_all(&target).expect("a folder");
    let target = target.canonicalize().expect("it is there");
    Layout {
        cache: target.join(name.expect("every choice has a name").0),
        state: target.join("state"),
    }
}

fn installed(kernel: GuestKernel) -> Installed {
    let environments = Environments::new(&layout(kernel));
    if let Ok(installed) = environments.open(NAME) {
        return installed;
    }
    environments
        .build(NAME, kernel, &NoEvents, &Cancel::default())
        .and_then(|_| environments.open(NAME))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What it takes on disk.
fn kib(image: &Image) -> u64 {
    use std::os::unix::fs::MetadataExt;
    image.file.metadata().expect("it is open").blocks() / 2
}
