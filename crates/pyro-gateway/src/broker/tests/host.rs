//! A host that shows what it got, and who vouches for it.

use crate::testbench::Bench;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// Somebody the host of the gateway trusts.
pub struct World {
    issuer: Issuer<'static, KeyPair>,
    pub roots: RootCertStore,
    pub authority: String,
}

impl World {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let issuer = Issuer::new(params, key);
        let authority = STANDARD.encode(certificate.der());
        Self {
            issuer,
            roots,
            authority,
        }
    }

    pub fn server_config(&self, name: &str, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|one| one.to_vec()).collect();
        Arc::new(config)
    }
}

/// What a host got.
pub type Got = Arc<Mutex<Vec<String>>>;

/// Shows what it got: in a header, and in the body, in clear and encoded.
async fn echo(request: Request<Incoming>, got: Got) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let shown = format!(
        "{:?} {} {:?}",
        request.version(),
        request.uri(),
        request.headers()
    );
    got.lock().unwrap().push(shown);
    let authorization = request.headers().get("authorization").cloned();
    let path = request.uri().path().to_owned();
    let encoding = request.headers().get("accept-encoding").cloned();
    let whole = format!("{}", request.uri());
    let body = request.into_body().collect().await?.to_bytes();
    let mut reply = whole.into_bytes();
    if let Some(value) = &authorization {
        reply.push(b' ');
        reply.extend(value.as_bytes());
        reply.push(b' ');
        reply.extend(STANDARD.encode(value.as_bytes()).bytes());
    }
    reply.push(b' ');
    reply.extend(&body);
    let mut response = Response::new(Full::new(Bytes::from(reply)));
    if let Some(value) = authorization {
        response.headers_mut().insert("x-got", value);
    }
    if let Some(encoding) = encoding {
        response.headers_mut().insert("x-encoding", encoding);
    }
    if path == "/gzip" {
        let gzip = "gzip".parse().unwrap();
        response.headers_mut().insert("content-encoding", gzip);
    }
    if path == "/close" {
        let close = "close".parse().unwrap();
        response.headers_mut().insert("connection", close);
    }
    Ok(response)
}

/// A host at a made-up address.
pub async fn serve(bench: &Bench, at: &str, config: Arc<ServerConfig>) -> Got {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    bench.place(at, listener.local_addr().unwrap());
    let got = Got::default();
    let keep = Arc::clone(&got);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (config, keep) = (Arc::clone(&config), Arc::clone(&keep));
            tokio::spawn(async move {
                let acceptor = tokio_rustls::TlsAcceptor::from(config);
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let service = service_fn(move |request| echo(request, Arc::clone(&keep)));
                let stream = TokioIo::new(stream);
                if is_http2 {
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = http.serve_connection(stream, service).await;
                } else {
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(stream, service).await;
                }
            });
        }
    });
    got
}
