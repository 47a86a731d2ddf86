//! The terminal: a pseudo-terminal's two ends.
//!
//! Owns: making it, its size, which job is in its foreground. Refuses: reading
//! and writing (pump.rs).
//!
//! The agent keeps the slave open while the shell lives. Without that the
//! master reads as ended whenever no program happens to have it open, as when
//! one closes its standard streams, and the pump would have to guess.

use rustix::fd::OwnedFd;
use rustix::process::Pid;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcgetpgrp, tcsetwinsize};
use std::io;

const FLAGS: OpenptFlags = OpenptFlags::RDWR
    .union(OpenptFlags::NOCTTY)
    .union(OpenptFlags::CLOEXEC);

/// A terminal.
pub struct Terminal {
    /// The agent's end; never blocks.
    pub master: OwnedFd,
    /// The programs' end, until the shell is over.
    pub slave: Option<OwnedFd>,
}

impl Terminal {
    /// Makes one.
    pub fn open(cols: u16, rows: u16) -> io::Result<Self> {
        let master = openpt(FLAGS)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let slave = Some(ioctl_tiocgptpeer(&master, FLAGS)?);
        rustix::io::ioctl_fionbio(&master, true)?;
        let terminal = Self { master, slave };
        terminal.resize(cols, rows)?;
        Ok(terminal)
    }

    /// Opens the slave anew, which brings a terminal back that was hung up.
    pub fn open_slave(&mut self) {
        self.slave = ioctl_tiocgptpeer(&self.master, FLAGS).ok();
    }

    /// Gives it another size; the foreground job gets WINCH from the kernel.
    pub fn resize(&self, cols: u16, rows: u16) -> io::Result<()> {
        let size = Winsize {
            ws_row: rows,
            ws_col: cols,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(tcsetwinsize(&self.master, size)?)
    }

    /// The group of the job in its foreground.
    pub fn foreground(&self) -> Option<Pid> {
        tcgetpgrp(&self.master).ok()
    }
}
