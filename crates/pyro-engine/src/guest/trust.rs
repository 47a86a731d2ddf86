//! An authority that a guest's programs shall trust.
//!
//! Owns: one request. Refuses: making authorities, which the gateway does.

use super::{Guest, unexpected};
use crate::error::Result;
use crate::events::Cancel;
use pyro_proto::messages::trust::{AuthorityTrusted, TrustAuthority};
use pyro_proto::messages::{Reply, Request};
use std::time::Duration;

/// A few files in memory.
const TRUST_TIMEOUT: Duration = Duration::from_secs(60);

impl Guest {
    /// Makes programs of the guest trust one more authority.
    ///
    /// # Errors
    /// The agent's refusal, or why the guest is gone.
    pub fn trust_authority(
        &self,
        certificate_pem: &str,
        cancel: &Cancel,
    ) -> Result<AuthorityTrusted> {
        let request = Request::TrustAuthority(TrustAuthority {
            certificate_pem: certificate_pem.to_owned(),
        });
        match self.ask(&request, "trusting an authority", TRUST_TIMEOUT, cancel)? {
            Reply::AuthorityTrusted(trusted) => Ok(trusted),
            other => Err(unexpected(&other)),
        }
    }
}
