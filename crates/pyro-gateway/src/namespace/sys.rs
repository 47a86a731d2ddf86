//! The kernel's part.
//!
//! Owns: the system calls that have no safe wrapper, each doing one thing and
//! returning the kernel's error. Refuses: policy.
#![allow(unsafe_code, reason = "namespaces of a thread, TAP ioctls, getifaddrs")]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Gives the calling thread a network namespace of its own. Threads it starts
/// are in it, too; the others stay where they are.
pub fn leave_network() -> io::Result<()> {
    // SAFETY: a network namespace may be left by one thread alone.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) }).map(drop)
}

/// Makes `from`, a namespace, known under the name of the file `to`.
pub fn name_namespace(from: &CStr, to: &CStr) -> io::Result<()> {
    // SAFETY: C strings, and no data.
    check(unsafe {
        libc::mount(
            from.as_ptr(),
            to.as_ptr(),
            std::ptr::null(),
            libc::MS_BIND,
            std::ptr::null(),
        )
    })
    .map(drop)
}

/// An empty folder where `at` is, which nobody else sees.
pub fn private_folder(at: &CStr) -> io::Result<()> {
    // SAFETY: C strings.
    check(unsafe {
        libc::mount(
            c"tmpfs".as_ptr(),
            at.as_ptr(),
            c"tmpfs".as_ptr(),
            libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
            c"mode=700,size=1m".as_ptr().cast(),
        )
    })
    .map(drop)
}

/// A TAP in the calling thread's network namespace, made when it is not there.
/// It stays when its descriptor is closed, so that a VMM may open it by name.
pub fn open_tap(name: &str) -> io::Result<OwnedFd> {
    const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
    const TUNSETPERSIST: libc::Ioctl = 0x4004_54cb;
    const TUNSETVNETHDRSZ: libc::Ioctl = 0x4004_54d8;
    /// Of `virtio_net_hdr_v1`, which both VMMs use.
    const HEADER_BYTES: libc::c_int = 12;
    let file = File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    // SAFETY: ifreq is plain data, for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags =
        (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes an ifreq, which lives through the call.
    check(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &raw mut request) })?;
    // SAFETY: TUNSETVNETHDRSZ reads an int.
    check(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETVNETHDRSZ, &HEADER_BYTES) })?;
    // SAFETY: TUNSETPERSIST takes a number.
    check(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETPERSIST, 1) })?;
    Ok(file.into())
}

/// The IPv4 addresses of the calling thread's network namespace, each with the
/// length of its prefix, and the other end where it has one.
pub fn addresses() -> io::Result<Vec<(Ipv4Addr, u8)>> {
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: it writes a pointer, which is freed below.
    check(unsafe { libc::getifaddrs(&raw mut first) })?;
    let mut found = Vec::new();
    let mut next = first;
    while !next.is_null() {
        // SAFETY: a pointer of the list that getifaddrs made and nobody freed yet.
        let entry = unsafe { &*next };
        let mask = ipv4(entry.ifa_netmask).map_or(32, |mask| u32::from(mask).leading_ones());
        let length = u8::try_from(mask).unwrap_or(32);
        found.extend(ipv4(entry.ifa_addr).map(|address| (address, length)));
        found.extend(ipv4(entry.ifa_ifu).map(|other| (other, 32)));
        next = entry.ifa_next;
    }
    // SAFETY: made above, not used after this.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

fn ipv4(address: *const libc::sockaddr) -> Option<Ipv4Addr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: getifaddrs gives a whole sockaddr of the family it names.
    let family = unsafe { (*address).sa_family };
    if libc::c_int::from(family) != libc::AF_INET {
        return None;
    }
    // SAFETY: of this family it is a sockaddr_in.
    let address = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
    Some(u32::from_be(address.sin_addr.s_addr).into())
}

/// Takes an inherited descriptor by its number.
pub fn inherited(number: i32) -> io::Result<OwnedFd> {
    if number < 3 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: F_SETFD changes a flag, or tells that the number is not open.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: it is open, and nothing else in this process owns it: the
    // launcher left it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// A path as the calls here take it.
pub fn text(path: &str) -> CString {
    CString::new(path).unwrap_or_default()
}
