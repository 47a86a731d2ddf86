//! Starting the program in its jail.
//!
//! Owns: what is in the jail, the two ways into it (the jailer under root,
//! namespaces otherwise), and the wait for the API socket. Refuses: configuring.
//!
//! ```text
//!   root + jailer:  view { /jailer /firecracker /jail/firecracker/<id>/root/… } -> jailer -> firecracker
//!   otherwise:      view { /firecracker /… }                                    -> firecracker
//! ```

use super::NAME;
use super::api::Api;
use super::binary::FirecrackerBinary;
use crate::confine::{self, Confined, Identity, Jail, Launch, Level, Limits, Network, View};
use crate::error::VmmError;
use crate::machine::MachineSpec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Port of the host that the agent dials.
const AGENT_PORT: u32 = 5006;
/// Firecracker's vsock socket in the jail.
pub(super) const VSOCK: &str = "v.sock";
const API_SOCKET: &str = "api.sock";
/// Name of every machine: the jail is what tells them apart.
const ID: &str = "pyro";
/// How long the program may take from its start to its API socket.
const API_TIMEOUT: Duration = Duration::from_secs(30);
/// Firecracker promises at most 5 MiB; the jail's files and what the kernel
/// accounts for a process come on top.
const OVERHEAD_BYTES: u64 = 256 << 20;

/// A Firecracker that waits for orders.
pub(super) struct Launched {
    pub confined: Confined,
    pub api: Api,
    pub listener: UnixListener,
}

pub(super) fn launch(
    binary: &FirecrackerBinary,
    spec: &MachineSpec,
    files: &[(String, BorrowedFd<'_>)],
) -> Result<Launched, VmmError> {
    if let Some(jailer) = &binary.jailer
        && rustix::process::geteuid().is_root()
    {
        match start(spec, files, &with_jailer(binary, jailer)) {
            Err(VmmError::Confinement(why)) => {
                tracing::debug!("the jailer cannot be used here: {why}");
            }
            other => return other,
        }
    }
    start(spec, files, &without_jailer(binary))
}

/// One of the two ways into the jail.
struct Way {
    root: PathBuf,
    programs: Vec<(PathBuf, PathBuf)>,
    devices: Vec<&'static str>,
    program: &'static Path,
    args: Vec<OsString>,
    identity: Identity,
    levels: &'static [Level],
}

fn with_jailer(binary: &FirecrackerBinary, jailer: &Path) -> Way {
    let uid = confine::fresh_uid();
    let number = uid.to_string();
    let args = [
        "--id",
        ID,
        "--exec-file",
        "/firecracker",
        "--uid",
        &number,
        "--gid",
        &number,
        "--chroot-base-dir",
        "/jail",
        "--",
    ];
    Way {
        root: PathBuf::from("/jail/firecracker").join(ID).join("root"),
        programs: vec![
            (binary.path.clone(), "/firecracker".into()),
            (jailer.to_owned(), "/jailer".into()),
        ],
        // The jailer makes its own.
        devices: Vec::new(),
        program: Path::new("/jailer"),
        args: words(&args),
        identity: Identity::Jailed(uid),
        levels: &[Level::Jailer],
    }
}

fn without_jailer(binary: &FirecrackerBinary) -> Way {
    Way {
        root: "/".into(),
        programs: vec![(binary.path.clone(), "/firecracker".into())],
        devices: vec!["kvm", "urandom", "null"],
        program: Path::new("/firecracker"),
        args: words(&["--id", ID]),
        identity: Identity::Unprivileged,
        levels: &[Level::RootNamespaces, Level::UserNamespaces],
    }
}

/// Firecracker's own arguments after `first`.
fn words(first: &[&str]) -> Vec<OsString> {
    // Its log and the guest's console share stdout, which is kept within bounds.
    let own = ["--api-sock", API_SOCKET, "--level", "Error"];
    first.iter().chain(&own).map(OsString::from).collect()
}

fn start(
    spec: &MachineSpec,
    files: &[(String, BorrowedFd<'_>)],
    way: &Way,
) -> Result<Launched, VmmError> {
    let system =
        |action: &'static str| move |error: rustix::io::Errno| VmmError::io(action)(error.into());
    let listener = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(system("make a socket"))?;
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)
        .map_err(system("make an inotify instance"))?;
    let mut devices = way.devices.clone();
    if spec.nic.is_some() && !devices.is_empty() {
        devices.push("net/tun");
    }
    let jail = Jail {
        root: way.root.clone(),
        programs: way.programs.clone(),
        files: files.to_vec(),
        listeners: vec![(format!("{VSOCK}_{AGENT_PORT}"), listener.as_fd())],
        watch: Some(watch.as_fd()),
        devices,
    };
    let network = match &spec.nic {
        Some(nic) => Network::Joined {
            user: nic.user.as_fd(),
            net: nic.net.as_fd(),
        },
        None => Network::Own,
    };
    let mut confined = Launch {
        program: way.program,
        args: &way.args,
        env: &[],
        inherit: &[],
        network,
        view: View::Jail(jail),
        identity: way.identity,
        levels: way.levels,
        limits: Some(Limits {
            memory_max_bytes: (u64::from(spec.mem_size_mib) << 20) + OVERHEAD_BYTES,
            pids_max: 64 + spec.vcpu_count,
        }),
        keep_stdout: true,
    }
    .start()?;
    let socket = match connect(&confined, &watch) {
        Ok(socket) => socket,
        Err(error) => return Err(explain(&mut confined, "its start", error)),
    };
    Ok(Launched {
        api: Api::new(socket)?,
        confined,
        listener: listener.into(),
    })
}

/// Waits until the API socket has a name in the jail, and connects to it.
fn connect(confined: &Confined, watch: &OwnedFd) -> Result<UnixStream, VmmError> {
    let deadline = Instant::now() + API_TIMEOUT;
    let end = confined.end_handle()?;
    let late = || VmmError::TimedOut {
        what: "with its API socket".into(),
        seconds: API_TIMEOUT.as_secs(),
    };
    let gone = || VmmError::io("wait for the API socket")(io::ErrorKind::BrokenPipe.into());
    let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 1024];
    let mut events = inotify::Reader::new(watch, &mut buffer);
    loop {
        match events.next() {
            Ok(event) if event.file_name() == Some(c"api.sock") => break,
            Ok(_) | Err(rustix::io::Errno::INTR) => continue,
            Err(rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(VmmError::io("wait for the API socket")(error.into())),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut fds = [
            PollFd::new(watch, PollFlags::IN),
            PollFd::new(&end, PollFlags::IN),
        ];
        match poll(&mut fds, Some(&left)) {
            Ok(0) => return Err(late()),
            _ if fds[0].revents().is_empty() && !fds[1].revents().is_empty() => return Err(gone()),
            _ => {}
        }
    }
    let pid = confined.pids().first().copied().unwrap_or_default();
    let path = format!("/proc/{pid}/root/{API_SOCKET}");
    loop {
        match UnixStream::connect(&path) {
            Ok(socket) => return Ok(socket),
            // It has its name a moment before it listens.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                if Instant::now() >= deadline {
                    return Err(late());
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            Err(error) => return Err(VmmError::io("connect to the API socket")(error)),
        }
    }
}

/// A VMM that ended says why on its way, which beats a closed socket.
pub(super) fn explain(confined: &mut Confined, during: &'static str, error: VmmError) -> VmmError {
    if !matches!(error, VmmError::Io { .. }) {
        return error;
    }
    let Some(code) = confined.wait(Duration::from_secs(1)) else {
        return error;
    };
    let words = [confined.stderr.last_words(), confined.stdout.last_words()].join("\n");
    VmmError::ended(NAME, during, code, &words)
}
