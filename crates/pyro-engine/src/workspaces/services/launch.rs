//! What a service is to be.
//!
//! Owns: what a caller may ask for, checked before anything is looked at, and
//! its form on the way to the supervisor. Pure. Refuses: what no guest could do.

use super::payloads::{Readiness, RestartPolicy};
use super::readiness::{self, Wanted};
use crate::error::{Error, Result};
use crate::vms::checks;
use crate::workspaces::names;
use crate::workspaces::ports::PortWish;
use crate::workspaces::secrets::{self, SecretEnv};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Least and most seconds until a service has to be ready.
pub const READY_TIMEOUT_SECONDS_RANGE: RangeInclusive<u64> = 1..=3600;
/// Least and most milliseconds between two looks.
pub const READY_INTERVAL_MS_RANGE: RangeInclusive<u64> = 1..=60_000;
/// Least and most restarts in a row.
pub const MAX_RESTARTS_RANGE: RangeInclusive<u32> = 0..=1000;
/// Least and most seconds between two looks whether it is still ready.
pub const HEALTH_INTERVAL_SECONDS_RANGE: RangeInclusive<u64> = 1..=3600;
/// The kernel takes no longer word.
const MAX_COMMAND_BYTES: usize = 128 * 1024 - 1;

/// What to start.
#[derive(Clone, Debug)]
pub struct NewService {
    /// Its name.
    pub name: String,
    /// For `/bin/sh -lc`.
    pub command: String,
    /// Below `/workspace`.
    pub cwd: String,
    /// What makes it ready.
    pub readiness: Wanted,
    /// Seconds until it has to be, [`READY_TIMEOUT_SECONDS_RANGE`].
    pub ready_timeout_seconds: u64,
    /// Milliseconds between two looks, [`READY_INTERVAL_MS_RANGE`].
    pub ready_interval_ms: u64,
    /// When it is started again.
    pub restart: RestartPolicy,
    /// Most restarts in a row, [`MAX_RESTARTS_RANGE`].
    pub max_restarts: u32,
    /// Seconds between two later looks, [`HEALTH_INTERVAL_SECONDS_RANGE`].
    pub health_interval_seconds: Option<u64>,
    /// Ports of this host that lead to it.
    pub ports: Vec<PortWish>,
    /// Secrets of the workspace that it gets in variables.
    pub secret_env: Vec<SecretEnv>,
}

/// The same, checked, on its way to the supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::workspaces) struct Launch {
    pub name: String,
    pub command: String,
    pub cwd: String,
    pub readiness: Option<Readiness>,
    pub ready_timeout_seconds: u64,
    pub ready_interval_ms: u64,
    pub restart: RestartPolicy,
    pub max_restarts: u32,
    pub health_interval_seconds: Option<u64>,
    pub ports: Vec<PortWish>,
    /// Names, no values.
    pub secret_env: Vec<SecretEnv>,
}

impl NewService {
    pub(super) fn checked(&self) -> Result<Launch> {
        let name = service_name(&self.name)?;
        checks::command(&self.command)?;
        if self.command.len() > MAX_COMMAND_BYTES {
            return Err(
                Error::invalid("invalid_command", "the command is longer than 128 KiB")
                    .hint("put it into a script in the workspace"),
            );
        }
        let (timeout, interval) = (self.ready_timeout_seconds, self.ready_interval_ms);
        checks::within(
            "ready_timeout_seconds",
            timeout,
            &READY_TIMEOUT_SECONDS_RANGE,
        )?;
        checks::within("ready_interval_ms", interval, &READY_INTERVAL_MS_RANGE)?;
        checks::within("max_restarts", self.max_restarts, &MAX_RESTARTS_RANGE)?;
        let readiness = self.readiness.parse()?;
        if let Some(seconds) = self.health_interval_seconds {
            let range = HEALTH_INTERVAL_SECONDS_RANGE;
            checks::within("health_interval_seconds", seconds, &range)?;
        }
        check_ports(&self.ports)?;
        secrets::check_mapping(&self.secret_env)?;
        Ok(Launch {
            name,
            command: self.command.clone(),
            cwd: readiness::inside(&self.cwd, "cwd")?,
            readiness,
            ready_timeout_seconds: timeout,
            ready_interval_ms: interval,
            restart: self.restart,
            max_restarts: self.max_restarts,
            health_interval_seconds: self.health_interval_seconds,
            ports: self.ports.clone(),
            secret_env: self.secret_env.clone(),
        })
    }
}

/// Each of them possible, and no port of this host twice.
fn check_ports(ports: &[PortWish]) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for port in ports {
        port.check()?;
        // Two free ports of this host may lead to the same one.
        let repeated = port
            .host_port
            .is_some_and(|host_port| !seen.insert(host_port));
        if repeated {
            let host_port = port.host_port.unwrap_or_default();
            return Err(Error::invalid(
                "conflict",
                format!("port {host_port} of this host is to be published twice"),
            )
            .hint("give each of its ports once"));
        }
    }
    Ok(())
}

/// A service's name, trimmed.
pub(super) fn service_name(text: &str) -> Result<String> {
    let name = text.trim();
    if names::is_word(name) {
        return Ok(name.to_owned());
    }
    Err(Error::invalid(
        "invalid_name",
        format!("service name {text:?} is not allowed"),
    )
    .hint("names have up to 64 letters, digits, dots, dashes and underscores, a letter or digit first"))
}
