//! Frames of a guest agent and the messages in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pyro_proto::frame;
use pyro_proto::messages::{Reply, Request};

fuzz_target!(|bytes: &[u8]| {
    message(bytes);
    let mut rest = bytes;
    while let Ok(Some((_, payload))) = frame::read(&mut rest) {
        message(&payload);
    }
});

/// What was understood can be said again, and is the same.
fn message(payload: &[u8]) {
    if let Ok(reply) = serde_json::from_slice::<Reply>(payload) {
        let said = serde_json::to_vec(&reply).expect("a reply");
        let again: Reply = serde_json::from_slice(&said).expect("a reply that was said");
        assert_eq!(said, serde_json::to_vec(&again).expect("a reply"));
    }
    if let Ok(request) = serde_json::from_slice::<Request>(payload) {
        let said = serde_json::to_vec(&request).expect("a request");
        assert!(serde_json::from_slice::<Request>(&said).is_ok());
    }
}
