//! A packet that was refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| pyro_gateway::fuzzing::ip_packet(bytes));
