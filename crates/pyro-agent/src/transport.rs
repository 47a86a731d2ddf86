//! Where connections to the host come from.
//!
//! Owns: finding the virtio-serial port or the vsock, and waiting for the
//! next connection without spinning. Refuses: reading or writing frames.
//!
//! ```text
//!   Port   (QEMU)         one descriptor for ever, host comes and goes
//!   Vsock  (Firecracker)  the guest dials; a restored VM dials again
//!   Socket (process)      one connection; its end is the agent's end
//! ```

use crate::conn::Conn;
use pyro_proto::messages::PORT_NAME;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fd::OwnedFd;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Port of the host that is dialled when the kernel's command line names none.
const DEFAULT_VSOCK_PORT: u32 = 5006;
/// Number of the console device in the virtio specification, section 5.
const VIRTIO_CONSOLE: &str = "0x0003";
/// Pause between two dials: nothing tells a guest that the host listens now.
const REDIAL: Duration = Duration::from_millis(20);

/// A source of connections.
pub enum Transport {
    /// A virtio-serial port and an edge-triggered watch on it.
    Port {
        /// The port.
        port: Arc<OwnedFd>,
        /// Fires at each change of the port, level-less.
        watch: OwnedFd,
    },
    /// A vsock port of the host.
    Vsock(u32),
    /// An inherited socket, until it was taken.
    Socket(Option<OwnedFd>),
}

impl Transport {
    /// The guest's transport: the port called [`PORT_NAME`] of a console
    /// device, or vsock when there is no such device.
    pub fn find() -> io::Result<Self> {
        // A port and its name are told by messages from the host, some time
        // after the driver was loaded; each makes the kernel send a uevent.
        let uevents = listen_to_uevents()?;
        let node = loop {
            match port_node() {
                Some(node) => break node,
                None if !has_console_device() => return Ok(Self::Vsock(vsock_port())),
                None => {
                    rustix::net::recv(&uevents, &mut [0; 4096][..], RecvFlags::empty()).map(drop)?
                }
            }
        };
        let file = File::options().read(true).write(true).open(&node)?;
        let port = Arc::new(OwnedFd::from(file));
        let watch = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&watch, &*port, epoll::EventData::new_u64(0), flags)?;
        Ok(Self::Port { port, watch })
    }

    /// Waits for the next connection; none when there will not be another.
    pub fn next(&mut self) -> io::Result<Option<Conn>> {
        match self {
            Self::Port { port, watch } => {
                wait_for_host(port, watch)?;
                Conn::new(port.clone()).map(Some)
            }
            Self::Vsock(number) => loop {
                match crate::sys::dial_host(*number) {
                    Ok(socket) => return Conn::new(Arc::new(socket)).map(Some),
                    Err(error) if worth_a_redial(&error) => std::thread::sleep(REDIAL),
                    Err(error) => return Err(error),
                }
            },
            Self::Socket(socket) => socket.take().map(|fd| Conn::new(Arc::new(fd))).transpose(),
        }
    }

    /// After a connection whose bytes made no sense: throws away what still
    /// comes until the host leaves, since the frame border is lost.
    pub fn resynchronize(&self) -> io::Result<()> {
        let Self::Port { port, .. } = self else {
            return Ok(()); // the next connection is a new descriptor
        };
        let mut rubbish = [0; 4096];
        loop {
            match rustix::io::read(&**port, &mut rubbish) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    poll(&mut [PollFd::new(&**port, PollFlags::IN)], None)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn worth_a_redial(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionAborted
            | ErrorKind::TimedOut
            | ErrorKind::Interrupted
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
    ) || error.raw_os_error() == Some(libc::ENODEV)
}

/// A port without a host is readable (its read returns 0) and hung up all the
/// time, so level-triggered waiting would spin; the kernel wakes the port's
/// queue when the host comes, which an edge-triggered watch turns into an event.
fn wait_for_host(port: &OwnedFd, watch: &OwnedFd) -> io::Result<()> {
    loop {
        let mut fds = [PollFd::new(port, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&now))?;
        if !fds[0].revents().contains(PollFlags::HUP) {
            return Ok(());
        }
        let mut events = Vec::with_capacity(1);
        match epoll::wait(watch, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn listen_to_uevents() -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::KOBJECT_UEVENT),
    )?;
    // Group 1 carries the kernel's own events.
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 1))?;
    Ok(socket)
}

fn has_console_device() -> bool {
    let devices = std::fs::read_dir("/sys/bus/virtio/devices")
        .into_iter()
        .flatten()
        .flatten();
    devices
        .filter_map(|device| std::fs::read_to_string(device.path().join("device")).ok())
        .any(|kind| kind.trim() == VIRTIO_CONSOLE)
}

fn port_node() -> Option<PathBuf> {
    // Ports may be numbered from any index, so only the name tells.
    std::fs::read_dir("/sys/class/virtio-ports")
        .ok()?
        .flatten()
        .find(|entry| {
            std::fs::read_to_string(entry.path().join("name"))
                .is_ok_and(|name| name.trim() == PORT_NAME)
        })
        .map(|entry| PathBuf::from("/dev").join(entry.file_name()))
}

fn vsock_port() -> u32 {
    std::fs::read_to_string("/proc/cmdline")
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("pyro.vsock_port="))
        .find_map(|number| number.parse().ok())
        .unwrap_or(DEFAULT_VSOCK_PORT)
}
