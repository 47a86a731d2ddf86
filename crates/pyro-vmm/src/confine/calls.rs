//! System calls as the child makes them.
//!
//! Owns: thin wrappers that take C strings and return errors. Refuses:
//! allocating, locking and panicking, because they run between fork and exec
//! of a process with threads.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::os::fd::RawFd;

pub(super) fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

pub(super) unsafe fn make_folder(path: &CStr) -> io::Result<()> {
    // SAFETY: a system call on a C string.
    unsafe {
        if libc::mkdir(path.as_ptr(), 0o755) < 0 && *libc::__errno_location() != libc::EEXIST {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

pub(super) unsafe fn make_file(path: &CStr) -> io::Result<()> {
    // SAFETY: system calls on a C string and the descriptor they return.
    unsafe {
        let fd = libc::open(
            path.as_ptr(),
            libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC,
            0o644,
        );
        check(fd)?;
        libc::close(fd);
    }
    Ok(())
}

pub(super) unsafe fn mount(
    from: Option<&CStr>,
    path: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> io::Result<()> {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: all pointers are null or to C strings that outlive the call.
    check(unsafe {
        libc::mount(
            pointer(from),
            path.as_ptr(),
            pointer(kind),
            flags,
            pointer(data).cast(),
        )
    })
}

pub(super) unsafe fn write_file(path: &CStr, text: &CStr) -> io::Result<()> {
    // SAFETY: system calls on C strings and the descriptor they return.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        check(fd)?;
        let bytes = text.to_bytes();
        let written = libc::write(fd, bytes.as_ptr().cast(), bytes.len());
        let error = io::Error::last_os_error();
        libc::close(fd);
        if written < 0 { Err(error) } else { Ok(()) }
    }
}

/// Also closes the pipe on which the caller of exec waits: a process that
/// will not execute must not keep it open.
pub(super) unsafe fn close_all_but(kept: RawFd) {
    // SAFETY: this process uses no other descriptor any more.
    unsafe {
        if kept < 0 {
            libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0);
            return;
        }
        if kept > 0 {
            libc::syscall(libc::SYS_close_range, 0, kept - 1, 0);
        }
        libc::syscall(libc::SYS_close_range, kept + 1, u32::MAX, 0);
    }
}

pub(super) unsafe fn wait_for(pid: libc::pid_t) -> libc::c_int {
    // SAFETY: waits for a child of this process.
    unsafe {
        let mut status = 0;
        while libc::waitpid(pid, &raw mut status, 0) < 0 {
            if *libc::__errno_location() != libc::EINTR {
                return 255;
            }
        }
        if libc::WIFSIGNALED(status) {
            128 + libc::WTERMSIG(status)
        } else {
            libc::WEXITSTATUS(status)
        }
    }
}

/// Copies by the kernel, from the start, whatever the descriptor's position.
pub(super) unsafe fn copy_file(from: RawFd, length: u64, path: &CStr) -> io::Result<()> {
    // SAFETY: system calls on a C string, an offset on this stack and the
    // descriptor that open returns.
    unsafe {
        let to = libc::open(
            path.as_ptr(),
            libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC,
            0o444,
        );
        check(to)?;
        let mut offset: libc::off_t = 0;
        let mut left = length as usize;
        while left > 0 {
            let count = libc::sendfile(to, from, &raw mut offset, left);
            if count <= 0 {
                let error = io::Error::last_os_error();
                libc::close(to);
                return Err(error);
            }
            left = left.saturating_sub(count as usize);
        }
        libc::close(to);
    }
    Ok(())
}

pub(super) unsafe fn bind_and_listen(socket: RawFd, path: &CStr) -> io::Result<()> {
    let bytes = path.to_bytes_with_nul();
    // SAFETY: sockaddr_un is plain data, for which all zeroes is a valid value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    if bytes.len() > address.sun_path.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: address is a sockaddr_un of that many bytes, path a C string.
    unsafe {
        check(libc::bind(socket, (&raw const address).cast(), length))?;
        check(libc::listen(socket, 8))?;
        check(libc::chmod(path.as_ptr(), 0o666))
    }
}
