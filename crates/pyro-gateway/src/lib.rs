//! What stands between a guest and the network.
//!
//! Owns: a guest's network namespace, the rules about what it may reach, its
//! resolver, the log of what it asked for. Refuses: knowing workspaces and
//! machines; it is told its rules and hands out a TAP.
//!
//! ```text
//!  guest --TAP--> namespace of its own                                   host
//!                 172.30.0.1/30
//!                   :53     resolver (names) ----.
//!                   proxy   TCP by name ----------+--> pasta --sockets--> network
//!                   nft     addresses, spoofing --'
//!                   every attempt --JSON line--> whoever started it
//! ```

mod accept;
pub mod attempts;
pub mod broker;
pub mod config;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod log;
pub mod names;
pub mod namespace;
pub mod proxy;
pub mod registries;
pub mod resolver;
pub mod route;
pub mod rules;

#[cfg(test)]
mod testbench;
