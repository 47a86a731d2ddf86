//! Writing to stdout and stderr so that nothing panics and nothing hangs.
//!
//! Owns: whole writes to a pipe, file or terminal, given up when the caller
//! cancels. Refuses: buffering; the guest's bytes are seen as they come.
//!
//! `println!` panics on a closed pipe, and a blocking write to a pipe that
//! nobody reads would make Ctrl-C useless. So each write is of what surely
//! fits (a pipe that polls writable takes 4 KiB), and between writes the
//! cancellation is looked at.

use pyro::{Cancel, Error};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

/// What a shell sees of a program that SIGPIPE ended.
pub const BROKEN_PIPE: u8 = 128 + 13;

/// What poll promises for a pipe: PIPE_BUF.
const SURE_BYTES: usize = 4096;
const LOOK_AT_CANCEL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// One of the two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Results and the guest's stdout.
    Stdout,
    /// Everything else.
    Stderr,
}

/// Why an output takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its reader is gone.
    Pipe,
    /// The caller wants the end, and the reader does not read.
    Cancelled,
    /// The file or device failed.
    Failed(Stream, Errno),
}

impl Ended {
    pub fn into_error(self) -> Error {
        match self {
            Self::Pipe => Error::runtime("broken_pipe", "the reader of the output is gone"),
            Self::Cancelled => Error::runtime("cancelled", "interrupted while writing output"),
            Self::Failed(stream, errno) => {
                let name = match stream {
                    Stream::Stdout => "standard output",
                    Stream::Stderr => "standard error",
                };
                Error::runtime("output", format!("cannot write {name}: {errno}"))
                    .hint("send the output to a place with space")
            }
        }
    }
}

impl Stream {
    /// Writes all of `bytes`.
    pub fn write(self, bytes: &[u8], cancel: &Cancel) -> Result<(), Ended> {
        match self {
            Self::Stdout => self.write_to(std::io::stdout().as_fd(), bytes, cancel),
            Self::Stderr => self.write_to(std::io::stderr().as_fd(), bytes, cancel),
        }
    }

    fn write_to(self, fd: BorrowedFd<'_>, mut bytes: &[u8], cancel: &Cancel) -> Result<(), Ended> {
        while !bytes.is_empty() {
            let mut polled = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
            match poll(&mut polled, Some(&LOOK_AT_CANCEL)) {
                Ok(0) if cancel.is_cancelled() => return Err(Ended::Cancelled),
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(Ended::Failed(self, errno)),
            }
            match rustix::io::write(fd, &bytes[..bytes.len().min(SURE_BYTES)]) {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(Errno::PIPE) => return Err(Ended::Pipe),
                Err(errno) => return Err(Ended::Failed(self, errno)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Ended, Stream};
    use pyro::Cancel;
    use rustix::fd::AsFd;

    #[test]
    fn a_reader_that_does_not_read_cannot_hold_a_cancelled_program() {
        let (_reader, writer) = rustix::pipe::pipe().unwrap();
        let cancel = Cancel::default();
        cancel.cancel();
        let written = Stream::Stdout.write_to(writer.as_fd(), &[b'x'; 1 << 20], &cancel);
        assert_eq!(written, Err(Ended::Cancelled));
    }

    #[test]
    fn a_reader_that_left_is_told_apart_from_a_full_disk() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let cancel = Cancel::default();
        let written = Stream::Stdout.write_to(writer.as_fd(), b"x", &cancel);
        assert_eq!(written, Err(Ended::Pipe));
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let written = Stream::Stdout.write_to(full.as_fd(), b"x", &cancel);
        assert!(matches!(written, Err(Ended::Failed(..))));
    }
}
