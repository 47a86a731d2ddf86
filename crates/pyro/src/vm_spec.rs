//! Defaults of what one-shot VMs and workspaces are made of.
//!
//! Owns: the defaults, and the choice of the VMM from the request, then
//! `PYRO_BACKEND`. Refuses: checking ranges, which the engine does for every
//! door (a wrong size is the product's error, exit 125, not the parser's).

use crate::network_flags;
use crate::vms::payloads::{BackendChoice, VmSpec};
use crate::{Error, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};

pub const ENVIRONMENT: &str = "debian:12";

/// A function, because serde names a function for a default.
pub fn environment() -> String {
    ENVIRONMENT.to_owned()
}
pub const fn vcpu_count() -> u32 {
    1
}
pub const fn mem_mib() -> u32 {
    1024
}
pub const fn timeout_seconds() -> u64 {
    30
}
pub const fn ttl_seconds() -> u64 {
    600
}

pub const fn workspace_ttl_seconds() -> u64 {
    4 * 3600
}
pub const fn disk_mib() -> u64 {
    32 * 1024
}

pub fn workspace_path() -> String {
    "/workspace".to_owned()
}
pub fn baseline() -> String {
    crate::workspaces::snapshots::BASELINE.to_owned()
}
pub const fn list_limit() -> u64 {
    10_000
}
pub const fn read_bytes() -> u64 {
    65_536
}

/// A VM of the default size.
pub fn default_spec(environment: &str, network: bool, backend: BackendChoice) -> VmSpec {
    VmSpec {
        environment: environment.to_owned(),
        vcpu_count: vcpu_count(),
        mem_mib: mem_mib(),
        ttl_seconds: ttl_seconds(),
        network: network_flags::one_shot(network, Vec::new(), Vec::new()),
        allow_host_compat: false,
        backend,
    }
}

const BACKENDS: [(&str, BackendChoice); 3] = [
    ("auto", BackendChoice::Auto),
    ("firecracker", BackendChoice::Firecracker),
    ("qemu", BackendChoice::Qemu),
];

pub fn backend_parser() -> impl TypedValueParser<Value = BackendChoice> {
    // The possible values are the names of BACKENDS, so one always matches.
    PossibleValuesParser::new(BACKENDS.map(|(name, _)| name))
        .map(|name| backend_named(&name).unwrap_or_default())
}

fn backend_named(name: &str) -> Option<BackendChoice> {
    BACKENDS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, backend)| *backend)
}

/// The request's choice, else the one of `PYRO_BACKEND`, else `auto`.
pub fn chosen_backend(
    requested: Option<BackendChoice>,
    from_env: Option<&str>,
) -> Result<BackendChoice> {
    match (requested, from_env) {
        (Some(backend), _) => Ok(backend),
        (None, None) => Ok(BackendChoice::Auto),
        (None, Some(name)) => backend_named(name).ok_or_else(|| {
            Error::invalid(
                "unknown_backend",
                format!("PYRO_BACKEND names an unknown backend: {name:?}"),
            )
            .hint("set PYRO_BACKEND to auto, firecracker or qemu, or unset it")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_beats_the_environment_variable() {
        use BackendChoice::{Auto, Qemu};
        assert_eq!(
            chosen_backend(Some(Auto), Some("firecracker")).unwrap(),
            Auto
        );
        assert_eq!(chosen_backend(None, Some("qemu")).unwrap(), Qemu);
        assert_eq!(chosen_backend(None, None).unwrap(), Auto);
        assert!(chosen_backend(None, Some("Qemu")).is_err());
    }
}
