//! A person's terminal on a shell.
//!
//! Owns: the screen at first, output as it comes, input as it is typed.
//! Refuses: a second history; a terminal that is slow beyond what is kept is
//! drawn anew.
//!
//! ```text
//!   client --STDIN: typed, SIGNAL: sizes--> input thread --> shell
//!          <--STDOUT: screen, then text---- this thread <--- history
//!          --END of STDIN: leaves
//! ```

use super::plain::drawing;
use super::shell::{Shared, Shell};
use crate::error::{Error, Result};
use crate::events::Cancel;
use crate::workspaces::shells::asks::check_size;
use crate::workspaces::shells::payloads::ShellAttached;
use pyro_proto::messages::channel;
use pyro_proto::messages::shells::{Control, Controls};
use pyro_proto::{Incoming, Stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Text that is sent at once.
const PIECE_CHARS: u64 = 8192;
/// A wait in which nothing happens is begun anew.
const WAIT: Duration = Duration::from_secs(60);
/// Pause until a program may have read some of what was typed.
const LOOK: Duration = Duration::from_millis(10);
/// An empty screen, whatever was there.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// One terminal, as long as it is there.
struct Attached<'a>(&'a Shell);

impl<'a> Attached<'a> {
    fn new(shell: &'a Shell) -> Self {
        shell.change(|state| state.attached += 1);
        Self(shell)
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.attached -= 1);
    }
}

/// Passes both ways until the shell ends or the person leaves.
pub fn attach(
    shell: &Shared,
    client: &Arc<Stream>,
    (cols, rows): (u16, u16),
    cancel: &Cancel,
) -> Result<ShellAttached> {
    check_size(cols, rows)?;
    shell.check_running()?;
    let attached = Attached::new(shell);
    shell.resize(cols, rows)?;
    let left = Arc::new(AtomicBool::new(false));
    {
        let (shell, client, left) = (shell.clone(), client.clone(), left.clone());
        std::thread::spawn(move || {
            pass_input(&shell, &client, &left);
            left.store(true, Ordering::SeqCst);
            shell.wake();
        });
    }
    let (woken, gone) = (shell.clone(), left.clone());
    let _woken = cancel.on_cancel(move || {
        gone.store(true, Ordering::SeqCst);
        woken.wake();
    });
    show(shell, client, &left)?;
    let detached = shell.is_running();
    // The input thread ends with the stream's answer.
    left.store(true, Ordering::SeqCst);
    drop(attached);
    Ok(ShellAttached {
        shell: shell.payload(),
        detached,
    })
}

fn show(shell: &Shell, client: &Stream, left: &AtomicBool) -> Result<()> {
    let gone = |_| Error::runtime("cancelled", "the terminal is gone");
    let mut cursor = None;
    loop {
        let mut state = shell.state();
        let known = cursor.filter(|at| *at >= state.history.start());
        let text = match known {
            Some(at) => {
                if at == state.history.end() {
                    if state.ended.is_some() || left.load(Ordering::SeqCst) {
                        return Ok(());
                    }
                    state = shell.wait(state, WAIT);
                }
                let slice = state.history.slice(at, PIECE_CHARS);
                cursor = Some(slice.next);
                // What was dropped meanwhile is seen by the next round.
                if slice.dropped > 0 {
                    cursor = None;
                    continue;
                }
                state.history.text(slice.cursor, slice.next)
            }
            None => {
                cursor = Some(state.history.end());
                let replay = state
                    .history
                    .replay(state.history.end(), state.history.end());
                drop(state);
                CLEAR.to_owned() + &replay.as_ref().map(drawing).unwrap_or_default()
            }
        };
        client
            .send(channel::STDOUT, text.as_bytes())
            .map_err(gone)?;
        if left.load(Ordering::SeqCst) {
            return Ok(());
        }
    }
}

fn pass_input(shell: &Shell, client: &Stream, left: &AtomicBool) {
    let mut controls = Controls::default();
    loop {
        match client.receive(None) {
            Ok(Incoming::Data(channel::STDIN, bytes)) => {
                let mut rest = bytes.as_slice();
                while !rest.is_empty() && !left.load(Ordering::SeqCst) {
                    match shell.type_some(rest) {
                        Ok(0) => std::thread::sleep(LOOK),
                        Ok(count) => rest = &rest[count..],
                        Err(_) => return,
                    }
                }
            }
            Ok(Incoming::Data(_, bytes)) => {
                for control in controls.take(&bytes) {
                    if let Control::Resize { cols, rows } = control
                        && check_size(cols, rows).is_ok()
                    {
                        let _ = shell.resize(cols, rows);
                    }
                }
            }
            Ok(Incoming::End(channel::STDIN)) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
