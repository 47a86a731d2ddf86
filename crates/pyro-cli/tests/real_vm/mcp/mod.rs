//! The MCP door on real guests: what reaches a guest through it, and what is
//! left when it ends.
//!
//! Owns: a server over a test's own state. Refuses: what needs no guest, which
//! `mcp_wire` has.

mod boundary;
mod ends;
#[path = "../../mcp_wire/host.rs"]
#[allow(dead_code)] // calls that are slow without a guest
mod host;
mod schemas;
mod session;

use crate::machine::Place;
use host::Host;

/// A server with these flags that has shaken hands.
fn serve(place: &Place, words: &[&str]) -> Host {
    let mut command = place.pyro(&[&["mcp", "serve"], words].concat());
    command.current_dir(place.folder.path());
    Host::of(command, tempfile::tempdir().unwrap()).after_handshake()
}
