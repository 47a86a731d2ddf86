//! The certificates a guest is shown for brokered hosts.
//!
//! Owns: an authority that lives as long as the gateway, in memory only, and
//! is good for the brokered hosts and nothing else; one certificate per host.
//! Refuses: writing its key anywhere.

use crate::rules::HostName;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// A guest's clock may be wrong by so much.
const SKEW: time::Duration = time::Duration::days(2);
const AUTHORITY_LIFE: time::Duration = time::Duration::days(3650);
const LEAF_LIFE: time::Duration = time::Duration::days(30);

/// How long one is shown before it is made again.
const LEAF_USE: Duration = Duration::from_secs(24 * 3600);

/// An authority for one workspace.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    leaves: Mutex<HashMap<HostName, (Arc<CertifiedKey>, Instant)>>,
}

impl Authority {
    /// A new one, for these hosts only.
    pub fn new(hosts: &[HostName]) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "pyro workspace authority");
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: hosts
                .iter()
                .map(|host| GeneralSubtree::DnsName(host.to_string()))
                .collect(),
            excluded_subtrees: Vec::new(),
        });
        let now = OffsetDateTime::now_utc();
        params.not_before = now - SKEW;
        params.not_after = now + AUTHORITY_LIFE;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
            leaves: Mutex::default(),
        })
    }

    /// What the guest has to trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A host's certificate and its key.
    pub fn leaf(&self, host: &HostName) -> Result<Arc<CertifiedKey>, String> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((leaf, made)) = leaves.get(host)
            && made.elapsed() < LEAF_USE
        {
            return Ok(Arc::clone(leaf));
        }
        let leaf = Arc::new(self.make(host)?);
        leaves.insert(host.clone(), (Arc::clone(&leaf), Instant::now()));
        Ok(leaf)
    }

    fn make(&self, host: &HostName) -> Result<CertifiedKey, String> {
        let text = |error: rcgen::Error| error.to_string();
        let key = KeyPair::generate().map_err(text)?;
        let mut params = CertificateParams::new(vec![host.to_string()]).map_err(text)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        // The common name has at most 64 characters; readers use the other one.
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "pyro workspace");
        let now = OffsetDateTime::now_utc();
        params.not_before = now - SKEW;
        params.not_after = now + LEAF_LIFE;
        let certificate = params.signed_by(&key, &self.issuer).map_err(text)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = rustls::crypto::ring::sign::any_supported_type(&key)
            .map_err(|error| error.to_string())?;
        Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
    use rustls::{RootCertStore, client::danger::ServerCertVerifier};

    #[test]
    fn a_certificate_is_good_for_its_host_and_the_authority_for_no_other() {
        let hosts = ["api.example.org", "b.example.org"].map(|host| HostName::parse(host).unwrap());
        let authority = Authority::new(&hosts).unwrap();
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .unwrap();
        let verify = |host: &str| {
            let leaf = authority.leaf(&HostName::parse(host).unwrap()).unwrap();
            let name = ServerName::try_from(host.to_owned()).unwrap();
            let certificate = leaf.cert[0].clone();
            verifier
                .verify_server_cert(&certificate, &[], &name, &[], UnixTime::now())
                .is_ok()
        };
        assert!(verify("api.example.org") && verify("b.example.org"));
        assert!(
            !verify("other.example.net"),
            "even if it were made to sign one"
        );
        assert!(!authority.pem().contains("PRIVATE"));
        let again = authority.leaf(&hosts[0]).unwrap();
        assert!(Arc::ptr_eq(&again, &authority.leaf(&hosts[0]).unwrap()));
    }
}
