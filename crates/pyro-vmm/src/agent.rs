//! The guest agent's program, embedded.
//!
//! Owns: its bytes and digest. The host and the guest therefore never differ
//! in version, and no image has to carry it.

/// The static program; `/init` of every guest, and the child of the process backend.
pub const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pyro-agent"));

/// SHA-256 of [`PROGRAM`], lower-case hex.
pub const SHA256: &str = env!("PYRO_AGENT_SHA256");
