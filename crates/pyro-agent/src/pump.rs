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

use crate::cgroup::Group;
use crate::spawn::Spawned;
use crate::tree;
use pyro_proto::frame::{HEADER_BYTES, MAX_DATA_BYTES};
use pyro_proto::messages::{Exec, Exited, channel};
use pyro_proto::{Incoming, Stream};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// With its header such a piece is one write to a virtio port, which takes 32 KiB.
const PIECE_BYTES: usize = MAX_DATA_BYTES - HEADER_BYTES;
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
        let ended = self.pump_until_exit() && self.drain();
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
                if let Some(signal) = Signal::from_named_raw(i32::from(number)) {
                    let _ = kill_process_group(self.command.pid, signal);
                }
            }
        }
        self.feed();
        self.at.stream.over().is_none()
    }

    /// Writes what the command takes of its standard input.
    fn feed(&mut self) {
        loop {
            if self.pending.is_empty() {
                match self.at.stream.try_receive_on(channel::STDIN) {
                    Ok(Some(Incoming::Data(_, bytes))) => self.pending = bytes,
                    Ok(Some(_)) => self.command.stdin = None,
                    _ => return,
                }
            }
            let Some(stdin) = &self.command.stdin else {
                // Nobody reads it, but the host must not wait for room.
                self.pending.clear();
                continue;
            };
            match rustix::io::write(stdin, &self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(Errno::AGAIN) => return,
                Err(_) => self.command.stdin = None,
            }
        }
    }

    /// Waits for the next event: stdout, stderr, stdin, exit.
    fn wait(&self, running: bool) -> [bool; 4] {
        let wanted = [
            (
                self.output(0).filter(|_| running && self.credit(0) > 0),
                PollFlags::IN,
            ),
            (
                self.output(1).filter(|_| running && self.credit(1) > 0),
                PollFlags::IN,
            ),
            (
                self.command
                    .stdin
                    .as_ref()
                    .filter(|_| running && !self.pending.is_empty()),
                PollFlags::OUT,
            ),
            (Some(&self.command.pidfd).filter(|_| running), PollFlags::IN),
        ];
        let mut fds = vec![PollFd::new(&*self.at.waker, PollFlags::IN)];
        fds.extend(
            wanted
                .iter()
                .filter_map(|(fd, flags)| Some(PollFd::new((*fd)?, *flags))),
        );
        let timeout = self.at.deadline.filter(|_| running).map(|deadline| {
            // One more, so that it does not wake just before the deadline.
            let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_nanos(1);
            Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: i64::from(left.subsec_nanos()),
            }
        });
        // An interrupted or failed poll says that nothing is known to be ready.
        let count = poll(&mut fds, timeout.as_ref()).unwrap_or(0);
        let mut ready = fds
            .iter()
            .skip(1)
            .map(|fd| count > 0 && !fd.revents().is_empty());
        wanted.map(|(fd, _)| fd.is_some() && ready.next().unwrap_or(false))
    }

    fn output(&self, which: usize) -> Option<&OwnedFd> {
        match which {
            0 => self.command.stdout.as_ref(),
            _ => self.command.stderr.as_ref(),
        }
    }

    fn credit(&self, which: usize) -> usize {
        self.at.stream.credit(channel::STDOUT + which as u8)
    }

    /// Moves at most `most` bytes of one pipe; returns how many.
    fn forward(&mut self, which: usize, most: usize) -> usize {
        let most = most.min(PIECE_BYTES).min(self.credit(which));
        let Some(pipe) = self.output(which).filter(|_| most > 0) else {
            return 0;
        };
        // Allocated for the moment, not per command: hundreds may be stalled.
        let mut bytes = vec![0; most];
        match rustix::io::read(pipe, &mut bytes) {
            Ok(count) if count > 0 => {
                // The credit was there and only this thread spends it. An error
                // here is the stream's end, which the next round sees.
                let channel = channel::STDOUT + which as u8;
                let _ = self.at.stream.send(channel, &bytes[..count]);
                self.sent_bytes[which] += count as u64;
                count
            }
            Err(Errno::AGAIN | Errno::INTR) => 0,
            _ => {
                match which {
                    0 => self.command.stdout = None,
                    _ => self.command.stderr = None,
                }
                0
            }
        }
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

    /// Ends the command and all it started that can be found.
    fn kill(&self) {
        let below = match &self.group {
            Some(_) => Vec::new(),
            None => tree::descendants(self.command.pid.as_raw_nonzero().get()),
        };
        let _ = kill_process_group(self.command.pid, Signal::KILL);
        if let Some(group) = &self.group {
            group.kill();
        }
        for pid in below {
            tree::signal(pid, Signal::KILL);
        }
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
            sent_bytes: [0; 2],
        }
    }
}
