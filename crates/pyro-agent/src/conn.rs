//! One connection to the host: a reader and a writer over one descriptor.
//!
//! Owns: waiting for the descriptor, and ending the writer when the
//! connection is over. Refuses: knowing what kind of descriptor it is.
//!
//! Both sides are non-blocking and wait in poll(2): a virtio port's blocking
//! write would wait for a host that left, and keep the writer for ever.
//!
//! ```text
//!   Reader --poll(fd)--> serve() ends --> Conn::finish()
//!                                            | ended = true, waker
//!   Writer --poll(fd, waker)------------------+--> BrokenPipe
//! ```

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One connection.
pub struct Conn {
    shared: Arc<Shared>,
}

struct Shared {
    fd: Arc<OwnedFd>,
    waker: OwnedFd,
    ended: AtomicBool,
    /// Held during each write, so that the next connection over the same
    /// descriptor cannot start while an old write is under way.
    writing: Mutex<()>,
}

impl Conn {
    /// A connection over `fd`, which becomes non-blocking.
    pub fn new(fd: Arc<OwnedFd>) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&*fd, true)?;
        Ok(Self {
            shared: Arc::new(Shared {
                fd,
                waker: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
                ended: AtomicBool::new(false),
                writing: Mutex::new(()),
            }),
        })
    }

    /// The side that reads.
    pub fn reader(&self) -> Reader {
        Reader {
            shared: self.shared.clone(),
        }
    }

    /// The side that writes.
    pub fn writer(&self) -> Writer {
        Writer {
            shared: self.shared.clone(),
        }
    }

    /// Ends the writer; nothing of this connection is written after it returns.
    pub fn finish(&self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // A full counter wakes the writer as well.
        let _ = rustix::io::write(&self.shared.waker, &1u64.to_ne_bytes());
        drop(
            self.shared
                .writing
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

/// The reading side of a [`Conn`].
pub struct Reader {
    shared: Arc<Shared>,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::io::read(&*self.shared.fd, &mut *buffer) {
                Err(Errno::AGAIN) => {
                    poll(&mut [PollFd::new(&*self.shared.fd, PollFlags::IN)], None)?;
                }
                // A socket whose other end is gone ends like one that was closed.
                Err(Errno::CONNRESET | Errno::NOTCONN | Errno::PIPE | Errno::NODEV) => {
                    return Ok(0);
                }
                done => return Ok(done?),
            }
        }
    }
}

/// The writing side of a [`Conn`].
pub struct Writer {
    shared: Arc<Shared>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let shared = &*self.shared;
        let _writing = shared
            .writing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            if shared.ended.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            match rustix::io::write(&*shared.fd, bytes) {
                Err(Errno::AGAIN) => {}
                done => return Ok(done?),
            }
            let mut fds = [
                PollFd::new(&*shared.fd, PollFlags::OUT),
                PollFd::new(&shared.waker, PollFlags::IN),
            ];
            poll(&mut fds, None)?;
            let ready = fds[0].revents();
            if ready.contains(PollFlags::HUP) && !ready.contains(PollFlags::OUT) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
