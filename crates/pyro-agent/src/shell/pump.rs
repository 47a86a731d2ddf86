//! Moves a shell's bytes, and ends it.
//!
//! Owns: one poll(2) over everything that can happen to a shell. Refuses:
//! buffering: the terminal is read only when the host granted room, and is
//! written without waiting, so neither a slow host nor a program that does not
//! read holds anything else up.
//!
//! ```text
//!   running --pidfd--> drain the terminal --> ShellEnded
//!      | Close: HUP to shell and foreground
//!      v
//!   closing --shell and group gone, or 5 s: KILL--> ShellEnded
//!      any: the host gave the stream up --> KILL
//! ```

use super::start::Started;
use super::terminal::Terminal;
use crate::cgroup::Group;
use crate::tree;
use pyro_proto::frame::{HEADER_BYTES, MAX_DATA_BYTES};
use pyro_proto::messages::channel;
use pyro_proto::messages::shells::{CLOSE_GRACE, Control, Controls, ShellEnded};
use pyro_proto::{Incoming, Stream};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// With its header such a piece is one write to a virtio port.
const PIECE_BYTES: usize = MAX_DATA_BYTES - HEADER_BYTES;
/// Most that is still sent once the shell is over; a process it left behind
/// may write for ever.
const LAST_BYTES: usize = 1024 * 1024;
/// A terminal that shows nothing for so long has nothing left to show.
const QUIET: Duration = Duration::from_millis(100);
/// How often a closing shell's group is looked at, which no event tells.
const LOOK: Duration = Duration::from_millis(20);

/// A stream that waits for its shell.
pub struct Prepared<'a> {
    stream: &'a Stream,
    waker: Arc<OwnedFd>,
}

/// A shell that runs.
pub struct Pump<'a> {
    at: Prepared<'a>,
    shell: Started,
    terminal: Terminal,
    group: Option<Group>,
    controls: Controls,
    pending: Vec<u8>,
    /// When what is left is killed.
    closing: Option<Instant>,
    /// Whether the last read of the terminal failed.
    hung_up: bool,
}

impl<'a> Prepared<'a> {
    pub fn with(self, shell: Started, terminal: Terminal, group: Option<Group>) -> Pump<'a> {
        Pump {
            at: self,
            shell,
            terminal,
            group,
            controls: Controls::default(),
            pending: Vec::new(),
            closing: None,
            hung_up: false,
        }
    }
}

impl<'a> Pump<'a> {
    /// Watches the stream.
    pub fn prepare(stream: &'a Stream) -> io::Result<Prepared<'a>> {
        let waker = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let rings = waker.clone();
        stream.set_waker(Arc::new(move || {
            // A full counter is readable already.
            let _ = rustix::io::write(&*rings, &1u64.to_ne_bytes());
        }));
        Ok(Prepared { stream, waker })
    }

    /// Runs the shell to its end; none when the host gave it up.
    pub fn run(mut self) -> Option<ShellEnded> {
        let ended = self.until_exit();
        if ended {
            self.drain();
        }
        if !ended || self.closing.is_some() {
            tree::kill_command(self.shell.pid, self.group.as_ref());
        }
        let pidfd = WaitId::PidFd(self.shell.pidfd.as_fd());
        let status = waitid(pidfd, WaitIdOptions::EXITED).ok().flatten();
        if !ended {
            return None;
        }
        let status = status.as_ref();
        let signal = status.and_then(|status| status.terminating_signal());
        let code = status.and_then(|status| status.exit_status());
        Some(ShellEnded {
            exit_code: code.unwrap_or_else(|| 128 + signal.unwrap_or_default()),
            signal,
        })
    }

    /// Whether the shell ended; false when the host gave it up.
    fn until_exit(&mut self) -> bool {
        loop {
            let _ = rustix::io::read(&*self.at.waker, &mut [0; 8]);
            self.obey();
            self.feed();
            if self.at.stream.over().is_some() {
                return false;
            }
            let (shown, exited) = self.wait();
            if shown {
                self.hung_up = self.show().is_err();
                if self.hung_up {
                    // A program hung its own terminal up: the next may use it.
                    self.terminal.open_slave();
                }
            }
            if exited && self.is_over() {
                return true;
            }
            if self.closing.is_some_and(|until| until <= Instant::now()) {
                // The shell's own end is seen by the next wait.
                tree::kill_command(self.shell.pid, self.group.as_ref());
                if exited {
                    return true;
                }
            }
        }
    }

    /// Of a shell that is being closed also what it started has to be gone.
    fn is_over(&self) -> bool {
        self.closing.is_none() || !self.group.as_ref().is_some_and(Group::is_populated)
    }

    fn obey(&mut self) {
        while let Ok(Some(Incoming::Data(_, bytes))) =
            self.at.stream.try_receive_on(channel::SIGNAL)
        {
            for control in self.controls.take(&bytes) {
                match control {
                    Control::Signal(number) => self.signal_foreground(number),
                    // A size that the kernel refuses leaves the old one.
                    Control::Resize { cols, rows } => drop(self.terminal.resize(cols, rows)),
                    Control::Close => self.hang_up(),
                }
            }
        }
    }

    fn signal_foreground(&self, number: u8) {
        let Some(signal) = Signal::from_named_raw(i32::from(number)) else {
            return;
        };
        let foreground = self.terminal.foreground().unwrap_or(self.shell.pid);
        // A job that ended just now leaves the shell in front.
        if kill_process_group(foreground, signal).is_err() {
            let _ = kill_process_group(self.shell.pid, signal);
        }
    }

    /// What a terminal that goes away does, and the beginning of the grace.
    fn hang_up(&mut self) {
        if self.closing.is_some() {
            return;
        }
        self.closing = Some(Instant::now() + CLOSE_GRACE);
        let groups = [self.terminal.foreground(), Some(self.shell.pid)];
        for group in groups.into_iter().flatten() {
            // A stopped job could not act on the other.
            for signal in [Signal::HUP, Signal::CONT] {
                let _ = kill_process_group(group, signal);
            }
        }
    }

    /// Writes what the terminal takes of what was typed.
    fn feed(&mut self) {
        loop {
            if self.pending.is_empty() {
                match self.at.stream.try_receive_on(channel::STDIN) {
                    Ok(Some(Incoming::Data(_, bytes))) => self.pending = bytes,
                    // The end of what is typed is no end of the shell.
                    Ok(Some(_)) => continue,
                    _ => return,
                }
            }
            match rustix::io::write(&self.terminal.master, &self.pending) {
                Ok(count) if count > 0 => drop(self.pending.drain(..count)),
                Ok(_) | Err(Errno::AGAIN | Errno::INTR) => return,
                Err(_) => self.pending.clear(),
            }
        }
    }

    /// Whether there is something to show, and whether the shell ended.
    fn wait(&self) -> (bool, bool) {
        let mut master = PollFlags::empty();
        if self.credit() > 0 && !self.hung_up {
            master |= PollFlags::IN;
        }
        if !self.pending.is_empty() && !self.hung_up {
            master |= PollFlags::OUT;
        }
        let mut fds = vec![PollFd::new(&*self.at.waker, PollFlags::IN)];
        // One that ended while its group lives on is readable all the time.
        let look = self.closing.is_some();
        if !look {
            fds.push(PollFd::new(&self.shell.pidfd, PollFlags::IN));
        }
        if !master.is_empty() {
            fds.push(PollFd::new(&self.terminal.master, master));
        }
        // What is hung up says so all the time, so it is asked now and then.
        let timeout = (look || self.hung_up).then(|| timespec(LOOK));
        let ready = poll(&mut fds, timeout.as_ref()).unwrap_or(0) > 0;
        let shown = ready
            && !master.is_empty()
            && fds
                .last()
                .is_some_and(|fd| fd.revents().intersects(PollFlags::IN | PollFlags::HUP));
        (shown || self.hung_up, self.has_ended())
    }

    fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(&self.shell.pidfd, PollFlags::IN)];
        poll(&mut fds, Some(&timespec(Duration::ZERO))).is_ok_and(|count| count > 0)
    }

    fn credit(&self) -> usize {
        self.at.stream.credit(channel::STDOUT)
    }

    /// Sends one piece of what the terminal shows; how many bytes that was,
    /// none when there is nothing now, an error when there never will be.
    fn show(&mut self) -> Result<Option<usize>, Errno> {
        let most = PIECE_BYTES.min(self.credit());
        if most == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; most];
        match rustix::io::read(&self.terminal.master, &mut bytes) {
            Ok(count) => {
                // Only this thread spends the credit that was there.
                let _ = self.at.stream.send(channel::STDOUT, &bytes[..count]);
                Ok(Some(count))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// After the end: sends what the terminal still holds.
    fn drain(&mut self) {
        self.terminal.slave = None;
        let mut sent = 0;
        while sent < LAST_BYTES && self.at.stream.over().is_none() {
            let _ = rustix::io::read(&*self.at.waker, &mut [0; 8]);
            if self.credit() == 0 {
                // The host takes its time.
                let _ = poll(&mut [PollFd::new(&*self.at.waker, PollFlags::IN)], None);
                continue;
            }
            match self.show() {
                Ok(Some(count)) if count > 0 => sent += count,
                Ok(None) => {
                    let mut fds = [PollFd::new(&self.terminal.master, PollFlags::IN)];
                    if poll(&mut fds, Some(&timespec(QUIET))) == Ok(0) {
                        return;
                    }
                }
                _ => return,
            }
        }
    }
}

fn timespec(of: Duration) -> Timespec {
    Timespec {
        tv_sec: of.as_secs() as i64,
        tv_nsec: i64::from(of.subsec_nanos()),
    }
}
