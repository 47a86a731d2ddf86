//! Ends of requests.
//!
//! Owns: putting a reply on its stream.

use pyro_proto::Stream;
use pyro_proto::messages::{Failed, Reply};

/// The reason for a failed request.
pub fn failed(code: &str, message: impl Into<String>) -> Failed {
    Failed {
        code: code.into(),
        message: message.into(),
    }
}

/// Sends the reply. A host that does not want it any more is no error.
pub fn answer(stream: Stream, reply: &Reply) {
    if let Ok(bytes) = serde_json::to_vec(reply) {
        let _ = stream.close(&bytes);
    }
}

/// Sends a failure.
pub fn fail(stream: Stream, code: &str, message: &str) {
    answer(stream, &Reply::Failed(failed(code, message)));
}
