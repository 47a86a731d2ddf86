//! The encrypted connection to a brokered host.
//!
//! Owns: proving the host, the version that is spoken, a new connection when
//! the host ended one between two requests. Refuses: any other address than
//! the pinned one.

use super::Target;
use crate::route::connect;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

const HANDSHAKE: Duration = Duration::from_secs(20);

/// How the two sides talk: the same on both, so nothing is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What a guest can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// HTTP/1.1, also by saying nothing.
    pub http1: bool,
    /// HTTP/2.
    pub http2: bool,
}

impl Version {
    /// Its name in a handshake.
    pub fn protocol(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }

    /// Those among the names in a handshake; None if there is neither.
    pub fn offered(protocols: &[Vec<u8>]) -> Option<Offered> {
        let has = |version: Self| protocols.iter().any(|one| one == version.protocol());
        let offered = Offered {
            http1: protocols.is_empty() || has(Self::Http1),
            http2: has(Self::Http2),
        };
        (offered.http1 || offered.http2).then_some(offered)
    }
}

/// Why there is no connection.
pub enum NotReached {
    /// The network.
    Unreachable(io::Error),
    /// Its certificate.
    Unproven(rustls::Error),
}

impl From<io::Error> for NotReached {
    fn from(error: io::Error) -> Self {
        let inside = error.get_ref().and_then(|inside| inside.downcast_ref());
        match inside {
            Some(error @ rustls::Error::InvalidCertificate(_)) => Self::Unproven(error.clone()),
            _ => Self::Unreachable(error),
        }
    }
}

/// How hosts are checked.
pub fn client_config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

enum Sender {
    Http1(Mutex<Line>),
    Http2 {
        sender: http2::SendRequest<Incoming>,
        _task: Task,
    },
}

/// One HTTP/1 connection; requests follow each other.
struct Line {
    sender: http1::SendRequest<Incoming>,
    _task: Task,
}

/// Ends with whoever holds it.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The host's side of one connection of a guest.
pub struct Upstream {
    pub(super) target: Target,
    config: Arc<ClientConfig>,
    sender: Sender,
}

type Tls = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

async fn dial(config: &Arc<ClientConfig>, target: &Target) -> Result<Tls, NotReached> {
    let stream = connect(&*target.route, target.to).await?;
    let name = ServerName::try_from(target.name.to_string())
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
    let shaken = tokio::time::timeout(HANDSHAKE, connector.connect(name, stream)).await;
    Ok(shaken.map_err(io::Error::from)??)
}

impl Line {
    async fn new(stream: Tls) -> io::Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let task = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            _task: Task(task),
        })
    }
}

impl Upstream {
    /// Connects; the host chooses among what the guest can speak.
    pub async fn connect(
        config: &ClientConfig,
        target: Target,
        offered: Offered,
    ) -> Result<Self, NotReached> {
        let mut config = config.clone();
        if offered.http2 {
            config
                .alpn_protocols
                .push(Version::Http2.protocol().to_vec());
        }
        if offered.http1 {
            config
                .alpn_protocols
                .push(Version::Http1.protocol().to_vec());
        }
        let mut config = Arc::new(config);
        let stream = dial(&config, &target).await?;
        let chosen = stream.get_ref().1.alpn_protocol();
        let sender = if chosen == Some(Version::Http2.protocol()) {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.max_header_list_size(64 * 1024);
            let (sender, connection) = builder
                .handshake(TokioIo::new(stream))
                .await
                .map_err(io::Error::other)?;
            let task = tokio::spawn(async move {
                let _ = connection.await;
            });
            Sender::Http2 {
                sender,
                _task: Task(task),
            }
        } else {
            // A second connection has to speak what the guest was told.
            let protocols = vec![Version::Http1.protocol().to_vec()];
            Arc::make_mut(&mut config).alpn_protocols = protocols;
            Sender::Http1(Mutex::new(Line::new(stream).await?))
        };
        Ok(Self {
            target,
            config,
            sender,
        })
    }

    /// What the host chose.
    pub fn version(&self) -> Version {
        match self.sender {
            Sender::Http1(_) => Version::Http1,
            Sender::Http2 { .. } => Version::Http2,
        }
    }

    /// Asks the host.
    pub async fn send(&self, request: Request<Incoming>) -> Result<Response<Incoming>, String> {
        match &self.sender {
            Sender::Http2 { sender, .. } => sender
                .clone()
                .send_request(request)
                .await
                .map_err(|error| error.to_string()),
            Sender::Http1(line) => {
                let mut line = line.lock().await;
                if line.sender.ready().await.is_err() {
                    let stream = dial(&self.config, &self.target).await;
                    let stream = stream.map_err(|_| "the host cannot be reached any more")?;
                    *line = Line::new(stream).await.map_err(|error| error.to_string())?;
                    line.sender
                        .ready()
                        .await
                        .map_err(|error| error.to_string())?;
                }
                line.sender
                    .send_request(request)
                    .await
                    .map_err(|error| error.to_string())
            }
        }
    }
}
