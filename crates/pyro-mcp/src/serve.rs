//! `pyro mcp serve`: one server on standard input and output, or over HTTP.
//!
//! Owns: the transport and the ends of the process: end of input, TERM, INT.
//! Refuses: a word on stdout that is no frame.

use crate::config::Config;
use crate::http;
use crate::server::Server;
use pyro::server_options::ServerOptions;
use pyro::{Error, Result};
use rmcp::ServiceExt;
use rmcp::transport::io::stdio_pipes;
use std::path::PathBuf;

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

/// Serves until the client is gone.
///
/// # Errors
/// Wrong options; a machine without threads; a client that leaves before it
/// said anything.
pub fn serve(args: ServeArgs) -> Result<()> {
    let config = Config::new(args.options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::runtime("io", format!("cannot start threads: {error}")))?;
    runtime.block_on(async {
        let server = Server::new(config);
        if let Some(port) = args.http {
            return http::serve(server, port, args.http_token_file.as_deref()).await;
        }
        let broken = |error: String| {
            Error::runtime("connection_closed", error).hint("see pyro mcp serve --help")
        };
        let running = server
            .serve(stdio_pipes())
            .await
            .map_err(|error| broken(error.to_string()))?;
        running
            .waiting()
            .await
            .map_err(|error| broken(error.to_string()))?;
        Ok(())
    })
}
