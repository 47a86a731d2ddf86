//! The KVM lab: a machine in which real Firecracker, and QEMU with KVM, run on
//! hosts without virtualization.
//!
//! ```text
//!   host --QEMU, software emulation with SVM--> lab --KVM--> Firecracker --> guest
//! ```
//!
//! Owns: the commands of the developers' program `pyro-lab`. Refuses: being
//! part of pyro; nothing that is shipped knows the lab.

mod background;
mod cargo;
mod ext4;
mod job;
mod machine;
mod output;
mod parts;
mod place;
mod recipe;
mod suite;
mod tally;
mod terminal;

use clap::{Args, Parser, Subcommand};
use job::{Job, User};
use machine::{Lab, Size};
use output::{Sink, say};
use parts::Extra;
use place::Place;
use pyro_engine::{Error, NoEvents, Result};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Exit code of the lab's own errors, apart from those of commands.
const FAILED: u8 = 125;
const PUT_TIMEOUT: Duration = Duration::from_secs(300);

/// A machine with emulated SVM, in which real Firecracker is tested.
#[derive(Parser)]
#[command(name = "pyro-lab")]
struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make what the lab is booted from, where it is missing or outdated
    Build,
    /// Boot a lab, run one command in it, end it
    Run {
        #[command(flatten)]
        size: Size,
        #[command(flatten)]
        what: What,
    },
    /// Build the tests that start real machines and run them in a fresh lab
    Test {
        #[command(flatten)]
        size: Size,
        /// Who runs them
        #[arg(long, value_enum, default_value_t)]
        user: User,
        /// Seconds after which all is ended, whatever number of labs it took
        #[arg(long, default_value_t = 1500)]
        timeout: u64,
        /// Filters and flags for `cargo nextest run`
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "FILTER"
        )]
        arguments: Vec<String>,
    },
    /// Build the benchmark of backends and run it in a fresh lab
    Bench {
        #[command(flatten)]
        size: Size,
        /// Seconds after which it is ended
        #[arg(long, default_value_t = 3600)]
        timeout: u64,
    },
    /// A shell in the lab: in the background one when it runs, else in a fresh one
    Shell {
        #[command(flatten)]
        size: Size,
        /// Who it belongs to
        #[arg(long, value_enum, default_value_t)]
        user: User,
    },
    /// Boot a lab that stays in the background
    Start {
        #[command(flatten)]
        size: Size,
        #[command(flatten)]
        idle: background::Idle,
    },
    /// Run one command in the lab that `start` booted
    Exec {
        #[command(flatten)]
        what: What,
    },
    /// End the lab that `start` booted
    Stop,
    /// Whether there is a lab in the background
    Status,
    /// Be the background lab; `start` calls this
    #[command(hide = true)]
    Serve {
        #[command(flatten)]
        size: Size,
        #[command(flatten)]
        idle: background::Idle,
    },
}

/// A command in the lab.
#[derive(Args)]
struct What {
    /// Who runs it
    #[arg(long, value_enum, default_value_t)]
    user: User,
    /// Put a file of this host into the lab first
    #[arg(long, value_name = "HOSTFILE:PATH", value_parser = put)]
    put: Vec<(PathBuf, String)>,
    /// Set a variable
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Working folder; the user's home unless told
    #[arg(long, value_name = "PATH")]
    cwd: Option<String>,
    /// Seconds after which it is ended
    #[arg(long, default_value_t = 1800)]
    timeout: u64,
    /// Hand standard input on
    #[arg(long, short = 'i')]
    stdin: bool,
    /// Program and arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    words: Vec<String>,
}

impl What {
    fn job(&self) -> Job {
        Job {
            user: self.user,
            variables: self.env.clone(),
            folder: self.cwd.clone(),
            stdin: self.stdin,
            ..Job::new(
                self.words.iter().cloned(),
                Duration::from_secs(self.timeout),
            )
        }
    }

    /// Files to put, each with the job that takes it.
    fn puts(&self) -> Result<Vec<(File, Job)>> {
        self.put
            .iter()
            .map(|(host, path)| {
                let file = File::open(host).map_err(Error::io("open", host))?;
                let found = file.metadata().map_err(Error::io("read", host))?;
                let mode = found.permissions().mode() & 0o777;
                Ok((file, Job::put(path, mode, PUT_TIMEOUT)))
            })
            .collect()
    }
}

fn put(text: &str) -> Result<(PathBuf, String), String> {
    match text.rsplit_once(':') {
        Some((host, path)) if !host.is_empty() && path.starts_with('/') => {
            Ok((host.into(), path.to_owned()))
        }
        _ => Err("needs HOSTFILE:/ABSOLUTE/PATH".into()),
    }
}

fn main() -> ExitCode {
    let words = Words::parse();
    match carry_out(words.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            if let Some(source) = &error.source {
                say(&format!("{source}"));
            }
            say(&format!("error: {error}"));
            if let Some(hint) = error.hint {
                say(&format!("hint: {hint}"));
            }
            ExitCode::from(FAILED)
        }
    }
}

fn carry_out(command: Command) -> Result<u8> {
    let place = Place::open()?;
    match command {
        Command::Build => parts::ensure(&place, &[]).map(|_| 0),
        Command::Run { size, what } => {
            let lab = boot(&place, size, &[])?;
            for (file, job) in what.puts()? {
                done(lab.run(&job, Some(file), &NoEvents)?, &job)?;
            }
            let sink = Sink::own().map_err(cannot_share)?;
            lab.run(&what.job(), stdin(what.stdin)?, &sink)
        }
        Command::Test {
            size,
            user,
            timeout,
            arguments,
        } => {
            let extra = suite::tests(&place)?;
            let sink = Sink::own().map_err(cannot_share)?;
            let wanted = suite::Wanted {
                user,
                timeout: Duration::from_secs(timeout),
                arguments: &arguments,
            };
            suite::run_tests(|| boot(&place, size, &extra), &wanted, &sink)
        }
        Command::Bench { size, timeout } => {
            let lab = boot(&place, size, &suite::bench()?)?;
            let sink = Sink::own().map_err(cannot_share)?;
            suite::run_bench(&lab, Duration::from_secs(timeout), &sink)
        }
        Command::Shell { size, user } => {
            let job = terminal::shell(user);
            if background::runs(&place) {
                return background::exec(&place, &job);
            }
            let lab = boot(&place, size, &[])?;
            let sink = Sink::own().map_err(cannot_share)?;
            let _raw = terminal::enter(&job)?;
            lab.run(&job, stdin(true)?, &sink)
        }
        Command::Start { size, idle } => {
            drop(parts::ensure(&place, &[])?);
            background::start(&place, size, idle).map(|()| 0)
        }
        Command::Exec { what } => {
            for (file, job) in what.puts()? {
                done(background::exec_with(&place, &job, file)?, &job)?;
            }
            background::exec(&place, &what.job())
        }
        Command::Stop => background::stop(&place).map(|()| 0),
        Command::Status => {
            let runs = background::runs(&place);
            say(if runs {
                "runs in the background"
            } else {
                "is not running"
            });
            Ok(u8::from(!runs))
        }
        Command::Serve { size, idle } => background::serve(&place, size, idle).map(|()| 0),
    }
}

fn boot(place: &Place, size: Size, extra: &[Extra]) -> Result<Lab> {
    let parts = parts::ensure(place, extra)?;
    Lab::boot(place, &parts, size)
}

fn done(code: u8, job: &Job) -> Result<()> {
    if code == 0 {
        return Ok(());
    }
    let path = job.words.last().map_or("", String::as_str);
    Err(Error::runtime(
        "lab_put",
        format!("putting {path} into the lab failed with code {code}"),
    ))
}

fn stdin(wanted: bool) -> Result<Option<File>> {
    let own = || rustix::io::dup(rustix::stdio::stdin()).map(File::from);
    wanted
        .then(own)
        .transpose()
        .map_err(|error| cannot_share(error.into()))
}

fn cannot_share(error: std::io::Error) -> Error {
    Error::runtime("io", format!("cannot share a descriptor: {error}"))
}
