//! Chat hosts: programs in which a model uses pyro's server.
//!
//! ```text
//! host: what each wants to be told      command_form: how the server is started
//! places: where each keeps it           entry: what is right, field by field
//!      `-- survey: what is there           `-- format: jsonc | toml --> splices
//!             |    |-- trust: whether it uses what a project brings along
//!             |    |-- managed: whether an administrator lets it
//!             |    `-- far: whether ssh reaches a pyro
//!             `-- connect, repair, doctor ----- config_file: backup, rename
//!                         `-- kept_words: what an entry was connected with
//! ```
//!
//! Owns: pyro's entry in the hosts' real configuration files, and the question
//! whether a host knows the server. Everything else in those files stays byte
//! for byte. Refuses: the server itself, its options, logins, any other entry.

mod ask_host;
pub mod command_form;
mod config_file;
pub mod connect;
pub mod doctor;
mod entry;
mod far;
mod fault;
mod format;
pub mod host;
mod jsonc;
mod kept_words;
mod managed;
pub mod payloads;
pub mod places;
mod plugin;
pub mod print_config;
#[cfg(test)]
mod properties;
mod splice;
mod survey;
mod toml;
mod trust;

use crate::error::Result;
use command_form::Launch;
use host::Scope;
use std::path::PathBuf;

/// What an operator asked for.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// How the server is started.
    pub launch: Launch,
    /// Its words after `pyro mcp serve`, paths absolute.
    pub words: Vec<String>,
    /// The flags that mean launch and words to pyro's own commands.
    pub flags: Vec<String>,
    /// Given when there are no such flags: whether words are the server's
    /// options. Doctor and repair then keep those that an entry has.
    pub are_options: Option<fn(&[String]) -> bool>,
    /// Where the entry goes.
    pub scope: Option<Scope>,
    /// `OpenCode`'s file, when it is not the usual one.
    pub config_path: Option<PathBuf>,
}

impl Wish {
    fn server_command(&self, scope: Scope) -> Result<Vec<String>> {
        // A project's file is for everybody who has the project.
        self.launch
            .server_command(&self.words, scope == Scope::Project)
    }
}
