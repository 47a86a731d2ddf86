//! A person's terminal while it belongs to a shell in a guest.
//!
//! Owns: raw mode, and giving the terminal back as it was, on every way out:
//! a return, an error, a panic (the guard), and the end of the process by a
//! signal, for which the door calls [`restore`]. Refuses: handling signals.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The terminal that is raw just now, and how it was.
static SAVED: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// While it lives the terminal is raw.
pub struct RawTerminal(());

impl RawTerminal {
    /// Passes every key on as it is typed.
    pub fn new(terminal: &File) -> std::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        *saved() = Some((terminal.try_clone()?, before));
        let guard = Self(());
        tcsetattr(terminal, OptionalActions::Drain, &raw)?;
        Ok(guard)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back; nothing to do when none was taken.
pub fn restore() {
    if let Some((terminal, before)) = saved().take() {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
    }
}

fn saved() -> MutexGuard<'static, Option<(File, Termios)>> {
    SAVED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
    use rustix::termios::LocalModes;

    #[test]
    fn it_is_given_back_on_every_way_out() {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let master = openpt(flags).unwrap();
        unlockpt(&master).unwrap();
        let terminal = File::from(ioctl_tiocgptpeer(&master, flags).unwrap());
        let modes = || tcgetattr(&terminal).unwrap().local_modes;
        let before = modes();
        assert!(before.contains(LocalModes::ICANON));

        let raw = RawTerminal::new(&terminal).unwrap();
        assert!(!modes().contains(LocalModes::ICANON));
        drop(raw);
        assert_eq!(modes(), before);

        let panicked = std::panic::catch_unwind(|| {
            let _raw = RawTerminal::new(&terminal).unwrap();
            panic!("in the middle");
        });
        assert!(panicked.is_err());
        assert_eq!(modes(), before);

        // As the thread that takes signals does, before it ends the process.
        let raw = RawTerminal::new(&terminal).unwrap();
        restore();
        assert_eq!(modes(), before);
        drop(raw);
        assert_eq!(modes(), before);
    }
}
