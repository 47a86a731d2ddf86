//! A service on its stream, and looks whether it is ready.
//!
//! Owns: the conversation about one run of it. Refuses: deciding anything, and
//! believing a guest: what makes no sense is an end with a reason.
//!
//! ```text
//!   serve --> Serving --hear*--> Began(pid), Wrote, ..., Ended
//!                `--signal, give_up (other threads)
//! ```

use super::{Guest, decode, encode, now_unix_ns, unexpected};
use crate::error::Result;
use crate::events::Cancel;
use pyro_proto::messages::probe::{MAX_WHY_BYTES, Probe, Probed, Target};
use pyro_proto::messages::{Command, Exec, Exited, Reply, Request, channel};
use pyro_proto::{Incoming, LinkError, Stream};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What an agent may take beyond the time that a look has.
const ANSWER_MARGIN: Duration = Duration::from_secs(10);

/// A command line with its surroundings.
#[derive(Clone, Debug)]
pub(crate) struct Line<'a> {
    /// For `/bin/sh -lc`.
    pub shell: &'a str,
    /// Its working folder in the guest.
    pub cwd: &'a str,
    /// Variables on top of the agent's.
    pub env: &'a BTreeMap<String, String>,
}

impl Line<'_> {
    fn exec(&self, timeout: Option<Duration>) -> Exec {
        Exec {
            command: Command::Shell(self.shell.to_owned()),
            env: self.env.clone(),
            cwd: Some(self.cwd.to_owned()),
            timeout_ms: timeout
                .map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            stdin: false,
            time_unix_ns: now_unix_ns(),
        }
    }
}

/// One run of a service. Clones share it.
#[derive(Clone)]
pub(crate) struct Serving(Arc<Stream>);

/// What a run says.
pub(crate) enum Heard {
    /// It runs, with this process number.
    Began(i32),
    /// Bytes of standard output.
    Stdout(Vec<u8>),
    /// Bytes of standard error.
    Stderr(Vec<u8>),
    /// Nothing until then.
    Silence,
    /// How it ended; else why nobody knows.
    Ended(Result<Exited, String>),
    /// The guest is gone, or just about to be.
    Lost,
}

impl Serving {
    /// The next; waits for it `until` then, also while the guest is halted.
    pub(crate) fn hear(&self, until: Option<Instant>) -> Heard {
        loop {
            match self.0.receive(until) {
                Ok(Incoming::Data(channel::STDOUT, bytes)) => return Heard::Stdout(bytes),
                Ok(Incoming::Data(channel::STDERR, bytes)) => return Heard::Stderr(bytes),
                Ok(Incoming::Data(_, bytes)) => {
                    let pid = <[u8; 4]>::try_from(&*bytes).map(i32::from_le_bytes);
                    if let Ok(pid @ 1..) = pid {
                        return Heard::Began(pid);
                    }
                }
                Ok(Incoming::End(_)) => {}
                Ok(Incoming::Close(reply)) => {
                    return Heard::Ended(match decode(&reply) {
                        Ok(Reply::Exited(exited)) => Ok(exited),
                        Ok(other) => Err(unexpected(&other).message),
                        Err(error) => Err(error.message),
                    });
                }
                Err(LinkError::TimedOut(_)) => return Heard::Silence,
                // Given up, here or there; anything else is the link's end.
                Err(LinkError::Reset) => return Heard::Ended(Err(LinkError::Reset.to_string())),
                Err(_) => return Heard::Lost,
            }
        }
    }

    /// To everything it started. One that is over needs none.
    pub(crate) fn signal(&self, number: u8) {
        let _ = self.0.send_some(channel::SIGNAL, &[number]);
    }

    /// The agent kills it, and nobody hears of it again.
    pub(crate) fn give_up(&self) {
        self.0.abort();
    }
}

impl Guest {
    /// Starts a service.
    ///
    /// # Errors
    /// Why the guest is gone.
    pub(crate) fn serve(&self, line: &Line<'_>) -> Result<Serving> {
        let request = encode(&Request::Serve(line.exec(None)))?;
        self.link
            .open(&request)
            .map(|stream| Serving(Arc::new(stream)))
            .map_err(|error| self.explain("starting a service", &error, &Cancel::default()))
    }

    /// Looks once; the reason when it is not there, or cannot be looked at.
    pub(crate) fn probe(&self, target: Target, most: Duration) -> Result<(), String> {
        match self.answer(&Request::Probe(Probe { target }), most)? {
            Reply::Probed(Probed { ready: true, .. }) => Ok(()),
            Reply::Probed(Probed { why, .. }) => {
                let why = why.unwrap_or_else(|| "it is not there".into());
                Err(why.chars().take(MAX_WHY_BYTES).collect())
            }
            other => Err(unexpected(&other).message),
        }
    }

    /// Runs a command; the reason when it did not end with 0 in time.
    pub(crate) fn probe_command(&self, line: &Line<'_>, most: Duration) -> Result<(), String> {
        match self.answer(&Request::Exec(line.exec(Some(most))), most)? {
            Reply::Exited(Exited {
                timed_out: true, ..
            }) => Err(format!("the command did not end within {most:?}")),
            Reply::Exited(Exited { exit_code: 0, .. }) => Ok(()),
            Reply::Exited(exited) => Err(format!("the command ended with {}", exited.exit_code)),
            other => Err(unexpected(&other).message),
        }
    }

    /// The answer to one request; what it sends besides is not kept.
    fn answer(&self, request: &Request, most: Duration) -> Result<Reply, String> {
        let request = encode(request).map_err(|error| error.message)?;
        let stream = self
            .link
            .open(&request)
            .map_err(|error| error.to_string())?;
        let deadline = Instant::now() + most + ANSWER_MARGIN;
        loop {
            match self.receive(&stream, Some(deadline)) {
                Ok(Incoming::Close(reply)) => {
                    return decode(&reply).map_err(|error| error.message);
                }
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
