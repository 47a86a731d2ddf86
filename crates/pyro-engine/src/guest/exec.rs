//! Running one command in a guest.
//!
//! Owns: the streams of one exec on the host side: stdin pumped in, output
//! handed out as it comes, deadlines. Refuses: sending a request twice; what
//! was sent and got lost is an error.

#[cfg(doc)]
use super::KEPT_BYTES;
use super::output::{Captured, Output};
use super::{Guest, decode, encode, now_unix_ns, unexpected};
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::redact::{Redaction, Redactor};
use pyro_proto::messages::{self, Exec, Exited, Reply, Request, channel};
use pyro_proto::{Incoming, LinkError, Stream};
use rustix::event::{EventfdFlags, PollFd, PollFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long after a command's own deadline the agent's answer is awaited:
/// it has to kill the group and send what is left.
const ANSWER_MARGIN: Duration = Duration::from_secs(15);

/// After so long a held beginning of a secret is shown, if it is short.
const PAUSE: Duration = Duration::from_millis(100);

/// One command.
pub struct Command<'a> {
    /// For `/bin/sh -lc`.
    pub shell: &'a str,
    /// Variables beside the guest's own.
    pub env: BTreeMap<String, String>,
    /// Takes secrets out of its output.
    pub redactor: Redactor,
    /// Deadline.
    pub timeout: Duration,
    /// Its standard input; none is `/dev/null`.
    pub stdin: Option<File>,
    /// Bytes of head, and again of tail, kept of each stream; [`KEPT_BYTES`]
    /// where the result is shown.
    pub kept_bytes: usize,
}

/// How it ended and what it wrote.
pub struct Finished {
    /// The agent's account.
    pub exited: Exited,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
}

impl Guest {
    /// Runs it to its end; output goes to `events` as it comes.
    ///
    /// # Errors
    /// Why the guest is gone, `cancelled`, or the agent's refusal.
    pub fn exec(
        &self,
        command: Command<'_>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<Finished> {
        let request = Request::Exec(Exec {
            command: messages::Command::Shell(command.shell.to_owned()),
            env: command.env,
            cwd: None,
            timeout_ms: Some(u64::try_from(command.timeout.as_millis()).unwrap_or(u64::MAX)),
            stdin: command.stdin.is_some(),
            time_unix_ns: now_unix_ns(),
        });
        let request = encode(&request)?;
        let stream = match self.link.open(&request) {
            Ok(stream) => Arc::new(stream),
            Err(error) => return Err(self.explain("running the command", &error, cancel)),
        };
        // This command only: others run on the same connection.
        let given_up = stream.clone();
        let _woken = cancel.on_cancel(move || given_up.abort());
        let _stdin = command
            .stdin
            .map(|file| StdinPump::start(file, stream.clone()))
            .transpose()?;
        let began = Instant::now();
        // A deadline beyond what the clock can hold is none.
        let deadline = began.checked_add(command.timeout.saturating_add(ANSWER_MARGIN));
        let shown = |event| Shown {
            redaction: command.redactor.stream(),
            kept: Captured::new(command.kept_bytes),
            event,
            events,
        };
        let (mut stdout, mut stderr) = (shown(Event::Stdout), shown(Event::Stderr));
        // Since when nothing came while something is held back.
        let mut paused = None;
        let reply = loop {
            let until = [deadline, paused].into_iter().flatten().min();
            match self.receive(&stream, until) {
                Ok(Incoming::Data(channel::STDOUT, bytes)) => stdout.push(bytes),
                Ok(Incoming::Data(channel::STDERR, bytes)) => stderr.push(bytes),
                Ok(Incoming::Close(reply)) => break Ok(reply),
                Ok(Incoming::Data(..) | Incoming::End(_)) => {}
                Err(LinkError::TimedOut(_)) if paused.is_some_and(|at| Instant::now() >= at) => {
                    stdout.release();
                    stderr.release();
                    paused = None;
                    continue;
                }
                // Since it was asked for, not since the last look.
                Err(LinkError::TimedOut(_)) => break Err(LinkError::TimedOut(began.elapsed())),
                Err(error) => break Err(error),
            }
            let held = stdout.redaction.held() + stderr.redaction.held() > 0;
            paused = held.then(|| Instant::now() + PAUSE);
        };
        let (stdout, stderr) = (stdout.finish(), stderr.finish());
        let reply = reply.map_err(|error| self.explain("running the command", &error, cancel))?;
        match decode(&reply)? {
            Reply::Exited(exited) => Ok(Finished {
                exited,
                stdout,
                stderr,
            }),
            other => Err(unexpected(&other)),
        }
    }
}

/// One stream of a command on its way out.
struct Shown<'a> {
    redaction: Redaction,
    kept: Captured,
    event: fn(Vec<u8>) -> Event,
    events: &'a dyn EventSink,
}

impl Shown<'_> {
    fn push(&mut self, bytes: Vec<u8>) {
        let shown = self.redaction.pass(bytes);
        self.show(shown);
    }

    fn release(&mut self) {
        let shown = self.redaction.release();
        self.show(shown);
    }

    fn finish(mut self) -> Output {
        let shown = self.redaction.finish();
        self.show(shown);
        self.kept.finish()
    }

    fn show(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.kept.push(&bytes);
            self.events.event((self.event)(bytes));
        }
    }
}

/// Copies a file descriptor into a stream until either ends.
pub(crate) struct StdinPump {
    stop: Arc<OwnedFd>,
}

impl StdinPump {
    pub(crate) fn start(mut file: File, stream: Arc<Stream>) -> Result<Self> {
        let stop = rustix::event::eventfd(0, EventfdFlags::CLOEXEC)
            .map(Arc::new)
            .map_err(|error| {
                Error::runtime("stdin", format!("cannot wait for standard input: {error}"))
            })?;
        let stopped = stop.clone();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 32 * 1024];
            loop {
                let mut fds = [
                    PollFd::new(&file, PollFlags::IN),
                    PollFd::new(&*stopped, PollFlags::IN),
                ];
                match rustix::event::poll(&mut fds, None) {
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(_) => break,
                    Ok(_) if !fds[1].revents().is_empty() => return,
                    Ok(_) => {}
                }
                match file.read(&mut buffer) {
                    Ok(0) => break,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                    Ok(count) => {
                        if stream.send(channel::STDIN, &buffer[..count]).is_err() {
                            return;
                        }
                    }
                }
            }
            // A stream that is over needs no end.
            let _ = stream.end(channel::STDIN);
        });
        Ok(Self { stop })
    }
}

impl Drop for StdinPump {
    fn drop(&mut self) {
        // The write can only fail on a full counter, which wakes as well.
        let _ = rustix::io::write(&*self.stop, &1u64.to_ne_bytes());
    }
}
