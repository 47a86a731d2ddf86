//! Secrets that are put into requests outside the guest.
//!
//! Owns: which hosts they are for, the workspace's authority, the encrypted
//! connections to both sides. Refuses: hosts that do not prove who they are,
//! requests for another host inside, secrets in clear, other protocols.
//!
//! ```text
//!  guest --TLS, workspace's certificate--> request head: placeholder -> secret
//!                                          body: as it is
//!                                              |
//!                                   --TLS, verified, pinned address--> host
//!  guest <-- secret -> mask of the same length -- reply, not compressed
//! ```

mod authority;
mod io;
pub(crate) mod mask;
mod reply;
mod request;
pub(crate) mod swap;
mod upstream;

use crate::attempts::{Asked, Attempts};
use crate::config::Brokered;
use crate::proxy::ClientHello;
use crate::proxy::splice::{Activity, close_after_reply, reset, write_all};
use crate::route::Route;
use crate::rules::{HostName, Policy, brokered_hosts};
use authority::Authority;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use io::Prefixed;
use mask::Forms;
use rustls::RootCertStore;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use swap::Secret;
use tokio::net::TcpStream;
use upstream::{NotReached, Upstream, Version};

/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// How long a guest may take for a handshake or a request's head.
const PATIENCE: Duration = Duration::from_secs(30);

const NO_APPLICATION_PROTOCOL: u8 = 120;
const ACCESS_DENIED: u8 = 49;
const INTERNAL_ERROR: u8 = 80;

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The rules and the secrets' hosts do not go together.
    #[error(transparent)]
    Rule(#[from] crate::rules::RuleError),
    /// A value or placeholder that cannot be used.
    #[error("secret {secret} {reason}")]
    Secret {
        /// Its name.
        secret: String,
        /// What is wrong.
        reason: String,
    },
    /// Nothing to check hosts against.
    #[error(
        "no certificate authorities were found on this host, so no brokered secret can be sent safely; install ca-certificates or set SSL_CERT_FILE"
    )]
    NoRoots,
    /// No authority could be made.
    #[error("the workspace's certificate authority could not be made: {0}")]
    Authority(String),
}

/// What is known about one brokered host.
#[derive(Clone)]
pub(crate) struct Host {
    secrets: Arc<[Secret]>,
    forms: Forms,
}

/// Where one connection goes.
#[derive(Clone)]
pub struct Target {
    /// The host.
    pub name: HostName,
    /// Its pinned address.
    pub to: SocketAddr,
    /// The way there.
    pub route: Arc<dyn Route>,
    /// Where it is told.
    pub attempts: Arc<Attempts>,
}

impl Target {
    pub(crate) fn note(&self, allowed: bool, reason: impl Into<String>) {
        let asked = Asked::tcp(Some(self.name.as_str()), self.to, allowed, reason);
        self.attempts.note(asked);
    }
}

/// The brokered hosts of one workspace.
pub struct Broker {
    hosts: BTreeMap<HostName, Host>,
    secrets: Vec<Secret>,
    authority: Authority,
    client: rustls::ClientConfig,
}

/// Whether secrets and rules go together; the same checks without making
/// anything, for whoever reads the flags.
pub fn check(policy: &Policy, brokered: &[Brokered]) -> Result<(), BrokerError> {
    read(policy, brokered).map(drop)
}

fn read(
    policy: &Policy,
    brokered: &[Brokered],
) -> Result<BTreeMap<HostName, Vec<Secret>>, BrokerError> {
    let mut hosts: BTreeMap<HostName, Vec<Secret>> = BTreeMap::new();
    for one in brokered {
        let secret = Secret::new(one).map_err(|reason| BrokerError::Secret {
            secret: one.name.clone(),
            reason,
        })?;
        for host in brokered_hosts(policy, one)? {
            hosts.entry(host).or_default().push(secret.clone());
        }
    }
    Ok(hosts)
}

/// The authorities this host trusts, as a configuration has them.
#[must_use]
pub fn system_authorities() -> Vec<String> {
    let found = rustls_native_certs::load_native_certs().certs;
    found.iter().map(|one| STANDARD.encode(one)).collect()
}

/// Authorities of a configuration; those that are none are left out.
pub(crate) fn roots(authorities: &[String]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let decoded = authorities
        .iter()
        .filter_map(|one| STANDARD.decode(one).ok());
    roots.add_parsable_certificates(decoded.map(Into::into));
    roots
}

impl Broker {
    /// For these secrets; hosts are checked against `roots`.
    pub fn new(
        policy: &Policy,
        brokered: &[Brokered],
        roots: RootCertStore,
    ) -> Result<Self, BrokerError> {
        let hosts = read(policy, brokered)?;
        if roots.is_empty() {
            return Err(BrokerError::NoRoots);
        }
        let names: Vec<_> = hosts.keys().cloned().collect();
        let authority =
            Authority::new(&names).map_err(|error| BrokerError::Authority(error.to_string()))?;
        let client = upstream::client_config(roots)
            .map_err(|error| BrokerError::Authority(error.to_string()))?;
        let secrets = hosts.values().flatten().cloned().collect();
        let hosts = hosts
            .into_iter()
            .map(|(name, secrets)| {
                let forms = Forms::new(&secrets);
                let secrets = secrets.into();
                (name, Host { secrets, forms })
            })
            .collect();
        Ok(Self {
            hosts,
            secrets,
            authority,
            client,
        })
    }

    /// What the guest has to trust, as PEM.
    pub fn ca_certificate_pem(&self) -> &str {
        self.authority.pem()
    }

    /// Whether a host gets a secret.
    pub fn is_for(&self, name: &HostName) -> bool {
        self.hosts.contains_key(name)
    }

    /// Whether a placeholder of any secret is in a request's head.
    pub fn is_mentioned(&self, head: &[u8]) -> bool {
        swap::mentions(&self.secrets, head)
    }

    /// One connection of a guest to a brokered host, to its end.
    pub(crate) async fn relay(
        &self,
        guest: TcpStream,
        seen: Vec<u8>,
        hello: &ClientHello,
        target: Target,
    ) {
        let Some(host) = self.hosts.get(&target.name) else {
            return reset(guest);
        };
        let Some(versions) = Version::offered(&hello.protocols) else {
            target.note(false, "a protocol other than HTTP/1.1 and HTTP/2");
            return alert(guest, NO_APPLICATION_PROTOCOL).await;
        };
        // First the host: what it speaks is what the guest is offered.
        let upstream = match Upstream::connect(&self.client, target.clone(), versions).await {
            Ok(upstream) => upstream,
            Err(NotReached::Unreachable(error)) => {
                target.note(true, format!("brokered; not reached: {}", error.kind()));
                return reset(guest);
            }
            Err(NotReached::Unproven(error)) => {
                let reason = format!("the host did not prove who it is: {error}");
                target.note(false, reason);
                return alert(guest, ACCESS_DENIED).await;
            }
        };
        let version = upstream.version();
        if version == Version::Http1 && !versions.http1 {
            target.note(
                false,
                "the host does not speak HTTP/2, the only protocol asked for",
            );
            return alert(guest, NO_APPLICATION_PROTOCOL).await;
        }
        let config = match self.server_config(&target.name, version, hello) {
            Ok(config) => config,
            Err(error) => {
                target.note(false, format!("no certificate for the guest: {error}"));
                return alert(guest, INTERNAL_ERROR).await;
            }
        };
        let activity = Arc::new(Activity::default());
        let stream = Prefixed::new(seen, guest, Arc::clone(&activity));
        let accept = tokio_rustls::TlsAcceptor::from(config).accept(stream);
        let stream = match tokio::time::timeout(PATIENCE, accept).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return target.note(false, refusal(&error)),
            Err(_) => return target.note(false, "a handshake that did not end in time"),
        };
        target.note(true, "brokered");
        let (upstream, host) = (Arc::new(upstream), host.clone());
        let serve = service_fn(move |request| {
            let (upstream, host) = (Arc::clone(&upstream), host.clone());
            async move {
                Ok::<_, std::convert::Infallible>(request::handle(request, &host, &upstream).await)
            }
        });
        let serving = async {
            match version {
                Version::Http1 => {
                    let mut http = hyper::server::conn::http1::Builder::new();
                    http.timer(TokioTimer::new());
                    http.header_read_timeout(Some(IDLE));
                    http.max_buf_size(128 * 1024);
                    http.half_close(true);
                    http.serve_connection(TokioIo::new(stream), serve).await
                }
                Version::Http2 => {
                    let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    http.timer(TokioTimer::new());
                    http.max_concurrent_streams(Some(100));
                    http.max_header_list_size(64 * 1024);
                    http.serve_connection(TokioIo::new(stream), serve).await
                }
            }
        };
        tokio::select! {
            _ = serving => {}
            () = activity.ended(IDLE) => {}
        }
    }

    fn server_config(
        &self,
        name: &HostName,
        version: Version,
        hello: &ClientHello,
    ) -> Result<Arc<rustls::ServerConfig>, String> {
        let leaf = self.authority.leaf(name)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(leaf)));
        // Each connection is looked at from its beginning.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        if !hello.protocols.is_empty() {
            config.alpn_protocols = vec![version.protocol().to_vec()];
        }
        Ok(Arc::new(config))
    }
}

async fn alert(guest: TcpStream, description: u8) {
    let _ = write_all(&guest, &crate::proxy::alert(description)).await;
    close_after_reply(guest).await;
}

/// Why a guest did not finish the handshake.
fn refusal(error: &std::io::Error) -> String {
    use rustls::AlertDescription as Alert;
    let inside = error.get_ref().and_then(|inside| inside.downcast_ref());
    match inside {
        Some(rustls::Error::AlertReceived(
            alert @ (Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::UnsupportedCertificate
            | Alert::AccessDenied
            | Alert::DecryptError),
        )) => format!(
            "the client refused the workspace's certificate ({alert:?}): it pins its own, or has its own \
             list of authorities; make it trust the bundle in SSL_CERT_FILE, or use a secret that is not brokered"
        ),
        Some(error) => format!("the handshake with the client failed: {error}"),
        None => format!("the client left during the handshake: {}", error.kind()),
    }
}

#[cfg(test)]
mod tests;
