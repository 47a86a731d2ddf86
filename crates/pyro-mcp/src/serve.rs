//! `pyro mcp serve`: one server on standard input and output, or over HTTP.
//!
//! ```text
//!   end of input    calls get 5 s to be answered, then are cancelled; exit 0
//!   TERM, INT       calls are cancelled at once, what they began unwinds, exit 128 + n
//!   a second one    exit now
//!   KILL            one-shot VMs end with their lifeline; what belongs to a
//!                   workspace belongs to its supervisor, and goes on
//! ```
//!
//! Owns: the transport and these ends. Refuses: a word on stdout that is no
//! frame.

use crate::calls::AT_ONCE;
use crate::config::Config;
use crate::http;
use crate::lines::Lines;
use crate::server::Server;
use pyro::project;
use pyro::server_options::ServerOptions;
use pyro::{Error, Result};
use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use rmcp::transport::io::stdio_pipes;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

/// A longer message is refused: no request of a tool is near it.
pub const MESSAGE_BYTES: usize = 16 << 20;
/// For cancelled work to unwind. The official SDKs kill 2 s after TERM.
pub const UNWIND: Duration = Duration::from_millis(1_500);
/// For the answers of cancelled calls to be written.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// Threads besides those of calls: standard streams that are no pipes.
const OTHER_THREADS: usize = 8;

/// Offer this computer's workspaces to a model, over standard input and output.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeArgs {
    /// What the operator decides.
    #[command(flatten)]
    pub options: ServerOptions,
    /// Serve HTTP on this port of 127.0.0.1 instead; 0 takes any free one and says which
    #[arg(long, value_name = "PORT")]
    pub http: Option<u16>,
    /// File with the token that HTTP clients send, 0600; made when it is missing, in the state folder unless given
    #[arg(long, value_name = "FILE", requires = "http")]
    pub http_token_file: Option<PathBuf>,
}

/// Serves until the client is gone; the exit code.
///
/// # Errors
/// Wrong options; a machine without threads; a client that leaves before it
/// said anything.
pub fn serve(args: ServeArgs) -> Result<u8> {
    let config = Config::new(args.options)?;
    greet(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(AT_ONCE + OTHER_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Error::runtime("io", format!("cannot start threads: {error}")))?;
    let server = Server::new(config);
    let ended = runtime.block_on(async {
        match args.http {
            Some(port) => http::serve(server, port, args.http_token_file.as_deref()).await,
            None => until_the_end(server).await,
        }
    });
    // A thread that reads stdin, or a work that does not unwind, ends with the
    // process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended
}

/// One line for the host's log: what this server is.
fn greet(config: &Config) {
    let line = format!(
        "pyro mcp serve: {}; environment {}; {}\n",
        config.surface.name(),
        config.environment,
        project::sentence(config.project.as_ref())
    );
    // Nobody has to read it.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

async fn until_the_end(server: Server) -> Result<u8> {
    let mut signals = Signals::new()?;
    let calls = server.calls();
    let (read, write) = stdio_pipes();
    let transport = Lines::new(read, write, MESSAGE_BYTES);
    let running = tokio::select! {
        running = server.serve(transport) => running.map_err(|error| unspoken(&error))?,
        code = signals.next() => return Ok(code),
    };
    let closing = running.cancellation_token();
    let mut waiting = std::pin::pin!(running.waiting());
    let code = tokio::select! {
        quit = &mut waiting => {
            quit.map_err(|error| Error::runtime("crashed", error.to_string()))?;
            0
        }
        code = signals.next() => {
            tokio::select! {
                () = calls.end(UNWIND) => {}
                _ = signals.next() => return Ok(code),
            }
            closing.cancel();
            let _ = timeout(LAST_WORDS, waiting).await;
            return Ok(code);
        }
    };
    tokio::select! {
        () = calls.end(UNWIND) => Ok(code),
        signalled = signals.next() => Ok(signalled),
    }
}

fn unspoken(error: &ServerInitializeError) -> Error {
    let what = match error {
        ServerInitializeError::ConnectionClosed(_) => {
            "the client closed the connection before it said anything".to_owned()
        }
        other => format!("the client does not begin as MCP does: {other}"),
    };
    Error::runtime("connection_closed", what).hint(
        "this command is started by a chat host, which speaks to it over standard input; see pyro mcp serve --help",
    )
}

/// Those that end it.
pub struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    pub fn new() -> Result<Self> {
        let on = |kind| {
            signal(kind)
                .map_err(|error| Error::runtime("io", format!("cannot heed signals: {error}")))
        };
        Ok(Self {
            term: on(SignalKind::terminate())?,
            int: on(SignalKind::interrupt())?,
        })
    }

    /// The exit code of the next one.
    pub async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.term.recv() => 128 + 15,
            _ = self.int.recv() => 128 + 2,
        }
    }
}
