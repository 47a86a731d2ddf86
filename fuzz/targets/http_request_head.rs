//! The first bytes of an HTTP connection.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| pyro_gateway::fuzzing::http_request_head(bytes));
