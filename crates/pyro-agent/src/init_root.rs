//! PID 1's way into the guest's root, ahead of the agent.
//!
//! The kernel starts programs of its own, `modprobe` above all, in the root
//! that its threads share with PID 1. While that was the initramfs, nothing was
//! found there: nftables, bridges and file systems that nobody had loaded by
//! hand were "not supported", and containers did not start.
//!
//! Owns: the pair of sockets between agent and PID 1, and the thread in PID 1
//! that waits on it. Refuses: any other request.
//!
//! ```text
//!   agent: root is mounted --1 byte--> PID 1: chroot
//!   agent: moves the mount <--1 byte-- done or not
//! ```

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::Duration;

/// PID 1 has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(5);

static TO_INIT: OnceLock<UnixStream> = OnceLock::new();

/// In PID 1, before there is an agent: its end, and PID 1's.
pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
    UnixStream::pair()
}

/// In the agent: keeps its end.
pub fn keep(end: UnixStream) {
    let _ = TO_INIT.set(end);
}

/// In PID 1, which may have threads from here on: waits to enter `new_root`.
pub fn wait_in_background(mut end: UnixStream, new_root: &'static str) {
    std::thread::spawn(move || {
        let mut byte = [0];
        while end.read_exact(&mut byte).is_ok() {
            let changed = change(new_root);
            if end.write_all(&[u8::from(changed.is_ok())]).is_err() {
                return;
            }
        }
    });
}

fn change(new_root: &str) -> io::Result<()> {
    std::env::set_current_dir(new_root)?;
    rustix::process::chroot(".")?;
    std::env::set_current_dir("/")
}

/// In the agent: has PID 1 enter the new root. The agent of a plain process has
/// no PID 1 to ask, and no kernel of its own.
pub fn lead() -> io::Result<()> {
    let Some(mut end) = TO_INIT.get() else {
        return Ok(());
    };
    end.set_read_timeout(Some(PATIENCE))?;
    end.write_all(&[1])?;
    let mut done = [0];
    end.read_exact(&mut done)?;
    if done == [1] {
        Ok(())
    } else {
        Err(io::Error::other("pid 1 could not enter it"))
    }
}
