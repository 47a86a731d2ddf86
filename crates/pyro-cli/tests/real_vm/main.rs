//! The program `pyro` on real guests, under QEMU or, in the KVM lab, Firecracker: what a user does, and every
//! fault that can be produced with real parts.
//!
//! The environments are built once into `target/test-cache` (that takes some
//! minutes on a new machine) and shared by all tests; state is each test's own.

#![allow(clippy::print_stderr)] // a test that is skipped says why

mod clients;
mod damage;
mod faults;
mod firecracker;
mod guest;
mod machine;
mod mcp;
mod output;
mod places;
mod prepare;
mod users;
mod workspaces;
