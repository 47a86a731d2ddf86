//! Where a connection was going, and the way there.
//!
//! Owns: asking the kernel for the destination before the redirect, and
//! whether an address is this machine's. Refuses: to lead a guest back into
//! the gateway or the host.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::net::TcpStream;

/// The network as a proxy sees it. Tests put another one in its place.
pub trait Route: Send + Sync {
    /// Where a redirected connection was going.
    fn destination(&self, redirected: &TcpStream) -> io::Result<SocketAddr>;

    /// The address to connect to for `to`. `PermissionDenied`: never.
    fn way(&self, to: SocketAddr) -> io::Result<SocketAddr>;
}

/// Connections redirected by the packets' filter of this namespace.
#[derive(Debug, Default)]
pub struct Redirected;

impl Route for Redirected {
    fn destination(&self, redirected: &TcpStream) -> io::Result<SocketAddr> {
        let near = redirected.local_addr()?;
        let to: SocketAddr = match near {
            SocketAddr::V4(_) => rustix::net::sockopt::ip_original_dst(redirected)?.into(),
            SocketAddr::V6(_) => rustix::net::sockopt::ipv6_original_dst(redirected)?.into(),
        };
        // Connection tracking also knows connections that were not redirected.
        if to == near {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(to)
    }

    fn way(&self, to: SocketAddr) -> io::Result<SocketAddr> {
        if is_own(to.ip()) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(to)
    }
}

/// How long a server may take to accept.
const CONNECT: Duration = Duration::from_secs(15);

/// Connects to `to`, no further name looked up.
pub async fn connect(route: &dyn Route, to: SocketAddr) -> io::Result<TcpStream> {
    let way = route.way(to)?;
    let server = tokio::time::timeout(CONNECT, TcpStream::connect(way)).await??;
    let _ = server.set_nodelay(true);
    Ok(server)
}

/// Whether an address belongs to this machine: only those can be bound. The
/// namespace has the host's addresses as its own.
fn is_own(address: IpAddr) -> bool {
    let any = match address {
        IpAddr::V4(four) => four == Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(six) => six == Ipv6Addr::UNSPECIFIED,
    };
    any || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_never_a_way() {
        for own in ["127.0.0.1:80", "0.0.0.0:80", "127.3.4.5:443"] {
            let error = Redirected.way(own.parse().unwrap()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{own}");
        }
        let other = "198.51.100.7:80".parse().unwrap();
        assert_eq!(Redirected.way(other).unwrap(), other);
    }

    #[tokio::test]
    async fn a_connection_nobody_redirected_has_no_destination() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (_client, accepted) = tokio::join!(client, listener.accept());
        assert!(Redirected.destination(&accepted.unwrap().0).is_err());
    }
}
