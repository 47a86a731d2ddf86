//! The MCP door: the operation table as tools for models.
//!
//! ```text
//!            ServerOptions --Config::new--> fixed for the life of the process
//!                                             |
//! tools/list  <-- tools: rows of the surface, schemas narrowed and closed
//! tools/call  --> tools: checked --> boundary: admitted --> calls: Row::call
//!             <-- results: text and structure, each complete <--'
//! prompts/*   <-- prompts: the recipes of docs/use-cases/
//! ```
//!
//! Owns: the protocol, what a model is told and what it may ask of this host.
//! Refuses: doing the work (the facade), and starting or touching any machine
//! before a tool asks for it.

mod boundary;
mod calls;
mod config;
mod http;
mod instructions;
mod lines;
mod prompts;
mod resources;
mod results;
mod serve;
mod server;
mod tools;

pub use serve::{ServeArgs, serve};
pub use tools::{Cost, Costs, ToolsArgs, costs};
