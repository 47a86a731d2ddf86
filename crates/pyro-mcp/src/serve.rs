//! `pyro mcp serve`: one server on standard input and output.
//!
//! Owns: the transport and the ends of the process: end of input, TERM, INT.
//! Refuses: a word on stdout that is no frame.

use crate::config::Config;
use crate::server::Server;
use pyro::server_options::ServerOptions;
use pyro::{Error, Result};
use rmcp::ServiceExt;
use rmcp::transport::io::stdio_pipes;

/// Offer this computer's workspaces to a model, over standard input and output.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeArgs {
    /// What the operator decides.
    #[command(flatten)]
    pub options: ServerOptions,
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
