//! The first bytes of a TLS connection.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| pyro_gateway::fuzzing::tls_hello(bytes));
