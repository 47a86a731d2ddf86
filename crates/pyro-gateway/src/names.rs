//! Everything that goes by name, made together.
//!
//! Owns: the resolver, the proxy and the broker of one guest, from one
//! configuration, and their two threads. Refuses: making namespaces and
//! filters. A thread's connections leave through the network of whoever
//! starts it: questions through the host's, so that a resolver on its
//! loopback can be asked, everything else through the guest's namespace.
//!
//! ```text
//!  Config --check--> Policy ---> resolver --pins--> proxy --> broker
//!  sockets of the namespace ----> :53                :PROXY_PORT
//!  threads                        host's network     namespace
//!  the authority's certificate --> whoever starts the guest
//! ```

use crate::attempts::Attempts;
use crate::broker::{Broker, BrokerError, roots};
use crate::config::Config;
use crate::log::Attempt;
use crate::namespace::ranges::Host;
use crate::proxy::{self, Proxy};
use crate::resolver::{self, Pins, Resolver};
use crate::route::{Redirected, Route};
use crate::rules::{Policy, RuleError};
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Where the guest's TCP is redirected to.
pub const PROXY_PORT: u16 = 15_001;

/// Sockets of the guest's namespace.
#[derive(Debug)]
pub struct Listeners {
    /// Where questions arrive.
    pub dns_udp: UdpSocket,
    /// Where long ones do.
    pub dns_tcp: TcpListener,
    /// Where the guest's TCP is redirected to, if [`needs_proxy`].
    pub proxy: Option<TcpListener>,
}

impl Listeners {
    /// In the namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(address: Ipv4Addr, with_proxy: bool) -> io::Result<Self> {
        let proxy = || TcpListener::bind((address, PROXY_PORT));
        Ok(Self {
            dns_udp: UdpSocket::bind((address, 53))?,
            dns_tcp: TcpListener::bind((address, 53))?,
            proxy: with_proxy.then(proxy).transpose()?,
        })
    }
}

/// Why names are not served.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// A rule that is none.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A secret that cannot be brokered.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// Whether the guest's TCP has to be redirected. With brokered secrets that
/// to the listed ranges too: a brokered host may be in one.
#[must_use]
pub fn needs_proxy(config: &Config) -> bool {
    config.rules.is_limited() || !config.brokered.is_empty()
}

/// Reads a configuration without making anything.
///
/// # Errors
/// What is wrong with it.
pub fn check(config: &Config) -> Result<(), NamesError> {
    let policy = Policy::new(&config.rules, &Host::default())?;
    crate::broker::check(&policy, &config.brokered)?;
    Ok(())
}

/// A guest's resolver, proxy and broker.
pub struct Names {
    policy: Policy,
    resolver: Arc<Resolver>,
    proxy: Arc<Proxy>,
    ca_certificate_pem: Option<String>,
}

/// A thread that serves until its sockets fail.
pub type Serving = JoinHandle<io::Result<()>>;

impl Names {
    /// From a configuration; `log` must not wait.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(
        config: &Config,
        host: &Host,
        log: impl Fn(Attempt) + Send + Sync + 'static,
    ) -> Result<Self, NamesError> {
        Self::by(config, host, log, Arc::default(), Arc::new(Redirected))
    }

    /// The same with pins of before and another way to the network.
    pub(crate) fn by(
        config: &Config,
        host: &Host,
        log: impl Fn(Attempt) + Send + Sync + 'static,
        pins: Arc<Pins>,
        route: Arc<dyn Route>,
    ) -> Result<Self, NamesError> {
        let policy = Policy::new(&config.rules, host)?;
        let broker = if config.brokered.is_empty() {
            None
        } else {
            let roots = roots(&config.authorities);
            Some(Arc::new(Broker::new(&policy, &config.brokered, roots)?))
        };
        let ca_certificate_pem = broker
            .as_ref()
            .map(|broker| broker.ca_certificate_pem().to_owned());
        let attempts = Arc::new(Attempts::new(log));
        let resolver = Resolver::new(
            policy.clone(),
            config.resolvers.clone(),
            Arc::clone(&pins),
            Arc::clone(&attempts),
        );
        let proxy = Proxy::new(policy.clone(), pins, attempts, broker, route);
        Ok(Self {
            policy,
            resolver: Arc::new(resolver),
            proxy: Arc::new(proxy),
            ca_certificate_pem,
        })
    }

    /// What the guest has to trust, when there are brokered secrets.
    #[must_use]
    pub fn ca_certificate_pem(&self) -> Option<&str> {
        self.ca_certificate_pem.as_deref()
    }

    /// The host has other addresses now.
    pub fn see_host(&self, host: &Host) {
        self.policy.see_host(host);
    }

    /// Answers questions; its own leave through the caller's network.
    ///
    /// # Errors
    /// When there is no thread, or a socket cannot be used.
    pub fn resolve(&self, udp: UdpSocket, tcp: TcpListener) -> io::Result<Serving> {
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        let resolver = Arc::clone(&self.resolver);
        serving("resolver", async move {
            let udp = tokio::net::UdpSocket::from_std(udp)?;
            let tcp = tokio::net::TcpListener::from_std(tcp)?;
            resolver::serve(udp, tcp, resolver).await
        })
    }

    /// Takes redirected connections; its own leave through the caller's
    /// network.
    ///
    /// # Errors
    /// When there is no thread, or the socket cannot be used.
    pub fn proxy(&self, listener: TcpListener) -> io::Result<Serving> {
        listener.set_nonblocking(true)?;
        raise_descriptors();
        let proxy = Arc::clone(&self.proxy);
        serving("proxy", async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            proxy::serve(listener, proxy).await
        })
    }
}

fn serving(
    name: &str,
    work: impl Future<Output = io::Result<()>> + Send + 'static,
) -> io::Result<Serving> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || runtime.block_on(work))
}

/// Two per connection; the usual limit of 1024 is meant for select(2).
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Without it there is room for fewer connections, which is told then.
    let _ = setrlimit(Resource::Nofile, raised);
}
