//! Everything that goes by name, started together.
//!
//! Owns: the resolver, the proxy and the broker of one guest, on one thread,
//! from one configuration. Refuses: making sockets, namespaces or filters;
//! they are handed in.
//!
//! ```text
//!  Config --check--> Policy ---> resolver --pins--> proxy --> broker
//!  sockets ---------------------> :53                :proxy     |
//!  log <-- Attempt, counted ----------------------------------- '
//!  the authority's certificate --> whoever starts the guest
//! ```

use crate::attempts::{Attempts, WINDOW};
use crate::broker::{Broker, BrokerError, system_roots};
use crate::config::Config;
use crate::log::Attempt;
use crate::proxy::{self, Proxy};
use crate::resolver::{self, Pins, Resolver};
use crate::route::{Redirected, Route};
use crate::rules::{Policy, RuleError};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Sockets of the guest's namespace, bound and listening.
#[derive(Debug)]
pub struct Listeners {
    /// Where questions arrive.
    pub dns_udp: std::net::UdpSocket,
    /// Where long ones do.
    pub dns_tcp: std::net::TcpListener,
    /// Where the guest's TCP is redirected to, if [`needs_proxy`].
    pub proxy: Option<std::net::TcpListener>,
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
    /// A socket or the thread.
    #[error("the gateway's resolver and proxy did not start: {0}")]
    Io(#[from] io::Error),
}

/// What runs.
#[derive(Debug)]
pub struct Running {
    /// What the guest has to trust, when there are brokered secrets.
    pub ca_certificate_pem: Option<String>,
    thread: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Waits for a failure; there is no other end than the process's.
    pub fn wait(self) -> io::Result<()> {
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread of the resolver panicked")))
    }
}

/// Whether the guest's TCP has to be redirected. With brokered secrets that
/// to the listed ranges too: a brokered host may be in one.
#[must_use]
pub fn needs_proxy(config: &Config) -> bool {
    config.rules.is_limited() || !config.brokered.is_empty()
}

/// Reads a configuration without starting anything.
pub fn check(config: &Config) -> Result<(), NamesError> {
    let policy = Policy::new(&config.rules, &config.own_addresses)?;
    crate::broker::check(&policy, &config.brokered)?;
    Ok(())
}

/// Serves names until the process ends, on a thread of its own. It uses the
/// network namespace of the thread that calls.
pub fn serve(
    config: &Config,
    listeners: Listeners,
    log: impl Fn(Attempt) + Send + Sync + 'static,
) -> Result<Running, NamesError> {
    let pins = Arc::default();
    serve_by(
        config,
        listeners,
        log,
        pins,
        Arc::new(Redirected),
        system_roots,
    )
}

/// The same with pins of before and another way to the network.
pub(crate) fn serve_by(
    config: &Config,
    listeners: Listeners,
    log: impl Fn(Attempt) + Send + Sync + 'static,
    pins: Arc<Pins>,
    route: Arc<dyn Route>,
    roots: impl FnOnce() -> rustls::RootCertStore,
) -> Result<Running, NamesError> {
    let policy = Policy::new(&config.rules, &config.own_addresses)?;
    let broker = if config.brokered.is_empty() {
        None
    } else {
        let broker = Broker::new(&policy, &config.brokered, roots())?;
        Some(Arc::new(broker))
    };
    let ca_certificate_pem = broker
        .as_ref()
        .map(|broker| broker.ca_certificate_pem().to_owned());
    let attempts = Arc::new(Attempts::new(log));
    let resolver = Arc::new(Resolver::new(
        policy.clone(),
        config.resolvers.clone(),
        Arc::clone(&pins),
        Arc::clone(&attempts),
    ));
    let proxy = Arc::new(Proxy::new(
        policy,
        pins,
        Arc::clone(&attempts),
        broker,
        route,
    ));
    raise_descriptors();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let thread = std::thread::Builder::new()
        .name("names".into())
        .spawn(move || runtime.block_on(run(listeners, resolver, proxy, attempts)))?;
    Ok(Running {
        ca_certificate_pem,
        thread,
    })
}

async fn run(
    listeners: Listeners,
    resolver: Arc<Resolver>,
    proxy: Arc<Proxy>,
    attempts: Arc<Attempts>,
) -> io::Result<()> {
    listeners.dns_udp.set_nonblocking(true)?;
    listeners.dns_tcp.set_nonblocking(true)?;
    let dns_udp = tokio::net::UdpSocket::from_std(listeners.dns_udp)?;
    let dns_tcp = tokio::net::TcpListener::from_std(listeners.dns_tcp)?;
    let listener = match listeners.proxy {
        None => None,
        Some(listener) => {
            listener.set_nonblocking(true)?;
            Some(tokio::net::TcpListener::from_std(listener)?)
        }
    };
    let proxied = async {
        match listener {
            Some(listener) => proxy::serve(listener, proxy).await,
            None => std::future::pending().await,
        }
    };
    let telling = async {
        loop {
            tokio::time::sleep(WINDOW).await;
            attempts.flush();
        }
    };
    tokio::select! {
        ended = resolver::serve(dns_udp, dns_tcp, resolver) => ended,
        ended = proxied => ended,
        never = telling => never,
    }
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
