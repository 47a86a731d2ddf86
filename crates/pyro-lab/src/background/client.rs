//! The caller's side of the background lab.
//!
//! Owns: handing over the standard streams. Refuses: signals of its own; a
//! client that ends, by a signal too, ends its job.

use super::wire::{self, Answer, Request};
use super::{runs, short};
use crate::job::Job;
use crate::output::say;
use crate::place::Place;
use crate::terminal;
use pyro_engine::{Error, Result};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a job with this process's own streams.
pub fn exec(place: &Place, job: &Job) -> Result<u8> {
    let raw = terminal::enter(job)?;
    let code = run(place, job, rustix::stdio::stdin());
    drop(raw);
    code
}

/// The same, reading a file.
pub fn exec_with(place: &Place, job: &Job, stdin: File) -> Result<u8> {
    run(place, job, stdin.as_fd())
}

fn run(place: &Place, job: &Job, stdin: BorrowedFd<'_>) -> Result<u8> {
    let files = [stdin, rustix::stdio::stdout(), rustix::stdio::stderr()];
    match ask(place, &Request::Run(job.clone()), &files)? {
        Answer::Exited(code) => Ok(code),
        Answer::Failed { message, hint } => {
            let error = Error::runtime("lab_exec", message);
            Err(match hint {
                Some(hint) => error.hint(hint),
                None => error,
            })
        }
        Answer::Stopping => Err(Error::runtime("lab_exec", "the lab is ending")),
    }
}

/// Ends it and waits until it is gone.
pub fn stop(place: &Place) -> Result<()> {
    if !runs(place) {
        say("is not running");
        return Ok(());
    }
    ask(place, &Request::Stop, &[])?;
    let began = Instant::now();
    while runs(place) {
        if began.elapsed() > STOP_TIMEOUT {
            return Err(Error::runtime("lab_stop", "the lab did not end"));
        }
        std::thread::sleep(super::POLL);
    }
    Ok(())
}

fn ask(place: &Place, request: &Request, files: &[BorrowedFd<'_>]) -> Result<Answer> {
    let (_folder, path) = short(place)?;
    let gone = |error: std::io::Error| {
        Error::runtime("lab_absent", format!("no lab answers: {error}"))
            .hint("`pyro-lab start` boots one; its log is target/lab/background.log")
    };
    let socket = UnixStream::connect(path).map_err(gone)?;
    wire::send(&socket, request, files).map_err(gone)?;
    wire::answer(&socket).map_err(gone)
}
