//! The background lab itself.
//!
//! Owns: one thread per client, ending the jobs of clients that are gone, and
//! the end after idleness. Refuses: saving anything; when this process ends,
//! the machine ends with it.

use super::wire::{self, Answer, Request};
use super::{Idle, short, socket};
use crate::job::Job;
use crate::machine::{Lab, Size};
use crate::output::{Sink, say};
use crate::parts;
use crate::place::Place;
use pyro_engine::{Error, NoEvents, Result};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Boots, then answers until it is told to stop or nobody wants anything.
pub fn serve(place: &Place, size: Size, idle: Idle) -> Result<()> {
    let path = place.file("background.lock");
    let lock = File::create(&path).map_err(Error::io("create", &path))?;
    lock.try_lock().map_err(|error| {
        Error::runtime("lab_running", format!("another lab runs already: {error}"))
    })?;
    // Away from the caller's terminal; fails only for one that is already.
    let _ = rustix::process::setsid();
    let lab = Arc::new(Lab::boot(place, &parts::ensure(place, &[])?, size)?);
    let (_folder, short) = short(place)?;
    let _ = std::fs::remove_file(socket(place));
    let listener = UnixListener::bind(short).map_err(Error::io("bind", &socket(place)))?;
    let clients = Arc::new(Clients::default());
    let watched = clients.clone();
    let limit = Duration::from_secs(idle.idle_minutes.saturating_mul(60));
    let name = socket(place);
    std::thread::spawn(move || {
        while watched.idle() < limit {
            std::thread::sleep(Duration::from_secs(5));
        }
        say("nobody uses it; ending");
        let _ = std::fs::remove_file(name);
        std::process::exit(0);
    });
    for client in listener.incoming() {
        let client = client.map_err(Error::io("accept on", &socket(place)))?;
        let (lab, guard) = (lab.clone(), clients.enter());
        let name = socket(place);
        std::thread::spawn(move || {
            let _guard = guard;
            match wire::receive(&client) {
                Ok((Request::Run(job), files)) => {
                    let answer = run(&lab, &client, &job, files);
                    // A client that is gone wants no answer.
                    let _ = wire::reply(&client, &answer);
                }
                Ok((Request::Stop, _)) => {
                    let _ = std::fs::remove_file(name);
                    let _ = wire::reply(&client, &Answer::Stopping);
                    // Scratch has no name: there is nothing to save, and the
                    // machine ends with this process.
                    std::process::exit(0);
                }
                Err(error) => say(&format!("a client was not understood: {error}")),
            }
        });
    }
    Ok(())
}

fn run(lab: &Arc<Lab>, client: &UnixStream, job: &Job, files: Vec<OwnedFd>) -> Answer {
    let failed = |message: String, hint| Answer::Failed { message, hint };
    let Ok([stdin, stdout, stderr]) = <[OwnedFd; 3]>::try_from(files) else {
        return failed("a client sent no standard streams".into(), None);
    };
    let over = Arc::new(AtomicBool::new(false));
    let watching = match client.try_clone() {
        Ok(client) => {
            let (lab, id, over) = (lab.clone(), job.id.clone(), over.clone());
            std::thread::spawn(move || end_with_client(&client, &lab, &id, &over))
        }
        Err(error) => return failed(error.to_string(), None),
    };
    let sink = Sink::new(stdout.into(), stderr.into());
    let ended = lab.run(job, Some(stdin.into()), &sink);
    over.store(true, Ordering::SeqCst);
    // Wakes the watcher; the answer goes the other way.
    let _ = client.shutdown(std::net::Shutdown::Read);
    let _ = watching.join();
    match ended {
        Ok(code) => Answer::Exited(code),
        Err(error) => failed(error.to_string(), error.hint),
    }
}

/// Ends the job when its client went away before it.
fn end_with_client(mut client: &UnixStream, lab: &Lab, id: &str, over: &AtomicBool) {
    // The client sends nothing more: this returns at its end, or at the job's.
    let _ = client.read(&mut [0]);
    if over.load(Ordering::SeqCst) {
        return;
    }
    let job = Job::ending(id);
    if let Err(error) = lab.run(&job, None, &NoEvents) {
        say(&format!("job {id} could not be ended: {error}"));
    }
}

/// How many there are, and since when there are none.
struct Clients(Mutex<(usize, Instant)>);

impl Default for Clients {
    fn default() -> Self {
        Self(Mutex::new((0, Instant::now())))
    }
}

impl Clients {
    fn state(&self) -> std::sync::MutexGuard<'_, (usize, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Self>) -> Inside {
        self.state().0 += 1;
        Inside(self.clone())
    }

    fn idle(&self) -> Duration {
        let state = self.state();
        if state.0 > 0 {
            Duration::ZERO
        } else {
            state.1.elapsed()
        }
    }
}

struct Inside(Arc<Clients>);

impl Drop for Inside {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.0 -= 1;
        state.1 = Instant::now();
    }
}
