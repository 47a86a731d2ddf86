//! What a request must keep, checked in one place for every door.
//!
//! Owns: ranges and the sentences about them.

use super::payloads::{MEM_MIB_RANGE, TTL_SECONDS_RANGE, VCPU_COUNT_RANGE, VmSpec};
use crate::error::{Error, Result};
use std::fmt::Display;
use std::ops::RangeInclusive;

pub(super) fn spec(spec: &VmSpec) -> Result<()> {
    within("vcpu_count", spec.vcpu_count, &VCPU_COUNT_RANGE)?;
    within("mem_mib", spec.mem_mib, &MEM_MIB_RANGE)?;
    within("ttl_seconds", spec.ttl_seconds, &TTL_SECONDS_RANGE)?;
    if spec.network {
        return Err(Error::runtime(
            "network_unavailable",
            "this version of pyro has no guest network yet",
        )
        .hint("leave --network out; what the command needs has to be in the environment"));
    }
    Ok(())
}

/// A command's deadline is at least a second.
///
/// # Errors
/// `out_of_range`.
pub fn check_timeout(timeout_seconds: u64) -> Result<()> {
    if timeout_seconds > 0 {
        return Ok(());
    }
    Err(
        Error::invalid("out_of_range", "timeout_seconds is 0, it must be above 0")
            .hint("leave it out for 30 s"),
    )
}

pub(super) fn command(command: &str) -> Result<()> {
    if command.trim().is_empty() {
        return Err(Error::invalid("empty_command", "the command is empty")
            .hint("put the command after --, for example: pyro run debian:12 -- git --version"));
    }
    if command.contains('\0') {
        return Err(
            Error::invalid("invalid_command", "the command contains a NUL character")
                .hint("pass binary data through standard input"),
        );
    }
    Ok(())
}

fn within<T: PartialOrd + Display + Copy>(
    name: &str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = (range.start(), range.end());
    Err(Error::invalid(
        "out_of_range",
        format!("{name} is {value}, it must be from {least} to {most}"),
    )
    .hint(format!(
        "choose a {name} from {least} to {most}, or leave it out"
    )))
}
