//! A reply in which a brokered secret is masked.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| pyro_gateway::fuzzing::masked_reply(bytes));
