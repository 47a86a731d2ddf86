//! `pyro mcp serve` on the wire, without any guest: both protocol eras, calls
//! beside a slow one, broken frames, and every end of the process.
#![allow(clippy::print_stdout)]

mod bad_frames;
mod boundary;
mod calls;
mod clients;
mod eras;
mod far_machine;
mod host;
mod life;
mod through_ssh;
