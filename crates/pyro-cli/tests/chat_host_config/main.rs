//! `pyro host` as users see it: the real program on real files, in a home
//! directory of its own.
//!
//! The hosts' programs are fakes here, small shell scripts on PATH: missing,
//! old, hanging, flooding or printing something else, which real ones cannot
//! be made to do. The real ones have tests of their own.
#![allow(clippy::print_stdout)]

mod doctor;
mod documents;
mod faults;
mod keeps;
mod managed;
mod scopes;
mod site;
mod used;
