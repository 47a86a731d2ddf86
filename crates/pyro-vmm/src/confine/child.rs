//! The steps between fork and exec.
//!
//! Owns: the order of system calls in the three processes of
//! [`super`]'s picture. Refuses: allocating, locking and panicking, because
//! it runs in a fork of a process with threads.
#![allow(unsafe_code)]

use super::view::{STAGING, Step};
use super::{Launch, Level};
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::RawFd;

/// Everything the child needs, made before the fork.
pub(super) struct Plan {
    namespaces: libc::c_int,
    id_maps: Option<[CString; 2]>,
    steps: Option<Vec<Step>>,
    lifeline: RawFd,
    inherit: Vec<RawFd>,
    become_uid: Option<u32>,
    give_up_privileges: bool,
    may_make_devices: bool,
}

impl Plan {
    pub(super) fn new(
        level: Level,
        launch: &Launch<'_>,
        lifeline: RawFd,
        inherit: Vec<RawFd>,
        become_uid: Option<u32>,
    ) -> Self {
        let mut namespaces =
            libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
        if !launch.host_network {
            namespaces |= libc::CLONE_NEWNET;
        }
        let mut id_maps = None;
        match level {
            Level::RootNamespaces => {}
            Level::UserNamespaces => {
                namespaces |= libc::CLONE_NEWUSER;
                let (uid, gid) = (
                    rustix::process::geteuid().as_raw(),
                    rustix::process::getegid().as_raw(),
                );
                let (inner_uid, inner_gid) = if launch.stay_namespace_root {
                    (0, 0)
                } else {
                    (uid, gid)
                };
                id_maps = Some([
                    CString::new(format!("{inner_uid} {uid} 1")).unwrap_or_default(),
                    CString::new(format!("{inner_gid} {gid} 1")).unwrap_or_default(),
                ]);
            }
            Level::LifelineOnly => namespaces = 0,
        }
        Self {
            namespaces,
            id_maps,
            steps: if namespaces == 0 {
                None
            } else {
                launch.view.steps(launch.program)
            },
            lifeline,
            inherit,
            become_uid,
            give_up_privileges: !launch.stay_namespace_root,
            may_make_devices: level == Level::RootNamespaces,
        }
    }

    /// Returns in the program's process only; the caller then executes it.
    pub(super) fn enter(&self) -> io::Result<()> {
        // SAFETY: plain system calls on values that outlive them; the forks
        // continue in this function, on this stack, with one thread each.
        unsafe {
            check(libc::setsid())?;
            if self.namespaces != 0 {
                check(libc::unshare(self.namespaces))?;
            }
            if let Some([uid_map, gid_map]) = &self.id_maps {
                write_file(c"/proc/self/setgroups", c"deny")?;
                write_file(c"/proc/self/uid_map", uid_map)?;
                write_file(c"/proc/self/gid_map", gid_map)?;
            }
            let init = libc::fork();
            if init < 0 {
                return Err(io::Error::last_os_error());
            }
            if init > 0 {
                close_all_but(-1);
                libc::_exit(wait_for(init));
            }
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            if let Some(steps) = &self.steps {
                self.build_view(steps)?;
            }
            let program = libc::fork();
            if program < 0 {
                return Err(io::Error::last_os_error());
            }
            if program > 0 {
                close_all_but(self.lifeline);
                self.guard(program);
            }
            self.become_program()
        }
    }

    /// The namespace's pid 1: ends with the lifeline or the program.
    unsafe fn guard(&self, program: libc::pid_t) -> ! {
        // SAFETY: system calls on descriptors and ids of this process.
        unsafe {
            let handle = libc::syscall(libc::SYS_pidfd_open, program, 0) as libc::c_int;
            loop {
                let mut fds = [
                    libc::pollfd {
                        fd: self.lifeline,
                        events: libc::POLLIN,
                        revents: 0,
                    },
                    libc::pollfd {
                        fd: handle,
                        events: libc::POLLIN,
                        revents: 0,
                    },
                ];
                let ready = libc::poll(fds.as_mut_ptr(), 2, -1);
                if ready < 0 && *libc::__errno_location() == libc::EINTR {
                    continue;
                }
                if fds[1].revents != 0 {
                    libc::_exit(wait_for(program));
                }
                // Without a PID namespace the program has to be ended by name.
                libc::kill(program, libc::SIGKILL);
                libc::_exit(137);
            }
        }
    }

    unsafe fn become_program(&self) -> io::Result<()> {
        // SAFETY: system calls on values of this process.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            for fd in &self.inherit {
                check(libc::fcntl(*fd, libc::F_SETFD, 0))?;
            }
            // A core of the VMM would hold the guest's memory.
            let none = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            check(libc::setrlimit(libc::RLIMIT_CORE, &raw const none))?;
            if let Some(uid) = self.become_uid {
                check(libc::setgroups(0, std::ptr::null()))?;
                check(libc::setresgid(uid, uid, uid))?;
                check(libc::setresuid(uid, uid, uid))?;
                // The change of identity cleared it.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            }
            if self.give_up_privileges {
                check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            }
        }
        Ok(())
    }

    unsafe fn build_view(&self, steps: &[Step]) -> io::Result<()> {
        // SAFETY: every pointer is to a C string that lives in the plan.
        unsafe {
            mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)?;
            mount(
                Some(c"tmpfs"),
                STAGING,
                Some(c"tmpfs"),
                libc::MS_NOSUID,
                Some(c"mode=755,size=1m"),
            )?;
            for step in steps {
                match step {
                    Step::Folder(path) => make_folder(path)?,
                    Step::Link { target, path } => {
                        check(libc::symlink(target.as_ptr(), path.as_ptr()))?;
                    }
                    Step::Bind {
                        from,
                        path,
                        is_file,
                    } => {
                        if *is_file {
                            make_file(path)?;
                        } else {
                            make_folder(path)?;
                        }
                        mount(Some(from), path, None, libc::MS_BIND | libc::MS_REC, None)?;
                    }
                    Step::Device { from, path, number } => {
                        if self.may_make_devices
                            && libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, *number) == 0
                        {
                            check(libc::chmod(path.as_ptr(), 0o666))?;
                        } else {
                            make_file(path)?;
                            mount(Some(from), path, None, libc::MS_BIND, None)?;
                        }
                    }
                    Step::Proc(path) => {
                        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
                        // Where parts of /proc are masked (containers) a new
                        // one is refused and the old one has to do.
                        if mount(Some(c"proc"), path, Some(c"proc"), flags, None).is_err() {
                            mount(
                                Some(c"/proc"),
                                path,
                                None,
                                libc::MS_BIND | libc::MS_REC,
                                None,
                            )?;
                        }
                    }
                }
            }
            check(libc::chdir(STAGING.as_ptr()))?;
            // With both paths equal the old root ends up under the new one
            // and needs no folder of its own.
            check(
                libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) as libc::c_int,
            )?;
            check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH))?;
            check(libc::chdir(c"/".as_ptr()))?;
        }
        Ok(())
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

unsafe fn make_folder(path: &CStr) -> io::Result<()> {
    // SAFETY: a system call on a C string.
    unsafe {
        if libc::mkdir(path.as_ptr(), 0o755) < 0 && *libc::__errno_location() != libc::EEXIST {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

unsafe fn make_file(path: &CStr) -> io::Result<()> {
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

unsafe fn mount(
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

unsafe fn write_file(path: &CStr, text: &CStr) -> io::Result<()> {
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
unsafe fn close_all_but(kept: RawFd) {
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

unsafe fn wait_for(pid: libc::pid_t) -> libc::c_int {
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
