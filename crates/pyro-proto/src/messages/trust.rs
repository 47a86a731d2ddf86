//! Telling a guest whose certificates to trust besides its own list.
//!
//! Owns: the request, where the agent keeps it, its bound. The certificate is
//! public; its key never leaves the gateway.

use serde::{Deserialize, Serialize};

/// Where the agent keeps it, in memory.
pub const TRUST_FOLDER: &str = "/run/pyro-trust";
/// Most bytes of the certificate.
pub const MAX_CERTIFICATE_BYTES: usize = 64 << 10;

/// Makes programs trust one more authority. Again: another one instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustAuthority {
    /// One certificate as PEM.
    pub certificate_pem: String,
}

/// It is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityTrusted {
    /// The guest's lists of authorities that now have it; empty when the image
    /// has none.
    pub bundles: Vec<String>,
}
