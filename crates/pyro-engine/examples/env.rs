//! Drives environments without a door: `env pull|build|build-minimal|open|verify|prune|list [NAME]`.
//! The real-build tests run it as another user and kill it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use pyro_engine::environments::GuestKernel;
use pyro_engine::{Cancel, Environments, Event, EventSink, Layout, Result};

struct Stderr;

impl EventSink for Stderr {
    fn event(&self, event: Event) {
        eprintln!("{event:?}");
    }
}

fn run(verb: &str, name: &str) -> Result<String> {
    let environments = Environments::new(&Layout::from_env()?);
    let cancel = Cancel::default();
    Ok(match verb {
        "pull" => format!("{:#?}", environments.pull(name, &Stderr, &cancel)?),
        "build" | "build-minimal" => {
            let kernel = if verb == "build" {
                GuestKernel::Debian
            } else {
                GuestKernel::Minimal
            };
            format!("{:#?}", environments.build(name, kernel, &Stderr, &cancel)?)
        }
        "open" => format!("{:#?}", environments.open(name)?),
        "verify" => format!("{:#?}", environments.verify(name)?),
        "prune" => format!("{:#?}", environments.prune(&[])?),
        _ => format!("{:#?}", environments.list()?),
    })
}

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_default();
    let name = arguments.next().unwrap_or_default();
    let started = std::time::Instant::now();
    match run(&verb, &name) {
        Ok(said) => {
            println!("{said}");
            eprintln!("{:.3} s", started.elapsed().as_secs_f64());
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!(
                "error: {} {error}\nhint: {}",
                error.code,
                error.hint.as_deref().unwrap_or_default()
            );
            std::process::ExitCode::FAILURE
        }
    }
}
