//! Pyro in the chat hosts and MCP clients that people have: Claude Code, Codex
//! and OpenCode from npm, Inspector, the TypeScript SDK, the Python clients, and
//! the public conformance suite.
//!
//! ```text
//! a test --script--> model (fake, loopback) <--HTTP-- host (real) --stdio--> pyro mcp serve --> guest
//!        <--what the model really received--'
//! ```
//!
//! Only the models are fakes. `ci/install-chat-hosts` installs the rest; a test
//! whose programs are missing fails and names that command. Nothing reaches
//! further than loopback: proxies of the hosts lead to the fake model.
#![allow(clippy::print_stdout)]

mod clients;
mod conformance;
#[path = "../mcp_wire/far_machine.rs"]
mod far_machine;
mod host_files;
mod hosts;
mod http;
mod installed;
mod long_results;
mod managed;
#[path = "../../../pyro-engine/src/chat_hosts/managed/cases.rs"]
mod managed_cases;
mod model;
mod place;
mod plugin_installs;
mod repro_fix;
mod through_ssh;
