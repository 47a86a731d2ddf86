//! The process that runs one workspace.
//!
//! Owns: its way into the background, its socket, the lock that says it
//! lives, the idle clock, its end. Refuses: a second supervisor of the same
//! workspace.
//!
//! ```text
//!   spawn --> session of its own, lock, socket --1 byte--> client
//!         --> serve connections (serve.rs) on one machine (live.rs)
//!         --> until: stopped, deleted, machine gone, idle too long
//! ```

pub(super) mod client;
mod live;
mod relay;
mod serve;
pub(super) mod wire;

use super::reach;
use super::record::StopReason;
use super::store::Store;
use crate::error::{Error, Result};
use crate::layout::Layout;
use live::Live;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

/// How long answers under way may take once the machine is gone.
const FAREWELL: Duration = Duration::from_secs(3);
/// A supervisor whose client did not come to start anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the workspace `id` until it has no machine any more. Standard output
/// gets one byte when clients may connect.
///
/// # Errors
/// `busy` when another supervisor has it, and whatever keeps it from listening.
pub fn run(layout: &Layout, id: &str) -> Result<()> {
    close_inherited();
    // Of its own, so that a signal to the client's terminal is not for it.
    let _ = rustix::process::setsid();
    raise_file_limit();
    let folder = Store::new(layout).folder(id);
    let Some(lock) = folder.try_lock()? else {
        // The other one listens, or will in a moment; the client asks it.
        say_ready();
        return Ok(());
    };
    let record = reach::mend(&folder, folder.load()?)?;
    let listener = listen(folder.path())?;
    let live = Arc::new(Live::new(layout, folder.clone(), record)?);
    say_ready();
    let accepting = live.clone();
    let incoming = listener
        .try_clone()
        .map_err(Error::io("share the socket of", folder.path()))?;
    std::thread::spawn(move || {
        for connection in incoming.incoming().flatten() {
            let live = accepting.clone();
            std::thread::spawn(move || serve::connection(&live, connection));
        }
    });
    watch(&live);
    // From here on nobody is let in; who is in gets an answer.
    let _ = std::fs::remove_file(folder.file(client::SOCKET));
    live.wait_until_unused(FAREWELL);
    live.end();
    if live.is_to_be_removed() {
        return folder.remove(lock);
    }
    drop(lock);
    Ok(())
}

/// Returns when the machine is gone, or nobody used it for too long.
fn watch(live: &Live) {
    loop {
        if live.is_over() {
            return;
        }
        let left = live.idle_left(PATIENCE);
        if left.is_some_and(|left| left.is_zero()) {
            if live.has_machine() {
                live.stop(StopReason::Idle);
            }
            return;
        }
        let machine_end = live.machine_end();
        let mut fds = vec![PollFd::new(live.wake(), PollFlags::IN)];
        if let Some(end) = &machine_end {
            fds.push(PollFd::new(end, PollFlags::IN));
        }
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        if poll(&mut fds, left.as_ref()).is_err() {
            continue;
        }
        let machine_is_gone = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
        drop(fds);
        live.drain_wake();
        if machine_is_gone {
            live.machine_gone();
        }
    }
}

fn listen(folder: &std::path::Path) -> Result<UnixListener> {
    let dir = File::open(folder).map_err(Error::io("open", folder))?;
    // Left by a supervisor that was killed; the lock is ours.
    let _ = std::fs::remove_file(folder.join(client::SOCKET));
    let path = format!("/proc/self/fd/{}/{}", dir.as_raw_fd(), client::SOCKET);
    UnixListener::bind(path).map_err(Error::io("listen in", folder))
}

fn say_ready() {
    let mut stdout = std::io::stdout();
    // A client that is gone needs no word.
    let _ = stdout.write_all(b"r").and_then(|()| stdout.flush());
    // The client waits for the end of this pipe, too, where it reads all.
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(null);
    }
}

/// Each connection to a published port takes a descriptor.
fn raise_file_limit() {
    let files = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: files.maximum,
        ..files
    };
    // Where it fails, connections above the limit are refused.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// A client's pipes must not stay open because its workspace lives on.
fn close_inherited() {
    #[allow(unsafe_code)]
    // SAFETY: called before this process opened anything of its own beyond
    // the standard streams; nobody uses these numbers.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
}
