//! Environments, one-shot VMs and workspaces: everything pyro does,
//! without any door.
//!
//! Owns: what is on disk ([`layout`]), what this machine can do ([`doctor`]),
//! installing the VMM it can do it with ([`firecracker_setup`]),
//! what an operation tells while it runs ([`events`]), what went wrong
//! ([`error`]), reading and applying patches ([`patch`]), telling two trees
//! apart ([`diff`]), what is at a path ([`artifact`]), which files of this host a
//! request may name ([`host_paths`]), what a project's workspaces begin with
//! ([`project`]), a guest's way out ([`network`]), pyro's entry in the files of
//! chat hosts ([`chat_hosts`]), taking secrets out of text ([`redact`]), and
//! trees as file systems (`ext4_image`).
//! Refuses: parsing arguments and rendering results (the doors), driving a
//! VMM (pyro-vmm), framing (pyro-proto).

pub mod artifact;
pub mod chat_hosts;
pub mod diff;
pub mod doctor;
pub mod environments;
pub mod error;
pub mod events;
mod ext4_image;
pub mod firecracker_setup;
pub mod guest;
pub mod host_paths;
pub mod layout;
pub mod network;
mod own_program;
pub mod patch;
pub mod prepare;
pub mod project;
pub mod prune;
pub mod redact;
mod spool;
pub mod start;
mod turn;
mod unfinished;
pub mod vms;
pub mod workspaces;

pub use environments::Environments;
pub use error::{Error, Kind, Result};
pub use events::{Cancel, Event, EventSink, NoEvents, phase_fields};
pub use layout::Layout;
