//! Moves a running command's bytes, and ends it in time.
//!
//! Owns: one poll(2) over everything that can happen to a command. Refuses:
//! buffering: a pipe is read only when the host granted room for its bytes,
//! so a slow host stalls its command and nothing else.
//!
//! ```text
//!   poll { waker: credit, stdin, signal, reset
//!        | stdout, stderr   while credit > 0
//!        | stdin            while bytes wait
//!        | pidfd            -> drain what the pipes hold -> reply }
//!        until the deadline -> SIGKILL to all
//! ```

mod flow;
mod service;

use self::flow::PIECE_BYTES;
use crate::cgroup::Group;
use crate::spawn::Spawned;
use crate::tree;
use pyro_proto::messages::{Exec, Exited, channel};
use pyro_proto::{Incoming, Stream};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Exit code of a command that its deadline ended, as timeout(1) has it.
const TIMED_OUT_CODE: i32 = 124;

/// A command that is about to start.
pub struct Prepared<'a> {
    stream: &'a Stream,
    waker: Arc<OwnedFd>,
    started: Instant,
    deadline: Option<Instant>,
}

/// A running command.
pub struct Pump<'a> {
    at: Prepared<'a>,
    command: Spawned,
    group: Option<Group>,
    pending: Vec<u8>,
    timed_out: bool,
    /// None: an ordinary command.
    service: Option<service::Service>,
    sent_bytes: [u64; 2],
}

impl<'a> Pump<'a> {
    /// Starts the clock and watches the stream.
    pub fn prepare(stream: &'a Stream, exec: &Exec) -> io::Result<Prepared<'a>> {
        let waker = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let rings = waker.clone();
        stream.set_waker(Arc::new(move || {
            // A full counter is readable already.
            let _ = rustix::io::write(&*rings, &1u64.to_ne_bytes());
        }));
        let started = Instant::now();
        let timeout = exec.timeout_ms.map(Duration::from_millis);
        Ok(Prepared {
            stream,
            waker,
            started,
            deadline: timeout.and_then(|timeout| started.checked_add(timeout)),
        })
    }

    /// Runs the command to its end; none when the host gave it up.
    pub fn run(mut self) -> Option<Exited> {
        let ended = self.pump_until_exit() && self.end_rest() && self.drain();
        if !ended {
            self.kill();
        }
        let options = WaitIdOptions::EXITED;
        let status = waitid(WaitId::PidFd(self.command.pidfd.as_fd()), options);
        if !ended {
            return None;
        }
        let status = status.ok().flatten();
        let signal = status
            .as_ref()
            .and_then(|status| status.terminating_signal());
        let code = status.as_ref().and_then(|status| status.exit_status());
        Some(Exited {
            exit_code: match (self.timed_out, code, signal) {
                (true, ..) => TIMED_OUT_CODE,
                (_, Some(code), _) => code,
                (_, _, signal) => 128 + signal.unwrap_or_default(),
            },
            signal,
            timed_out: self.timed_out,
            duration_ms: self.at.started.elapsed().as_millis() as u64,
            stdout_bytes: self.sent_bytes[0],
            stderr_bytes: self.sent_bytes[1],
        })
    }

    /// Whether the command ended; false when the host gave it up.
    fn pump_until_exit(&mut self) -> bool {
        loop {
            if !self.attend() {
                return false;
            }
            if self.at.deadline.is_some_and(|at| at <= Instant::now()) {
                self.at.deadline = None;
                self.timed_out = true;
                self.kill();
            }
            let [out, err, input, exited] = self.wait(true);
            for (which, ready) in [out, err].into_iter().enumerate() {
                if ready {
                    self.forward(which, PIECE_BYTES);
                }
            }
            if input {
                self.feed();
            }
            if exited {
                return true;
            }
        }
    }

    /// Takes in what the host sent; false when it gave the stream up.
    fn attend(&mut self) -> bool {
        let _ = rustix::io::read(&*self.at.waker, &mut [0; 8]);
        while let Ok(Some(event)) = self.at.stream.try_receive_on(channel::SIGNAL) {
            let Incoming::Data(_, numbers) = event else {
                continue;
            };
            for number in numbers {
                // The process is not waited for before the end, so its number
                // cannot be anybody else's group.
                let Some(signal) = Signal::from_named_raw(i32::from(number)) else {
                    continue;
                };
                if self.service.is_some() {
                    self.signal_service(signal);
                } else {
                    let _ = kill_process_group(self.command.pid, signal);
                }
            }
        }
        self.feed();
        self.at.stream.over().is_none()
    }

    /// After the end: sends what the pipes hold at this moment, as far as the
    /// host grants room; false when it gave the stream up. Not until EOF: a
    /// process left in the background may hold a pipe, or fill it, for ever.
    fn drain(&mut self) -> bool {
        self.at.deadline = None;
        let held = |pipe: Option<&OwnedFd>| {
            pipe.and_then(|pipe| rustix::io::ioctl_fionread(pipe).ok())
                .unwrap_or(0) as usize
        };
        let mut left = [held(self.output(0)), held(self.output(1))];
        loop {
            if !self.attend() {
                return false;
            }
            let mut moved = false;
            for (which, left) in left.iter_mut().enumerate() {
                while *left > 0 && self.credit(which) > 0 {
                    let count = self.forward(which, *left);
                    *left = if count == 0 { 0 } else { *left - count };
                    moved = true;
                }
            }
            if left == [0, 0] {
                return true;
            }
            if !moved {
                self.wait(false);
            }
        }
    }

    fn kill(&self) {
        tree::kill_command(self.command.pid, self.group.as_ref());
    }
}

impl<'a> Prepared<'a> {
    /// Takes the started command over.
    pub fn with(self, command: Spawned, group: Option<Group>) -> Pump<'a> {
        Pump {
            at: self,
            command,
            group,
            pending: Vec::new(),
            timed_out: false,
            service: None,
            sent_bytes: [0; 2],
        }
    }
}
