//! What a model is told about the server as a whole.
//!
//! Owns: the text of each surface, under 2,000 characters, because hosts cut
//! it there. Refuses: what a tool's own description says.

use crate::config::Config;

/// The text of a server.
pub fn of(config: &Config) -> String {
    format!(
        "pyro gives you a disposable computer ({}). The host is not touched.",
        config.environment
    )
}
