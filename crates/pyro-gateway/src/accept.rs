//! Taking a connection, whatever one of them does.
//!
//! Owns: which failures of accept(2) are about one connection only. Refuses:
//! to spin when the process is out of descriptors.

use std::io;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// The next connection. An error is about the listener itself.
pub async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => match error.raw_os_error() {
                Some(libc_codes::EMFILE | libc_codes::ENFILE | libc_codes::ENOBUFS) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Some(libc_codes::EBADF | libc_codes::EINVAL | libc_codes::ENOTSOCK) | None => {
                    return Err(error);
                }
                // Aborted, unreachable, reset: errors of a connection that
                // Linux hands out here.
                Some(_) => tokio::task::yield_now().await,
            },
        }
    }
}

mod libc_codes {
    use rustix::io::Errno;

    pub const EMFILE: i32 = Errno::MFILE.raw_os_error();
    pub const ENFILE: i32 = Errno::NFILE.raw_os_error();
    pub const ENOBUFS: i32 = Errno::NOBUFS.raw_os_error();
    pub const EBADF: i32 = Errno::BADF.raw_os_error();
    pub const EINVAL: i32 = Errno::INVAL.raw_os_error();
    pub const ENOTSOCK: i32 = Errno::NOTSOCK.raw_os_error();
}
