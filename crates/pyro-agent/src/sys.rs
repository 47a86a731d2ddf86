//! System calls that rustix has no safe wrapper for.
//!
//! Owns: every raw call but the child's side of a spawn. Refuses: policy;
//! each function does one thing and returns the kernel's error.
#![allow(
    unsafe_code,
    reason = "fork, ioctls and AF_VSOCK have no safe wrapper in rustix"
)]

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::io;
use std::net::Ipv4Addr;

/// Which side of a fork this is.
pub enum Fork {
    /// The new process.
    Child,
    /// The old process, and the new one's pid.
    Parent(i32),
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Splits the process. Callers do it before they start any thread.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: both roles call it while the process has one thread, so no lock
    // is held by a thread that does not exist in the child.
    let pid = check(unsafe { libc::fork() })?;
    Ok(if pid == 0 {
        Fork::Child
    } else {
        Fork::Parent(pid)
    })
}

/// Takes an inherited descriptor by its number.
pub fn inherited(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD only asks whether the number is open.
    check(unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    // SAFETY: it is open, above stdio as the caller checked, and nothing else
    // in this process owns it: the launcher left it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Brings the loopback interface up.
pub fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?;
    // SAFETY: ifreq is plain data, for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an ifreq, which lives through the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) })?;
    Ok(())
}

/// A network interface, by its name.
pub struct Card {
    socket: OwnedFd,
    name: [libc::c_char; libc::IFNAMSIZ],
}

impl Card {
    pub fn open(name: &str) -> io::Result<Self> {
        let socket = ip_socket()?;
        let mut chars = [0; libc::IFNAMSIZ];
        for (to, from) in chars.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
            *to = from as libc::c_char;
        }
        Ok(Self {
            socket,
            name: chars,
        })
    }

    fn request(&self) -> libc::ifreq {
        // SAFETY: ifreq is plain data, for which all zeroes is a valid value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        request.ifr_name = self.name;
        request
    }

    fn set(&self, command: libc::Ioctl, request: &libc::ifreq) -> io::Result<()> {
        // SAFETY: the commands of this type read an ifreq, which lives through the call.
        check(unsafe { libc::ioctl(self.socket.as_raw_fd(), command, request) }).map(drop)
    }

    /// Gives it an address.
    pub fn address(&self, address: Ipv4Addr, prefix_length: u8) -> io::Result<()> {
        let mut request = self.request();
        request.ifr_ifru.ifru_addr = socket_address(address);
        self.set(libc::SIOCSIFADDR as libc::Ioctl, &request)?;
        let mask = u32::MAX
            .checked_shl(32 - u32::from(prefix_length.min(32)))
            .unwrap_or(0);
        request.ifr_ifru.ifru_netmask = socket_address(mask.into());
        self.set(libc::SIOCSIFNETMASK as libc::Ioctl, &request)
    }

    /// Brings it up.
    pub fn up(&self) -> io::Result<()> {
        let mut request = self.request();
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        self.set(libc::SIOCSIFFLAGS as libc::Ioctl, &request)
    }
}

/// Sends everything without a better way to `router`.
pub fn default_route(router: Ipv4Addr) -> io::Result<()> {
    let socket = ip_socket()?;
    // SAFETY: rtentry is plain data, for which all zeroes is a valid value.
    let mut route: libc::rtentry = unsafe { std::mem::zeroed() };
    route.rt_dst = socket_address(Ipv4Addr::UNSPECIFIED);
    route.rt_genmask = socket_address(Ipv4Addr::UNSPECIFIED);
    route.rt_gateway = socket_address(router);
    route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
    // SAFETY: SIOCADDRT reads an rtentry, which lives through the call.
    check(unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCADDRT as libc::Ioctl,
            &raw const route,
        )
    })
    .map(drop)
}

fn ip_socket() -> io::Result<OwnedFd> {
    Ok(rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?)
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    // SAFETY: sockaddr is plain data, for which all zeroes is a valid value.
    let mut socket_address: libc::sockaddr = unsafe { std::mem::zeroed() };
    socket_address.sa_family = libc::AF_INET as libc::sa_family_t;
    // A sockaddr_in has its port in the first two bytes and then the address.
    for (to, from) in socket_address.sa_data[2..6]
        .iter_mut()
        .zip(address.octets())
    {
        *to = from as libc::c_char;
    }
    socket_address
}

/// Most bytes of entropy one configure may bring.
pub const ENTROPY_MAX_BYTES: usize = 512;

#[repr(C)]
struct PoolInfo {
    entropy_bits: libc::c_int,
    buffer_bytes: libc::c_int,
    buffer: [u8; ENTROPY_MAX_BYTES],
}

/// Mixes `bytes` into the kernel's pool, credits them and reseeds.
pub fn add_entropy(random: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    const RNDADDENTROPY: libc::Ioctl = 0x4008_5203;
    const RNDRESEEDCRNG: libc::Ioctl = 0x5207;
    if bytes.len() > ENTROPY_MAX_BYTES {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut info = PoolInfo {
        entropy_bits: (bytes.len() * 8) as libc::c_int,
        buffer_bytes: bytes.len() as libc::c_int,
        buffer: [0; ENTROPY_MAX_BYTES],
    };
    info.buffer[..bytes.len()].copy_from_slice(bytes);
    // SAFETY: the layout is rand_pool_info's, and buffer_bytes is at most the buffer.
    check(unsafe { libc::ioctl(random.as_raw_fd(), RNDADDENTROPY, &raw const info) })?;
    // SAFETY: RNDRESEEDCRNG takes no argument.
    check(unsafe { libc::ioctl(random.as_raw_fd(), RNDRESEEDCRNG) })?;
    Ok(())
}

/// Drops what the kernel cached of a block device.
pub fn flush_buffers(device: BorrowedFd<'_>) -> io::Result<()> {
    const BLKFLSBUF: libc::Ioctl = 0x1261;
    // SAFETY: BLKFLSBUF takes no argument.
    check(unsafe { libc::ioctl(device.as_raw_fd(), BLKFLSBUF, 0) })?;
    Ok(())
}

/// Writes everything of the file system back and stops every change to it.
pub fn freeze_file_system(root: BorrowedFd<'_>) -> io::Result<()> {
    const FIFREEZE: libc::Ioctl = 0xC004_5877;
    // SAFETY: FIFREEZE ignores its argument.
    check(unsafe { libc::ioctl(root.as_raw_fd(), FIFREEZE, 0) })?;
    Ok(())
}

/// Lets a frozen file system go on.
pub fn thaw_file_system(root: BorrowedFd<'_>) -> io::Result<()> {
    const FITHAW: libc::Ioctl = 0xC004_5878;
    // SAFETY: FITHAW ignores its argument.
    check(unsafe { libc::ioctl(root.as_raw_fd(), FITHAW, 0) })?;
    Ok(())
}

#[repr(C)]
struct TrimRange {
    start: u64,
    length: u64,
    least: u64,
}

/// Discards the free blocks of a part of the file system, where at least
/// `least` bytes are free in a row; how many bytes that were.
pub fn trim_file_system(
    root: BorrowedFd<'_>,
    start: u64,
    length: u64,
    least: u64,
) -> io::Result<u64> {
    const FITRIM: libc::Ioctl = 0xC018_5879;
    let mut range = TrimRange {
        start,
        length,
        least,
    };
    // SAFETY: the layout is fstrim_range's, and it lives through the call.
    check(unsafe { libc::ioctl(root.as_raw_fd(), FITRIM, &raw mut range) })?;
    Ok(range.length)
}

/// Connects to a port of the host over vsock.
pub fn dial_host(port: u32) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: socket() takes no pointers.
    let number = check(unsafe { libc::socket(libc::AF_VSOCK, kind, 0) })?;
    // SAFETY: the number was just returned and nobody else knows it.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    // SAFETY: sockaddr_vm is plain data, for which all zeroes is a valid value.
    let mut address: libc::sockaddr_vm = unsafe { std::mem::zeroed() };
    address.svm_family = libc::AF_VSOCK as libc::sa_family_t;
    address.svm_cid = libc::VMADDR_CID_HOST;
    address.svm_port = port;
    let bytes = size_of::<libc::sockaddr_vm>() as libc::socklen_t;
    // SAFETY: address is a sockaddr_vm of that many bytes and lives through the call.
    check(unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), bytes) })?;
    Ok(socket)
}

/// Marks every descriptor above stderr to be closed at exec, so that nothing
/// a careless launcher left open reaches a command.
pub fn close_all_on_exec() -> io::Result<()> {
    // SAFETY: with this flag nothing is closed here, only marked.
    check(unsafe { libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as i32) })?;
    Ok(())
}
