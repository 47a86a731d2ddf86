//! The steps between fork and exec.
//!
//! Owns: the order of system calls in the three processes of
//! [`super`]'s picture. Refuses: allocating, locking and panicking, because
//! it runs in a fork of a process with threads.
#![allow(unsafe_code)]

use super::calls::{
    bind_and_listen, check, close_all_but, copy_file, make_file, make_folder, mount, wait_for,
    write_file,
};
use super::jail::Momentary;
use super::step::{STAGING, Step};
use super::{Identity, Launch, Level, Network};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

/// Everything the child needs, made before the fork.
pub(super) struct Plan {
    namespaces: libc::c_int,
    /// Entered before any is made: a user and a network namespace.
    joined: Option<(Option<RawFd>, RawFd)>,
    id_maps: Option<[CString; 2]>,
    /// Of the user namespace that the program gets once it is another user.
    inner_id_maps: Option<[CString; 2]>,
    steps: Option<Vec<Step>>,
    /// Dropped in the parent when the child has taken them.
    _names: Vec<Momentary>,
    /// Where writing `0` enters the control group.
    group: Option<RawFd>,
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
        group: Option<RawFd>,
    ) -> io::Result<Self> {
        let mut namespaces =
            libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
        let joined = match launch.network {
            Network::Own => {
                namespaces |= libc::CLONE_NEWNET;
                None
            }
            Network::Host => None,
            // Root may enter every network namespace as it is.
            Network::Joined { user, net } => Some((
                (level == Level::UserNamespaces).then_some(user.as_raw_fd()),
                net.as_raw_fd(),
            )),
        };
        let mut id_maps = None;
        match level {
            Level::Jailer | Level::RootNamespaces => {}
            Level::UserNamespaces => {
                namespaces |= libc::CLONE_NEWUSER;
                let (uid, gid) = (
                    rustix::process::geteuid().as_raw(),
                    rustix::process::getegid().as_raw(),
                );
                let (inner_uid, inner_gid) = match launch.identity {
                    Identity::NamespaceRoot => (0, 0),
                    _ => (uid, gid),
                };
                // In the namespace that is joined the caller is root.
                let (uid, gid) = if joined.is_some() { (0, 0) } else { (uid, gid) };
                id_maps = Some(maps(inner_uid, uid, inner_gid, gid));
            }
            Level::LifelineOnly => namespaces = 0,
        }
        let uid = match (level, launch.identity) {
            (Level::RootNamespaces, _) => Some(super::fresh_uid()),
            (Level::Jailer, Identity::Jailed(uid)) => Some(uid),
            _ => None,
        };
        let inner_id_maps = match (level, launch.identity, uid) {
            (Level::RootNamespaces, Identity::NamespaceRoot, Some(uid)) => {
                Some(maps(0, uid, 0, uid))
            }
            _ => None,
        };
        let view = if namespaces == 0 {
            None
        } else {
            launch.view.steps(launch.program, level, uid)?
        };
        let (steps, names) = view.map_or((None, Vec::new()), |(steps, names)| (Some(steps), names));
        let mut inherit: Vec<RawFd> = launch.inherit.iter().map(AsRawFd::as_raw_fd).collect();
        inherit.extend(launch.view.inherited(level));
        Ok(Self {
            namespaces,
            joined,
            id_maps,
            inner_id_maps,
            steps,
            _names: names,
            group,
            lifeline,
            inherit,
            become_uid: uid.filter(|_| level == Level::RootNamespaces),
            give_up_privileges: launch.identity == Identity::Unprivileged,
            may_make_devices: matches!(level, Level::Jailer | Level::RootNamespaces),
        })
    }

    /// Returns in the program's process only; the caller then executes it.
    pub(super) fn enter(&self) -> io::Result<()> {
        // SAFETY: plain system calls on values that outlive them; the forks
        // continue in this function, on this stack, with one thread each.
        unsafe {
            check(libc::setsid())?;
            if let Some(group) = self.group {
                check(libc::write(group, c"0".as_ptr().cast(), 1) as libc::c_int)?;
            }
            if let Some((user, net)) = self.joined {
                if let Some(user) = user {
                    check(libc::setns(user, libc::CLONE_NEWUSER))?;
                }
                check(libc::setns(net, libc::CLONE_NEWNET))?;
            }
            if self.namespaces != 0 {
                check(libc::unshare(self.namespaces))?;
            }
            if let Some(maps) = &self.id_maps {
                write_maps(maps)?;
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
            if let Some(maps) = &self.inner_id_maps {
                // It took its own files below /proc away as well.
                check(libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0))?;
                check(libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS))?;
                write_maps(maps)?;
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
                Some(c"mode=755,size=64m"),
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
                    Step::Copy { fd, length, path } => copy_file(*fd, *length, path)?,
                    Step::Listen { fd, path } => bind_and_listen(*fd, path)?,
                    Step::Own { path, uid } => check(libc::chown(path.as_ptr(), *uid, *uid))?,
                    Step::Watch { fd, path } => {
                        check(libc::inotify_add_watch(*fd, path.as_ptr(), libc::IN_CREATE))?;
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

fn maps(inner_uid: u32, uid: u32, inner_gid: u32, gid: u32) -> [CString; 2] {
    [(inner_uid, uid), (inner_gid, gid)]
        .map(|(inner, outer)| CString::new(format!("{inner} {outer} 1")).unwrap_or_default())
}

unsafe fn write_maps([uid_map, gid_map]: &[CString; 2]) -> io::Result<()> {
    // SAFETY: C strings that live in the plan.
    unsafe {
        write_file(c"/proc/self/setgroups", c"deny")?;
        write_file(c"/proc/self/uid_map", uid_map)?;
        write_file(c"/proc/self/gid_map", gid_map)
    }
}
