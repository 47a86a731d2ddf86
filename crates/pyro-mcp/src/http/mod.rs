//! `pyro mcp serve --http PORT`: one server for clients of this host.
//!
//! ```text
//!   127.0.0.1:PORT --at most 256 connections--> token? no: 401
//!                                                |
//!     path /mcp? no: 404 --> Host and Origin are this address? no: 403
//!                                                |
//!                                     sessions and streams (rmcp) --> Server
//!   TERM, INT --> nothing new is taken, calls are cancelled, connections end
//! ```
//!
//! Every program and every page in a browser of this host can connect to the
//! port, so the address alone means nothing: the token says who may call, and
//! Host and Origin keep a page that points its own name here from trying.
//!
//! Owns: the listener, who gets in, the end. Refuses: any address but
//! 127.0.0.1, and the protocol, which is rmcp's.

mod gate;
mod token;

use crate::serve::{MESSAGE_BYTES, Signals, UNWIND};
use crate::server::Server;
use gate::Gate;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use pyro::{Error, Layout, Result};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Where the protocol is.
const PATH: &str = "/mcp";
/// Connections at once; more wait. A session mostly holds one, for its stream.
const MOST_CONNECTIONS: usize = 256;
/// Until a client has sent the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// Until a session of which nothing is heard is forgotten: as long as a
/// workspace may be idle. Few clients begin anew when theirs is gone.
const SESSION_IDLE: Duration = Duration::from_secs(4 * 3600);
/// Until connections have ended after a signal.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Serves until a signal ends it; the exit code.
///
/// # Errors
/// `io` for a port that cannot be opened; `token_file` for a token that others
/// may read.
pub async fn serve(server: Server, port: u16, token_file: Option<&Path>) -> Result<u8> {
    let cannot = |what: &str, error: std::io::Error| {
        Error::runtime("io", format!("cannot {what}: {error}"))
            .hint("choose another port, or 0 for any free one")
    };
    let default = Layout::from_env()?.mcp_token();
    let token_file = token_file.unwrap_or(&default);
    let gate = Gate::new(token::of(token_file)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| cannot(&format!("listen on 127.0.0.1:{port}"), error))?;
    let port = listener
        .local_addr()
        .map_err(|error| cannot("tell the port", error))?
        .port();
    let mut signals = Signals::new()?;
    let calls = server.calls();
    let service = of(server, port);
    // Nobody may be there to read it.
    let _ = writeln!(
        std::io::stderr(),
        "serving http://127.0.0.1:{port}{PATH}\ntoken (Authorization: Bearer): {}",
        token_file.display()
    );
    let open = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let code = loop {
        let accepted = tokio::select! {
            code = signals.next() => break code,
            accepted = next(&listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else {
            continue;
        };
        let (service, gate) = (service.clone(), gate.clone());
        let answer = hyper::service::service_fn(move |request| {
            let (service, gate) = (service.clone(), gate.clone());
            async move {
                match gate.refusal(&request) {
                    Some(refusal) => Ok::<_, std::convert::Infallible>(refusal),
                    None => Ok(service.handle(request).await),
                }
            }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN);
        let connection = open.watch(builder.serve_connection(TokioIo::new(stream), answer));
        tokio::spawn(async move {
            // A client that breaks off ends its own connection only.
            let _ = connection.await;
            drop(place);
        });
    };
    drop(listener);
    let all_ended = async {
        calls.end(UNWIND).await;
        service.config.cancellation_token.cancel();
        let _ = timeout(END_WITHIN, open.shutdown()).await;
    };
    tokio::select! {
        () = all_ended => {}
        _ = signals.next() => {}
    }
    Ok(code)
}

type Service = StreamableHttpService<Server, LocalSessionManager>;

fn of(server: Server, port: u16) -> Service {
    let names = ["127.0.0.1", "localhost"].map(|host| format!("{host}:{port}"));
    let origins = names.clone().map(|name| format!("http://{name}"));
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(names)
        .with_allowed_origins(origins)
        .with_max_request_body_bytes(MESSAGE_BYTES)
        .enforce_origin_validation();
    let sessions = Arc::new(sessions());
    StreamableHttpService::new(move || Ok(server.clone()), sessions, config)
}

fn sessions() -> LocalSessionManager {
    let mut sessions = LocalSessionManager::default();
    sessions.session_config.keep_alive = Some(SESSION_IDLE);
    sessions
}

/// The next connection, once there is a place for it; none when one was gone
/// before it was taken.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(_) => {
            // No descriptor is left, perhaps; the next may find one.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
