//! A packet of a guest to its resolver.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| pyro_gateway::fuzzing::dns_question(bytes));
