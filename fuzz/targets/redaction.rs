//! Output of a guest in which secrets are replaced.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pyro_engine::redact::Redactor;

const SECRET: &[u8] = b"s3cr3t-v4lue";

fuzz_target!(|bytes: &[u8]| {
    let redactor = Redactor::new([SECRET]);
    let whole = redactor.bytes(bytes);
    assert!(!whole.windows(SECRET.len()).any(|at| at == SECRET));
    let step = usize::from(bytes.first().copied().unwrap_or(0) % 9) + 1;
    let mut stream = redactor.stream();
    let mut pieces: Vec<u8> = bytes
        .chunks(step)
        .flat_map(|piece| stream.push(piece))
        .collect();
    pieces.extend(stream.finish());
    assert_eq!(pieces, whole, "in pieces of {step}");
});
