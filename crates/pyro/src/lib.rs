//! The facade: every operation of pyro, defined once, and the Rust SDK.
//!
//! ```text
//! door (CLI, MCP, later Python) -> Row::call -> ops/<verb> -> engine
//! ```
//!
//! Owns: the table of operations ([`ops::TABLE`]) from which the doors derive
//! their flags, schemas and texts, and the typed methods of [`Pyro`].
//! Refuses: rendering (the doors) and doing the work (pyro-engine).
//!
//! ```no_run
//! let pyro = pyro::Pyro::from_env()?;
//! for environment in pyro.list_environments()?.result {
//!     assert!(!environment.name.is_empty());
//! }
//! # Ok::<(), pyro::Error>(())
//! ```

pub mod chat_host_options;
mod client;
pub mod command_line;
pub mod input_rules;
pub mod labels;
mod network_flags;
pub mod operation;
pub mod ops;
pub mod project;
mod published_ports;
pub mod secret_env;
pub mod secrets;
pub mod server_options;
pub mod surface;
mod text_or_file;
mod vm_spec;

pub use client::Pyro;
pub use operation::{Context, Effect, Operation, Row};
pub use pyro_engine::network::gateway_process as gateway;
pub use pyro_engine::workspaces::supervisor::run as supervise;
pub use pyro_engine::{
    Cancel, Error, Event, EventSink, Kind, Layout, NoEvents, Result, phase_fields,
};
pub use pyro_engine::{doctor, environments, host_paths, network, vms, workspaces};
