//! The way to the agent of a machine that was just started.
//!
//! Owns: waiting for a guest that dials, bounded by time and by the VMM's
//! life. Refuses: what is said over it.
//!
//! ```text
//!   QEMU, process   a socket pair, there from the start
//!   Firecracker     the guest dials; pyro has listened since before it ran
//! ```

use crate::error::VmmError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

/// A connection, or where it will arrive.
#[derive(Debug)]
pub enum AgentStream {
    /// It is there.
    Connected(UnixStream),
    /// The guest dials this socket.
    Dialled {
        /// Listening since before the guest ran.
        listener: UnixListener,
        /// Readable when the VMM has ended.
        vmm_end: OwnedFd,
    },
}

/// Cuts a stream off, also while it is awaited.
#[derive(Debug)]
pub struct Cutter(UnixStream);

impl Cutter {
    /// Ends every wait.
    pub fn cut(&self) {
        // It may have ended by itself.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl AgentStream {
    /// For another thread, or a signal.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn cutter(&self) -> io::Result<Cutter> {
        Ok(Cutter(match self {
            Self::Connected(stream) => stream.try_clone()?,
            // Shutting a listening socket down wakes who waits for it.
            Self::Dialled { listener, .. } => OwnedFd::from(listener.try_clone()?).into(),
        }))
    }

    /// Waits for the connection.
    ///
    /// # Errors
    /// [`VmmError::TimedOut`] after `timeout`, [`VmmError::Io`] with
    /// `BrokenPipe` when the VMM ended or the stream was cut.
    pub fn connect(self, timeout: Duration) -> Result<UnixStream, VmmError> {
        let (listener, vmm_end) = match self {
            Self::Connected(stream) => return Ok(stream),
            Self::Dialled { listener, vmm_end } => (listener, vmm_end),
        };
        let failed = |error: io::Error| VmmError::io("wait for the guest's connection")(error);
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut fds = [
                PollFd::new(&listener, PollFlags::IN),
                PollFd::new(&vmm_end, PollFlags::IN),
            ];
            match poll(&mut fds, Some(&left)) {
                Ok(0) => {
                    return Err(VmmError::TimedOut {
                        what: "with a connection from the guest".into(),
                        seconds: timeout.as_secs(),
                    });
                }
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(failed(error.into())),
                Ok(_) => {}
            }
            // A connection that arrived before the end is still one.
            if fds[0].revents() == PollFlags::IN {
                return listener.accept().map(|(stream, _)| stream).map_err(failed);
            }
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialled() -> (tempfile::TempDir, AgentStream, std::process::Child) {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let vmm = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = rustix::process::Pid::from_child(&vmm);
        let vmm_end =
            rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
        (dir, AgentStream::Dialled { listener, vmm_end }, vmm)
    }

    #[test]
    fn a_guest_that_dials_is_connected() {
        let (dir, stream, mut vmm) = dialled();
        let _guest = UnixStream::connect(dir.path().join("s")).unwrap();
        assert!(stream.connect(Duration::from_secs(10)).is_ok());
        vmm.kill().unwrap();
        vmm.wait().unwrap();
    }

    #[test]
    fn silence_death_and_a_cut_end_the_wait() {
        let (_dir, stream, mut vmm) = dialled();
        let error = stream.connect(Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.code(), "vmm_timeout");
        vmm.kill().unwrap();
        vmm.wait().unwrap();

        let (_dir, stream, mut vmm) = dialled();
        vmm.kill().unwrap();
        vmm.wait().unwrap();
        assert_eq!(
            stream.connect(Duration::from_secs(10)).unwrap_err().code(),
            "io"
        );

        let (_dir, stream, mut vmm) = dialled();
        let cutter = stream.cutter().unwrap();
        let cut = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            cutter.cut();
        });
        assert_eq!(
            stream.connect(Duration::from_secs(10)).unwrap_err().code(),
            "io"
        );
        cut.join().unwrap();
        vmm.kill().unwrap();
        vmm.wait().unwrap();
    }
}
