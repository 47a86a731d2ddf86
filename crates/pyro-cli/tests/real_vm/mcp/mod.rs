//! The MCP door on real guests: what reaches a guest through it, and what is
//! left when it ends.
//!
//! Owns: a server over a test's own state. Refuses: what needs no guest, which
//! `mcp_wire` has.

mod ends;
#[path = "../../mcp_wire/host.rs"]
#[allow(dead_code)] // calls that are slow without a guest
mod host;
mod session;

use crate::machine::Place;
use host::Host;
use serde_json::Value;

/// A server with these flags that has shaken hands.
fn serve(place: &Place, words: &[&str]) -> Host {
    let mut command = place.pyro(&[&["mcp", "serve"], words].concat());
    command.current_dir(place.folder.path());
    Host::of(command, tempfile::tempdir().unwrap()).after_handshake()
}

/// The structured content of a call that has to succeed.
fn done(host: &mut Host, tool: &str, arguments: Value) -> Value {
    let answer = host.call(tool, arguments);
    assert!(answer["result"]["isError"] != true, "{tool}: {answer}");
    answer["result"]["structuredContent"].clone()
}

/// The text of a call that has to fail.
fn refused(host: &mut Host, tool: &str, arguments: Value) -> String {
    let answer = host.call(tool, arguments);
    assert_eq!(answer["result"]["isError"], true, "{tool}: {answer}");
    host::text(&answer).to_owned()
}
