//! A person's terminal on a shell.
//!
//! ```text
//!   keys --thread--> Ctrl-]? leave : STDIN --> supervisor --> shell
//!   size, looked at now and then --> SIGNAL -^
//!   screen <-- events <-- STDOUT <------------ supervisor <-- shell
//! ```
//!
//! Owns: the conversation, the key that leaves, the terminal's size. Refuses:
//! anything but a terminal as input; programs read and write shells.

use super::asks::{Open, ShellAsk};
use super::payloads::{Shell, ShellAttached, ShellState};
use super::raw_terminal::RawTerminal;
use super::{COLS, ROWS};
use crate::error::{Error, Result};
use crate::events::{Cancel, Event, EventSink};
use crate::workspaces::Workspaces;
use crate::workspaces::secrets::SecretEnv;
use crate::workspaces::supervisor::wire::Request;
use pyro_proto::messages::channel;
use pyro_proto::messages::shells::Control;
use pyro_proto::{Incoming, Stream};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::termios::{isatty, tcgetwinsize};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ctrl-], as telnet has it: what a person types in a shell does not have it,
/// and it needs no second key that would delay another.
const LEAVE: u8 = 0x1d;
/// How often the terminal's size is looked at. A signal would tell it sooner,
/// but signals belong to the door.
const SIZE_LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};
/// How often keys that found no room are tried again.
const ROOM_LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};
/// Keys beyond this are lost while a program reads none.
const MOST_PENDING_BYTES: usize = 1024 * 1024;
/// Takes back what a full-screen program may have set: alternate screen,
/// colours, hidden cursor, keys, mouse, bracketed paste.
const TIDY: &[u8] = b"\x1b[?1049l\x1b[0m\x1b[?25h\x1b[?1l\x1b>\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\r\n";

/// What to attach to.
pub struct Attach {
    /// Id of the shell; none opens one, which is closed when its program ends.
    pub shell_id: Option<String>,
    /// Working folder of one that is opened.
    pub cwd: String,
    /// Secrets that one which is opened gets in variables.
    pub secret_env: Vec<SecretEnv>,
}

impl Workspaces {
    /// Gives the terminal `stdin` to a shell until it ends or the person leaves.
    ///
    /// # Errors
    /// `no_terminal`; those of opening and reading a shell; `cancelled`.
    pub fn attach_shell(
        &self,
        wanted: &str,
        attach: &Attach,
        stdin: Option<File>,
        events: &dyn EventSink,
        cancel: &Cancel,
    ) -> Result<ShellAttached> {
        let terminal = stdin.filter(|file| isatty(file)).ok_or_else(|| {
            Error::invalid("no_terminal", "standard input is no terminal")
                .hint("a program uses pyro workspace shell open, read and write instead")
        })?;
        let (cols, rows) = size(&terminal);
        let open = || -> Result<Shell> {
            let open = Open {
                cwd: attach.cwd.clone(),
                cols,
                rows,
                secret_env: attach.secret_env.clone(),
            };
            self.open_shell(wanted, &open, events, cancel)
        };
        let opened = match &attach.shell_id {
            Some(_) => None,
            None => Some(open()?.shell_id),
        };
        let shell_id = attach.shell_id.clone().or_else(|| opened.clone());
        let folder = self.store.find(wanted)?;
        let session = self.session_of_shells(&folder)?;
        let request = Request::Shell(ShellAsk::Attach {
            shell_id: shell_id.unwrap_or_default(),
            cols,
            rows,
        });
        let attached: ShellAttached = session.converse(&request, cancel, |stream| {
            converse(stream, terminal, (cols, rows), events)
        })?;
        if let Some(shell_id) = opened.filter(|_| attached.shell.state == ShellState::Stopped) {
            // Whoever opened it saw its end; somebody else may have been faster.
            let _ = self.close_shell(wanted, &shell_id, cancel);
        }
        Ok(attached)
    }
}

/// Passes both ways; the answer once there is one.
fn converse(
    stream: &Arc<Stream>,
    terminal: File,
    size: (u16, u16),
    events: &dyn EventSink,
) -> Result<Option<Vec<u8>>> {
    let unusable = |error| {
        Error::runtime("terminal", format!("the terminal cannot be used: {error}"))
            .hint("try another terminal")
    };
    let raw = RawTerminal::new(&terminal).map_err(unusable)?;
    let stop = eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| unusable(error.into()))?;
    let keys = Keys {
        stop: Arc::new(stop),
        stopped: Arc::default(),
    };
    let (to, of) = (stream.clone(), keys.clone());
    let thread = std::thread::spawn(move || of.pass(terminal, &to, size));
    let answer = loop {
        match stream.receive(None) {
            Ok(Incoming::Data(channel::STDOUT, bytes)) => events.event(Event::Stdout(bytes)),
            Ok(Incoming::Close(answer)) => break Some(answer),
            Ok(_) => {}
            Err(_) => break None,
        }
    };
    keys.stop();
    // It must not take keys that belong to whoever has the terminal next.
    let _ = thread.join();
    events.event(Event::Stdout(TIDY.to_vec()));
    drop(raw);
    Ok(answer)
}

/// The thread that takes keys.
#[derive(Clone)]
struct Keys {
    stop: Arc<OwnedFd>,
    stopped: Arc<AtomicBool>,
}

impl Keys {
    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        // A full counter wakes as well.
        let _ = rustix::io::write(&*self.stop, &1u64.to_ne_bytes());
    }

    fn pass(&self, mut terminal: File, to: &Stream, mut known: (u16, u16)) {
        let mut keys = [0; 4096];
        // Keys are read also while nobody takes them: one of them may leave.
        let mut pending = Vec::new();
        while !self.stopped.load(Ordering::SeqCst) {
            let now = size(&terminal);
            if now != known {
                known = now;
                let (cols, rows) = now;
                let resize = Control::Resize { cols, rows }.encode();
                if to.send(channel::SIGNAL, &resize).is_err() {
                    return;
                }
            }
            match to.send_some(channel::STDIN, &pending) {
                Ok(count) => drop(pending.drain(..count)),
                Err(_) => return,
            }
            let mut fds = [
                PollFd::new(&terminal, PollFlags::IN),
                PollFd::new(&*self.stop, PollFlags::IN),
            ];
            let look = if pending.is_empty() {
                SIZE_LOOK
            } else {
                ROOM_LOOK
            };
            let ready = poll(&mut fds, Some(&look));
            if !matches!(ready, Ok(count) if count > 0) || !fds[1].revents().is_empty() {
                continue;
            }
            let count = match terminal.read(&mut keys) {
                Ok(count) if count > 0 => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                // The terminal is gone.
                _ => break,
            };
            let typed = &keys[..count];
            let leaves = typed.iter().position(|key| *key == LEAVE);
            if pending.len() < MOST_PENDING_BYTES {
                pending.extend_from_slice(&typed[..leaves.unwrap_or(count)]);
            }
            if leaves.is_some() {
                let _ = to.send_some(channel::STDIN, &pending);
                break;
            }
        }
        let _ = to.end(channel::STDIN);
    }
}

/// The terminal's size, within what a shell takes.
fn size(terminal: &File) -> (u16, u16) {
    match tcgetwinsize(terminal) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (
            size.ws_col.min(*super::asks::COLS_RANGE.end()),
            size.ws_row.min(*super::asks::ROWS_RANGE.end()),
        ),
        _ => (COLS, ROWS),
    }
}
